"""The commands that make one call, as plain data: one row an operation of the API.

Ids, query parameters and bodies are in :data:`norce_order_async.wire.table.ROWS`; here is what a person types and
reads.
"""

from typing import Literal, NamedTuple

Body = Literal["json", "pairs", "flags", "checked", "text", "status"]


class Command(NamedTuple):
    """One command.

    Attributes:
        name: Its two words after ``norce-order``.
        operation: The API's operationId.
        summary: What it does, as its help has it.
        example: What may stand after its name.
        body: How the request's body is given: ``json`` is JSON, ``pairs`` KEY=TEXT and KEY:=JSON, ``flags`` the same
            with true or false only, ``checked`` a choice of two options, ``text`` and ``status`` an argument; None for
            no body.
    """

    name: str
    operation: str
    summary: str
    example: str
    body: Body | None = None


GROUPS = {
    "order": "list, read, create, remove and validate orders",
    "state": "move an order to another state",
    "cart": "replace an order's cart",
    "reference": "set an order's reference",
    "billing-address": "replace an order's billing address",
    "shipping-address": "replace an order's shipping address",
    "consent": "change an order's consents",
    "attributes": "change an order's free-form attributes",
    "payment": "list, read, create and replace payments",
    "action": "add and run actions of a payment",
    "transaction": "list and post transactions of a payment",
    "shipping": "list, read, create and replace shippings",
    "validation": "register callbacks that are asked when an order is validated",
    "hook": "register calls that are made before a change is stored",
    "notification": "register calls that are made after a change is stored",
}
"""What each first word is about."""

_PAYMENT = """--json '{"type": "default", "amount": 125.00}'"""
_SHIPPING = """--json '{"total": {"includingVat": 50, "excludingVat": 40}, "vatRate": 0.25}'"""
_ADDRESS = """--json '{"givenName": "Ada", "city": "Lund", "country": "SE"}'"""
_CALLBACK = """--json '{"adapterId": "stock", "url": "https://stock.example/validate"}'"""

COMMANDS = (
    Command("order list", "GetCheckoutOrders", "list orders", "--status checkout --limit 50"),
    Command("order get", "GetCheckoutOrder", "print an order", "o_123"),
    Command("order create", "CreateCheckoutOrder", "create an order and print its id", "--json @order.json", "json"),
    Command("order delete", "DeleteCheckoutOrder", "remove an order", "o_123"),
    Command("order validate", "Validate", "validate an order and print what is wrong with it", "o_123"),
    Command("state update", "UpdateCheckoutOrderState", "move an order to another state", "o_123 completed", "status"),
    Command("cart update", "UpdateCheckoutOrderCart",
            "replace an order's cart; what is left out is lost", "o_123 --json @cart.json", "json"),
    Command("reference update", "UpdateCheckoutOrderReference", "set an order's reference", "o_123 web-17", "text"),
    Command("billing-address update", "UpdateCheckoutOrderCustomerBilling",
            "replace an order's billing address; what is left out is lost", f"o_123 {_ADDRESS}", "json"),
    Command("shipping-address update", "UpdateCheckoutOrderCustomerShipping",
            "replace an order's shipping address; what is left out is lost", f"o_123 {_ADDRESS}", "json"),
    Command("consent create", "CreateCheckoutOrderConsent", "add a consent to an order",
            """o_123 --json '{"id": "ci_terms", "checked": false}'""", "json"),
    Command("consent patch", "PatchCheckoutOrderConsent", "set whether a consent is given",
            "o_123 ci_newsletter --checked", "checked"),
    Command("consent patch-many", "PatchCheckoutOrderConsents", "set whether several consents are given",
            "o_123 ci_newsletter:=false ci_terms:=true", "flags"),
    Command("consent delete", "RemoveCheckoutOrderConsent", "take a consent off an order", "o_123 ci_newsletter"),
    Command("attributes patch", "PatchCheckoutOrderAttributes",
            "set attributes of an order; those not named stay", "o_123 erpId=A-17 exported:=true note:=null", "pairs"),
    Command("payment list", "GetOrderPayments", "list the payments of an order", "o_123"),
    Command("payment get", "GetOrderPayment", "print a payment", "o_123 p_1"),
    Command("payment create", "CreateOrderPayment", "add a payment to an order and print its id",
            f"o_123 {_PAYMENT}", "json"),
    Command("payment update", "UpdateOrderPayment", "replace a payment; what is left out is lost",
            "o_123 p_1 --json @payment.json", "json"),
    Command("action add", "AddPaymentAction", "append actions to a payment",
            """o_123 p_1 --json '[{"adapterId": "pay", "type": "capture", "url": "https://pay.example"}]'""", "json"),
    Command("action execute", "ExecutePaymentAction", "run an action of a payment: it moves money", "o_123 p_1 a_1"),
    Command("transaction list", "GetTransactionsForOrderPayment", "list the transactions of a payment", "o_123 p_1"),
    Command("transaction add", "AddTransactionForOrderPayment", "post a transaction for a payment",
            """o_123 p_1 --json '{"event": "capture", "amount": 125.00}'""", "json"),
    Command("shipping list", "GetOrderShippings", "list the shippings of an order", "o_123"),
    Command("shipping get", "GetOrderShipping", "print a shipping", "o_123 s_1"),
    Command("shipping create", "CreateOrderShipping", "add a shipping to an order and print its id",
            f"o_123 {_SHIPPING}", "json"),
    Command("shipping update", "UpdateOrderShipping", "replace a shipping; what is left out is lost",
            "o_123 s_1 --json @shipping.json", "json"),
    Command("validation create", "CreateCheckoutOrderValidation",
            "register a callback that is asked when an order is validated", f"o_123 {_CALLBACK}", "json"),
    Command("validation update", "UpdateCheckoutOrderValidation",
            "replace a callback; what is left out is lost", f"o_123 v_1 {_CALLBACK}", "json"),
    Command("validation delete", "RemoveCheckoutOrderValidation", "take a callback off an order", "o_123 v_1"),
    Command("hook create", "CreateCheckoutOrderHook", "register a call that is made before a change is stored",
            """o_123 --json '{"subscribeTo": "/consents", "invoke": "https://shop.example/hook"}'""", "json"),
    Command("hook delete", "DeleteCheckoutOrderHook", "take a hook off an order", "o_123 h_1"),
    Command("notification create", "CreateCheckoutOrderNotification",
            "register a call that is made after a change is stored",
            """o_123 --json '{"scope": "/state", "invoke": "https://shop.example/told"}'""", "json"),
    Command("notification delete", "DeleteCheckoutOrderNotification", "take a notification off an order", "o_123 n_1"),
)  # fmt: skip

BY_NAME = {command.name: command for command in COMMANDS}
