"""All operations of the API, each on a thing of its own, and how often the origin shows that one was carried out."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import attrs
from sandbox_requests import HEADERS, ORDERS

from norce_order_async import (
    CallOptions,
    OrderClient,
    ValidationFailedError,
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
    execute_payment_action,
    get_order,
    get_payment,
    get_shipping,
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
)
from norce_order_async.models import (
    Address,
    Callback,
    Cart,
    Consent,
    Hook,
    Notification,
    Order,
    OrderStatus,
    Payment,
    PaymentAction,
    PaymentEvent,
    PaymentTransaction,
    Price,
    Shipping,
)
from norce_order_async.testing import Sandbox
from norce_order_async.wire.json import decode_json

NEW_ORDERS = "elsewhere"
"""The merchant that new orders are made for, so that they can be listed apart from the others."""


@attrs.frozen(kw_only=True)
class Thing:
    """What one operation of many is about.

    Attributes:
        order_id: The order.
        mark: The id of its part, or what is written; no other operation has it.
    """

    order_id: str
    mark: str


@attrs.frozen(kw_only=True)
class At(Thing):
    """An operation that is made now.

    Attributes:
        client: What to call with.
        options: The options of its call.
    """

    client: OrderClient
    options: CallOptions

    def __call__(self, function: Callable[..., Awaitable[Any]], *arguments: Any, **others: Any) -> Awaitable[Any]:
        return function(self.client, self.order_id, *arguments, options=self.options, **others)


class Origin:
    """What the sandbox has in the end."""

    def __init__(self, sandbox: Sandbox) -> None:
        sandbox.faults.clear()
        self._sandbox = sandbox
        self.order = cache(self._order)

    def _order(self, order_id: str) -> Mapping[str, Any]:
        return self._sandbox.order(order_id) or {}

    def get(self, path: str, merchant: str = "norce") -> Any:
        """The JSON that it answers to a GET."""
        return decode_json(self._sandbox.handle("GET", path, HEADERS | {"x-merchant": merchant}).body)

    def parts(self, at: Thing, name: str) -> Sequence[Mapping[str, Any]]:
        """What the order has of ``name``: its consents, its payments ..."""
        parts: Sequence[Mapping[str, Any]] = self.order(at.order_id).get(name, [])
        return parts

    def part(self, at: Thing, name: str) -> Mapping[str, Any]:
        """The part with the mark as its id."""
        none: Mapping[str, Any] = {}
        return next((part for part in self.parts(at, name) if part["id"] == at.mark), none)

    def transactions(self, at: Thing) -> Sequence[Mapping[str, Any]]:
        """The transactions of the payment with the mark as its id."""
        found: Any = self.get(f"{ORDERS}/{at.order_id}/payments/{at.mark}/transactions")
        return () if "code" in found else found


@attrs.frozen
class Kind:
    """An operation of the mix.

    Attributes:
        operate: Makes the call; of one that only reads, whether it read what is there.
        effects: How often the origin has what it does; None where it only reads.
        needs: The list of the order, and the members beside the id, of the part that has to be there.
        own: Whether it needs an order of its own.
        removes: Whether what it does is that something is gone.
    """

    operate: Callable[[At], Awaitable[Any]]
    effects: Callable[[Origin, Thing], int] | None
    needs: tuple[str, Mapping[str, Any]] | None = None
    own: bool = False
    removes: bool = False


def count(name: str, member: str) -> Callable[[Origin, Thing], int]:
    """How many parts have the mark as this member."""
    return lambda origin, at: sum(part.get(member) == at.mark for part in origin.parts(at, name))


def gone(name: str) -> Callable[[Origin, Thing], int]:
    """Whether the part is gone."""
    return lambda origin, at: int(not origin.part(at, name))


def has(name: str, member: str, value: object = None) -> Callable[[Origin, Thing], int]:
    """Whether the part has this value, by default its mark with an end to it."""
    return lambda origin, at: int(origin.part(at, name).get(member) == (value or new(at)))


def new(at: Thing) -> str:
    """What replaces something."""
    return f"{at.mark}-new"


def in_order(*path: str) -> Callable[[Origin, Thing], int]:
    """Whether the order has the mark there."""

    def effects(origin: Origin, at: Thing) -> int:
        value: Any = origin.order(at.order_id)
        for name in path:
            value = value.get(name, {})
        return int(value == at.mark)

    return effects


def new_orders(origin: Origin, at: Thing) -> int:
    """How many orders were made with this cart."""
    return len(origin.get(f"{ORDERS}?cart_reference={at.mark}", NEW_ORDERS)["data"])


async def make_order(at: At) -> None:
    order = Order(cart=Cart(reference=at.mark))
    await create_order(at.client.scoped(merchant=NEW_ORDERS), order, options=at.options)


async def read_list(at: At) -> bool:
    page = await list_orders(at.client, limit=1, options=at.options)
    return len(page.data) == 1


async def read_order(at: At) -> bool:
    order: Order = await at(get_order)
    return order.id == at.order_id and at.mark in _ids(order.consents)


async def read_payments(at: At) -> bool:
    return at.mark in _ids(await at(list_payments))


async def read_payment(at: At) -> bool:
    payment: Payment = await at(get_payment, at.mark)
    return payment.name == "Card"


async def read_transactions(at: At) -> bool:
    return not await at(list_transactions, at.mark)


async def read_shippings(at: At) -> bool:
    return at.mark in _ids(await at(list_shippings))


async def read_shipping(at: At) -> bool:
    shipping: Shipping = await at(get_shipping, at.mark)
    return shipping.name == "Home"


async def read_problems(at: At) -> bool:
    try:
        await at(validate)
    except ValidationFailedError as error:
        return [problem.code for problem in error.problems] == ["cart-empty"]
    return False


def _ids(parts: Iterable[Any]) -> Counter[str]:
    return Counter(part.id for part in parts)


URL = "https://adapter.example/{order_id}"
PRICE = Price(including_vat=Decimal(50), excluding_vat=Decimal(40))
CONSENT: tuple[str, Mapping[str, Any]] = ("consents", {"checked": False})
CALLBACK: Mapping[str, Any] = {"adapterId": "before", "url": URL}
HOOK: Mapping[str, Any] = {"adapterId": "before", "subscribeTo": "/cart", "invoke": URL}
ACTION: Mapping[str, Any] = {"id": "a", "adapterId": "psp", "type": "capture", "url": URL}
PAYMENT: tuple[str, Mapping[str, Any]] = ("payments", {"name": "Card", "type": "default", "amount": 1})
SHIPPING: tuple[str, Mapping[str, Any]] = (
    "shippings", {"name": "Home", "total": {"includingVat": 50, "excludingVat": 40}, "vatRate": Decimal("0.25")},
)  # fmt: skip


def address(at: At) -> Address:
    return Address(city=at.mark)


def action(at: At) -> PaymentAction:
    return PaymentAction(adapter_id=at.mark, type="capture", url=URL)


def posted(origin: Origin, at: Thing) -> int:
    return len(origin.transactions(at))


def actions(origin: Origin, at: Thing) -> int:
    return len(origin.part(at, "payments").get("actions", []))


MIX: Mapping[str, Kind] = {
    "GetCheckoutOrders": Kind(read_list, None),
    "CreateCheckoutOrder": Kind(make_order, new_orders),
    "GetCheckoutOrder": Kind(read_order, None, CONSENT),
    "DeleteCheckoutOrder": Kind(
        lambda at: at(delete_order), lambda origin, at: int(not origin.order(at.order_id)), own=True, removes=True
    ),
    "UpdateCheckoutOrderState": Kind(
        lambda at: at(update_state, OrderStatus.PROCESSING),
        lambda origin, at: sum(
            moved["status"] == "processing" for moved in origin.order(at.order_id)["state"]["transitions"]
        ),
        own=True,
    ),
    "UpdateCheckoutOrderCart": Kind(
        lambda at: at(update_cart, Cart(reference=at.mark)), in_order("cart", "reference"), own=True
    ),
    "UpdateCheckoutOrderCustomerBilling": Kind(
        lambda at: at(update_billing_address, address(at)), in_order("customer", "billing", "city"), own=True
    ),
    "UpdateCheckoutOrderCustomerShipping": Kind(
        lambda at: at(update_shipping_address, address(at)), in_order("customer", "shipping", "city"), own=True
    ),
    "CreateCheckoutOrderConsent": Kind(lambda at: at(create_consent, Consent(id=at.mark)), count("consents", "id")),
    "PatchCheckoutOrderConsents": Kind(
        lambda at: at(patch_consents, {at.mark: True}), has("consents", "checked", True), CONSENT
    ),
    "PatchCheckoutOrderConsent": Kind(
        lambda at: at(patch_consent, at.mark, checked=True), has("consents", "checked", True), CONSENT
    ),
    "RemoveCheckoutOrderConsent": Kind(
        lambda at: at(delete_consent, at.mark), gone("consents"), CONSENT, removes=True
    ),
    "PatchCheckoutOrderAttributes": Kind(
        lambda at: at(patch_attributes, {at.mark: at.mark}),
        lambda origin, at: int(origin.order(at.order_id)["attributes"].get(at.mark) == at.mark),
    ),
    "CreateCheckoutOrderValidation": Kind(
        lambda at: at(create_validation, Callback(adapter_id=at.mark, url=URL)), count("validations", "adapterId")
    ),
    "UpdateCheckoutOrderValidation": Kind(
        lambda at: at(update_validation, at.mark, Callback(adapter_id=new(at), url=URL)),
        has("validations", "adapterId"), ("validations", CALLBACK),
    ),
    "RemoveCheckoutOrderValidation": Kind(
        lambda at: at(delete_validation, at.mark), gone("validations"), ("validations", CALLBACK), removes=True
    ),
    "Validate": Kind(read_problems, None, own=True),
    "UpdateCheckoutOrderReference": Kind(lambda at: at(update_reference, at.mark), in_order("reference"), own=True),
    "CreateCheckoutOrderHook": Kind(
        lambda at: at(create_hook, Hook(adapter_id=at.mark, subscribe_to="/cart", invoke=URL)),
        count("hooks", "adapterId"),
    ),
    "DeleteCheckoutOrderHook": Kind(lambda at: at(delete_hook, at.mark), gone("hooks"), ("hooks", HOOK), removes=True),
    "CreateCheckoutOrderNotification": Kind(
        lambda at: at(create_notification, Notification(adapter_id=at.mark, scope="/cart", invoke=URL)),
        count("notifications", "adapterId"),
    ),
    "DeleteCheckoutOrderNotification": Kind(
        lambda at: at(delete_notification, at.mark), gone("notifications"), ("notifications", {"scope": "/cart"}),
        removes=True,
    ),
    "GetOrderPayments": Kind(read_payments, None, PAYMENT),
    "CreateOrderPayment": Kind(
        lambda at: at(create_payment, Payment(reference=at.mark)), count("payments", "reference")
    ),
    "GetOrderPayment": Kind(read_payment, None, PAYMENT),
    "UpdateOrderPayment": Kind(
        lambda at: at(update_payment, at.mark, Payment(name=new(at))), has("payments", "name"), PAYMENT
    ),
    "AddPaymentAction": Kind(lambda at: at(add_payment_actions, at.mark, [action(at)]), actions, PAYMENT),
    "ExecutePaymentAction": Kind(
        lambda at: at(execute_payment_action, at.mark, "a"), posted,
        ("payments", {**PAYMENT[1], "actions": [ACTION]}),
    ),
    "GetTransactionsForOrderPayment": Kind(read_transactions, None, PAYMENT),
    "AddTransactionForOrderPayment": Kind(
        lambda at: at(add_transaction, at.mark, PaymentTransaction(event=PaymentEvent.OPEN)), posted, PAYMENT
    ),
    "GetOrderShippings": Kind(read_shippings, None, SHIPPING),
    "CreateOrderShipping": Kind(
        lambda at: at(create_shipping, Shipping(name=at.mark, total=PRICE, vat_rate=Decimal("0.25"))),
        count("shippings", "name"),
    ),
    "GetOrderShipping": Kind(read_shipping, None, SHIPPING),
    "UpdateOrderShipping": Kind(
        lambda at: at(update_shipping, at.mark, Shipping(name=new(at), total=PRICE, vat_rate=Decimal("0.25"))),
        has("shippings", "name"), SHIPPING,
    ),
}  # fmt: skip
