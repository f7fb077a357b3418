"""One good call of each endpoint function: what is given, what goes out, what comes back, and what that is read as."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import attrs

from norce_order_async import Receipt
from norce_order_async.models import (
    Address,
    Callback,
    Cart,
    Consent,
    Hook,
    Item,
    Notification,
    Order,
    OrderPaginationSet,
    OrderStatus,
    Pagination,
    Payment,
    PaymentAction,
    PaymentEvent,
    PaymentTransaction,
    PaymentType,
    Price,
    Shipping,
)
from norce_order_async.wire.table import ROWS

ORDER = "/api/v0/checkout/orders/o_1"
PRICE = Price(including_vat=Decimal("50.00"), excluding_vat=Decimal("40.00"))
ACTION = PaymentAction(adapter_id="a", type="capture", url="https://a.example")


@attrs.frozen
class Given:
    """A call of an endpoint function.

    Attributes:
        name: The operationId.
        arguments: What is given after the client, by the names of the parameters.
        target: The path and query that go out.
        body: The JSON that goes out; None for no body.
        answer: The JSON that comes back; None for an empty body.
        result: What it is read as; Receipt where the function gives one.
    """

    name: str
    arguments: dict[str, Any]
    target: str
    body: Any = None
    answer: Any = None
    result: Any = Receipt

    @property
    def function(self) -> Callable[..., Any]:
        module, _, name = ROWS[self.name].function.partition(".")
        function: Callable[..., Any] = getattr(import_module(f"norce_order_async.endpoints.{module}"), name)
        return function

    @property
    def response(self) -> tuple[int, dict[str, str], bytes]:
        body = b"" if self.answer is None else json.dumps(self.answer).encode()
        return ROWS[self.name].success[0], {"content-type": "application/json"}, body


def order(**others: Any) -> dict[str, Any]:
    return {"order_id": "o_1"} | others


def payment(**others: Any) -> dict[str, Any]:
    return order(payment_id="p_1") | others


CALLS = [
    Given(
        "GetCheckoutOrders",
        {"status": ["checkout"], "limit": 50, "offset": 100, "date_from": datetime(2026, 1, 2, tzinfo=UTC)},
        "/api/v0/checkout/orders?status=checkout&limit=50&offset=100&date_from=2026-01-02T00%3A00%3A00%2B00%3A00",
        answer={"data": [{"id": "o_1"}], "pagination": {"totalSize": 1}},
        result=OrderPaginationSet(data=(Order(id="o_1"),), pagination=Pagination(total_size=1)),
    ),
    Given(
        "CreateCheckoutOrder",
        {"order": Order(id="x", merchant="x", culture="sv-SE", cart=Cart(items=[Item(id="row", quantity=1)]))},
        "/api/v0/checkout/orders",
        {"culture": "sv-SE", "cart": {"items": [{"id": "row", "quantity": 1}]}},
        {"id": "o_2"},
        "o_2",
    ),
    Given("GetCheckoutOrder", order(), ORDER, answer={"id": "o_1"}, result=Order(id="o_1")),
    Given("DeleteCheckoutOrder", order(), ORDER),
    Given(
        "UpdateCheckoutOrderState",
        order(status=OrderStatus.COMPLETED),
        f"{ORDER}/state",
        {"currentStatus": "completed"},
    ),
    Given(
        "UpdateCheckoutOrderCart",
        order(cart=Cart(reference="c", total=PRICE)),
        f"{ORDER}/cart",
        {"reference": "c", "total": {"includingVat": 50.0, "excludingVat": 40.0}},
    ),
    Given(
        "UpdateCheckoutOrderCustomerBilling",
        order(address=Address(city="Åmål")),
        f"{ORDER}/customer/billing",
        {"city": "Åmål"},
    ),
    Given(
        "UpdateCheckoutOrderCustomerShipping",
        order(address=Address(city="Åmål")),
        f"{ORDER}/customer/shipping",
        {"city": "Åmål"},
    ),
    Given(
        "CreateCheckoutOrderConsent",
        order(consent=Consent(id="ci", checked=False)),
        f"{ORDER}/consents",
        {"id": "ci", "checked": False},
    ),
    Given(
        "PatchCheckoutOrderConsents",
        order(checked={"ci_a": False, "ci_b": True}),
        f"{ORDER}/consents",
        [{"id": "ci_a", "checked": False}, {"id": "ci_b", "checked": True}],
    ),
    Given(
        "PatchCheckoutOrderConsent",
        order(consent_id="ci", checked=True),
        f"{ORDER}/consents/ci",
        {"id": "ci", "checked": True},
    ),
    Given("RemoveCheckoutOrderConsent", order(consent_id="ci"), f"{ORDER}/consents/ci"),
    Given(
        "PatchCheckoutOrderAttributes",
        order(attributes={"a": Decimal("1.50")}),
        f"{ORDER}/attributes",
        {"a": 1.5},
    ),
    Given(
        "CreateCheckoutOrderValidation",
        order(callback=Callback(id="x", adapter_id="a", url="https://a.example")),
        f"{ORDER}/validations",
        {"adapterId": "a", "url": "https://a.example"},
    ),
    Given(
        "UpdateCheckoutOrderValidation",
        order(validation_id="v_1", callback=Callback(id="x", adapter_id="a")),
        f"{ORDER}/validations/v_1",
        {"adapterId": "a"},
    ),
    Given("RemoveCheckoutOrderValidation", order(validation_id="v_1"), f"{ORDER}/validations/v_1"),
    Given("Validate", order(), f"{ORDER}/validate"),
    Given("UpdateCheckoutOrderReference", order(reference="web-17"), f"{ORDER}/reference", "web-17"),
    Given(
        "CreateCheckoutOrderHook",
        order(hook=Hook(id="x", subscribe_to="/consents", invoke="https://a.example")),
        f"{ORDER}/hooks",
        {"subscribeTo": "/consents", "invoke": "https://a.example"},
    ),
    Given("DeleteCheckoutOrderHook", order(hook_id="h_1"), f"{ORDER}/hooks/h_1"),
    Given(
        "CreateCheckoutOrderNotification",
        order(notification=Notification(id="mine", scope="/state", schema={"const": "completed"})),
        f"{ORDER}/notifications",
        {"id": "mine", "scope": "/state", "schema": {"const": "completed"}},
    ),
    Given("DeleteCheckoutOrderNotification", order(notification_id="n_1"), f"{ORDER}/notifications/n_1"),
    Given("GetOrderPayments", order(), f"{ORDER}/payments", answer=[{"id": "p_1"}], result=[Payment(id="p_1")]),
    Given(
        "CreateOrderPayment",
        order(payment=Payment(id="x", type=PaymentType.DEFAULT, amount=Decimal("125.00"))),
        f"{ORDER}/payments",
        {"type": "default", "amount": 125.0},
        {"id": "p_2"},
        "p_2",
    ),
    Given("GetOrderPayment", payment(), f"{ORDER}/payments/p_1", answer={"id": "p_1"}, result=Payment(id="p_1")),
    Given(
        "UpdateOrderPayment",
        payment(payment=Payment(id="p_1", order_id="o_1", actions=[attrs.evolve(ACTION, id="x")])),
        f"{ORDER}/payments/p_1",
        {"orderId": "o_1", "actions": [{"adapterId": "a", "type": "capture", "url": "https://a.example"}]},
        {"id": "p_1", "amount": 2},
        Payment(id="p_1", amount=Decimal(2)),
    ),
    Given(
        "AddPaymentAction",
        payment(actions=[ACTION]),
        f"{ORDER}/payments/p_1/actions",
        [{"adapterId": "a", "type": "capture", "url": "https://a.example"}],
    ),
    Given("ExecutePaymentAction", payment(action_id="a_1"), f"{ORDER}/payments/p_1/actions/a_1/execute"),
    Given(
        "GetTransactionsForOrderPayment",
        payment(),
        f"{ORDER}/payments/p_1/transactions",
        answer=[{"event": "Capture"}],
        result=[PaymentTransaction(event=PaymentEvent.CAPTURE)],
    ),
    Given(
        "AddTransactionForOrderPayment",
        payment(transaction=PaymentTransaction(event=PaymentEvent.OPEN, request_json='{"a": 1}')),
        f"{ORDER}/payments/p_1/transactions",
        {"event": "open", "requestJson": '{"a": 1}'},
        {"event": "open"},
        PaymentTransaction(event=PaymentEvent.OPEN),
    ),
    Given("GetOrderShippings", order(), f"{ORDER}/shippings", answer=[{"id": "s_1"}], result=[Shipping(id="s_1")]),
    Given(
        "CreateOrderShipping",
        order(shipping=Shipping(id="x", total=PRICE, vat_rate=Decimal("0.25"))),
        f"{ORDER}/shippings",
        {"total": {"includingVat": 50.0, "excludingVat": 40.0}, "vatRate": 0.25},
        {"id": "s_2"},
        "s_2",
    ),
    Given(
        "GetOrderShipping",
        order(shipping_id="s_1"),
        f"{ORDER}/shippings/s_1",
        answer={"id": "s_1"},
        result=Shipping(id="s_1"),
    ),
    Given(
        "UpdateOrderShipping",
        order(shipping_id="s_1", shipping=Shipping(id="s_1", total=PRICE, vat_rate=Decimal(0))),
        f"{ORDER}/shippings/s_1",
        {"total": {"includingVat": 50.0, "excludingVat": 40.0}, "vatRate": 0},
        {"id": "s_1"},
        Shipping(id="s_1"),
    ),
]
