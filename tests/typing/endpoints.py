"""Only type-checked, never run: a call of each endpoint function, and what the checkers must infer of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import assert_type

import attrs

from norce_order_async import (
    CallOptions,
    DecodeError,
    Edited,
    OrderClient,
    OrderIterator,
    Receipt,
    ValidationFailedError,
    WaitTimeout,
    add_payment_actions,
    add_transaction,
    create_consent,
    create_hook,
    create_notification,
    create_order,
    create_payment,
    create_shipping,
    create_validation,
    delete_consent,
    delete_hook,
    delete_notification,
    delete_order,
    delete_validation,
    edit_billing_address,
    edit_cart,
    edit_payment,
    edit_shipping,
    edit_shipping_address,
    execute_payment_action,
    get_order,
    get_payment,
    get_shipping,
    iter_orders,
    list_orders,
    list_payments,
    list_shippings,
    list_transactions,
    patch_attributes,
    patch_consent,
    patch_consents,
    update_billing_address,
    update_cart,
    update_payment,
    update_reference,
    update_shipping,
    update_shipping_address,
    update_state,
    update_validation,
    validate,
    wait_until,
)
from norce_order_async.models import (
    JSON,
    Address,
    Callback,
    Cart,
    Consent,
    Hook,
    Notification,
    Order,
    OrderListOrderBy,
    OrderPaginationSet,
    OrderStatus,
    Payment,
    PaymentAction,
    PaymentState,
    PaymentTransaction,
    PaymentType,
    Price,
    Shipping,
    ValidationError,
    from_dict,
    from_json,
    to_json,
)
from norce_order_async.operations import OPERATIONS, OperationEvidence
from norce_order_async.transport import RawResponse


async def orders(client: OrderClient) -> None:
    """Orders and what they hold."""
    page = await list_orders(client, status=["checkout", OrderStatus.ACCEPTED], limit=50, date_from=datetime.now(UTC))
    assert_type(page, OrderPaginationSet)
    sorted_page = await list_orders(client, order_by=OrderListOrderBy.CREATED, options=CallOptions(timeout=3))
    assert_type(sorted_page, OrderPaginationSet)
    async for order in iter_orders(client, status={OrderStatus.CHECKOUT}, verify=True):
        assert_type(order, Order)
    async with iter_orders(client, on_unreadable="yield", limit=100) as entries:
        assert_type(entries, OrderIterator[Order | DecodeError])
    assert_type(await create_order(client, Order(cart=Cart())), str)
    assert_type(await get_order(client, "o"), Order)
    assert_type(await delete_order(client, "o"), Receipt)
    assert_type(await update_state(client, "o", OrderStatus.COMPLETED), Receipt)
    assert_type(await update_state(client, "o", "completed"), Receipt)
    assert_type(await update_cart(client, "o", Cart()), Receipt)
    assert_type(await update_billing_address(client, "o", Address()), Receipt)
    assert_type(await update_shipping_address(client, "o", Address()), Receipt)
    assert_type(await update_reference(client, "o", "web-17"), Receipt)
    assert_type(await create_consent(client, "o", Consent(id="ci")), Receipt)
    assert_type(await patch_consents(client, "o", {"ci_newsletter": False, "ci_terms": True}), Receipt)
    assert_type(await patch_consent(client, "o", "ci", checked=True), Receipt)
    assert_type(await delete_consent(client, "o", "ci"), Receipt)
    assert_type(await patch_attributes(client, "o", {"a": Decimal("1.5")}), Receipt)


async def in_steps(client: OrderClient) -> None:
    """Read, change, write; and wait."""
    assert_type(await edit_cart(client, "o", lambda cart: attrs.evolve(cart, items=cart.items[1:])), Edited[Cart])
    address = await edit_billing_address(client, "o", lambda address: attrs.evolve(address, city="Lund"))
    assert_type(address.after, Address)
    assert_type(address.receipt, Receipt | None)
    assert_type(await edit_shipping_address(client, "o", lambda address: address), Edited[Address])
    assert_type(await edit_payment(client, "o", "p", lambda payment: payment), Edited[Payment])
    assert_type(await edit_shipping(client, "o", "s", lambda shipping: shipping), Edited[Shipping])
    try:
        assert_type(await wait_until(client, "o", lambda order: order.cart is not None, timeout=30), Order)
    except WaitTimeout as error:
        assert_type(error.order, Order | None)


async def callbacks(client: OrderClient) -> None:
    """Validations, hooks and notifications."""
    try:
        assert_type(await validate(client, "o"), Receipt)
    except ValidationFailedError as error:
        assert_type(error.problems, tuple[ValidationError, ...])
    assert_type(await create_validation(client, "o", Callback()), Receipt)
    assert_type(await update_validation(client, "o", "v", Callback()), Receipt)
    assert_type(await delete_validation(client, "o", "v"), Receipt)
    assert_type(await create_hook(client, "o", Hook()), Receipt)
    assert_type(await delete_hook(client, "o", "h"), Receipt)
    assert_type(await create_notification(client, "o", Notification()), Receipt)
    assert_type(await delete_notification(client, "o", "n"), Receipt)


async def payments(client: OrderClient) -> None:
    """Payments, transactions, actions and shippings."""
    assert_type(await list_payments(client, "o"), list[Payment])
    assert_type(await create_payment(client, "o", Payment(type=PaymentType.DEFAULT, amount=Decimal("125.00"))), str)
    payment = await get_payment(client, "o", "p")
    assert_type(payment, Payment)
    changed = attrs.evolve(payment, state=PaymentState.REMOVED)
    assert_type(await update_payment(client, "o", "p", changed), Payment | None)
    assert_type(await add_payment_actions(client, "o", "p", [PaymentAction(type="capture")]), Receipt)
    assert_type(await execute_payment_action(client, "o", "p", "a"), Receipt)
    assert_type(await list_transactions(client, "o", "p"), list[PaymentTransaction])
    assert_type(await add_transaction(client, "o", "p", PaymentTransaction()), PaymentTransaction)
    assert_type(await list_shippings(client, "o"), list[Shipping])
    assert_type(await create_shipping(client, "o", Shipping(total=Price(), vat_rate=Decimal("0.25"))), str)
    assert_type(await get_shipping(client, "o", "s"), Shipping)
    assert_type(await update_shipping(client, "o", "s", Shipping()), Shipping)


async def giving_on(client: OrderClient) -> None:
    """Raw answers, JSON, and the table."""
    answers: list[RawResponse] = []
    order = await get_order(client, "o", options=CallOptions(on_response=answers.append))
    assert_type(answers[0].headers["etag"], str)
    assert_type(to_json(order), str)
    assert_type(from_json(to_json(order), Order), Order)
    assert_type(from_json(to_json([order]), list[Order]), list[Order])
    assert_type(from_json("{}"), JSON)
    assert_type(from_dict({}, Receipt), Receipt)
    assert_type(OPERATIONS["Validate"].evidence, OperationEvidence | None)
