"""The whole API as plain data: one :class:`Row` an operation.

Nothing but the standard library is imported here, so that whoever needs the table alone (a command line's parser, say)
pays for nothing else. :data:`norce_order_async.operations.OPERATIONS` makes of each row what a client can run.

Source: the reference of the build of 2026-01-12, https://docs.norce.io/api-reference/nco/openapi/order/schemas, and,
where ``evidence`` is ``v1_types``, https://github.com/NorceTech/norce-checkout-angular (src/openapi/order.ts).
"""

from enum import StrEnum
from typing import Literal, NamedTuple

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class OperationEvidence(StrEnum):
    """How sure it is that an operation is as it stands here: the weakest of its path, request, success and errors."""

    DOCUMENTED = "documented"
    """Published for this version of the API."""
    V1_TYPES = "v1_types"
    """Published for v1 of the same service, and carried over."""
    INFERRED = "inferred"
    """Follows from something published."""


class Row(NamedTuple):
    """One operation of the API.

    Attributes:
        name: The API's operationId.
        function: The function that runs it, with its module in ``norce_order_async.endpoints``.
        method: The HTTP method.
        path: The path below the base URL, with ``{placeholders}`` for ids.
        repeat: A value of :class:`norce_order_async.operations.Repeat`: by meaning, not by verb.
        twice: Why.
        evidence: How sure all this is.
        body: The schema of the request's body; None for no body.
        result: The schema of a success's body; None for an empty one.
        success: The statuses of its success.
        query: The names of its query parameters.
        changes: Whether it may change something on the server.
    """

    name: str
    function: str
    method: Method
    path: str
    repeat: str
    twice: str
    evidence: OperationEvidence
    body: str | None = None
    result: str | None = None
    success: tuple[int, ...] = (200,)
    query: tuple[str, ...] = ()
    changes: bool = True

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the ids in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


_ORDERS = "/api/v0/checkout/orders"
_ORDER = f"{_ORDERS}/{{order_id}}"
_CONSENT = f"{_ORDER}/consents/{{consent_id}}"
_VALIDATION = f"{_ORDER}/validations/{{validation_id}}"
_PAYMENT = f"{_ORDER}/payments/{{payment_id}}"
_SHIPPING = f"{_ORDER}/shippings/{{shipping_id}}"
_DOCUMENTED, _V1_TYPES, _INFERRED = OperationEvidence
_READ = "it changes nothing"
_GONE = "what is gone stays gone"
_FILTERS = (
    "offset", "limit", "search", "payment_id", "reference", "cart_reference", "status", "date_from", "date_to",
    "order_by", "order_by_direction", "countries", "billing_countries", "billing_emails", "billing_names",
    "billing_phones", "shipping_countries", "shipping_emails", "shipping_names", "shipping_phones",
)  # fmt: skip

_ROWS = (
    Row("GetCheckoutOrders", "orders.list_orders", "GET", _ORDERS, "safe",
        _READ, _V1_TYPES, result="OrderPaginationSet", query=_FILTERS, changes=False),
    Row("CreateCheckoutOrder", "orders.create_order", "POST", _ORDERS, "if_unsent",
        "sent twice it could make two orders", _DOCUMENTED, body="Order", result="CreateResponse | str",
        success=(201,)),
    Row("GetCheckoutOrder", "orders.get_order", "GET", _ORDER, "safe",
        _READ, _DOCUMENTED, result="Order", changes=False),
    Row("DeleteCheckoutOrder", "orders.delete_order", "DELETE", _ORDER, "safe",
        _GONE, _V1_TYPES, success=(204,)),
    Row("UpdateCheckoutOrderState", "state.update_state", "PUT", f"{_ORDER}/state", "if_unsent",
        "a repeat may move an order that somebody has moved on meanwhile", _DOCUMENTED, body="State"),
    Row("UpdateCheckoutOrderCart", "cart.update_cart", "PUT", f"{_ORDER}/cart", "safe",
        "the same cart replaces itself", _DOCUMENTED, body="Cart", success=(200, 202)),
    Row("UpdateCheckoutOrderCustomerBilling", "customers.update_billing_address",
        "PUT", f"{_ORDER}/customer/billing", "safe",
        "the same address replaces itself", _DOCUMENTED, body="Address"),
    Row("UpdateCheckoutOrderCustomerShipping", "customers.update_shipping_address",
        "PUT", f"{_ORDER}/customer/shipping", "safe",
        "the same address replaces itself", _V1_TYPES, body="Address"),
    Row("CreateCheckoutOrderConsent", "consents.create_consent", "POST", f"{_ORDER}/consents", "if_unsent",
        "what happens when the order has one of that id already is not published", _V1_TYPES, body="Consent"),
    Row("PatchCheckoutOrderConsents", "consents.patch_consents", "PATCH", f"{_ORDER}/consents", "safe",
        "the same values replace themselves", _DOCUMENTED, body="list[Consent]"),
    Row("PatchCheckoutOrderConsent", "consents.patch_consent", "PATCH", _CONSENT, "safe",
        "the same value replaces itself", _DOCUMENTED, body="Consent"),
    Row("RemoveCheckoutOrderConsent", "consents.delete_consent", "DELETE", _CONSENT, "safe",
        _GONE, _V1_TYPES),
    Row("PatchCheckoutOrderAttributes", "attributes.patch_attributes", "PATCH", f"{_ORDER}/attributes", "safe",
        "the same values replace themselves", _DOCUMENTED, body="Attributes"),
    Row("CreateCheckoutOrderValidation", "validations.create_validation",
        "POST", f"{_ORDER}/validations", "if_unsent",
        "a second one is a second callback", _DOCUMENTED, body="Callback"),
    Row("UpdateCheckoutOrderValidation", "validations.update_validation", "PUT", _VALIDATION, "safe",
        "the same callback replaces itself", _INFERRED, body="Callback"),
    Row("RemoveCheckoutOrderValidation", "validations.delete_validation", "DELETE", _VALIDATION, "safe",
        _GONE, _V1_TYPES),
    Row("Validate", "validations.validate", "POST", f"{_ORDER}/validate", "safe",
        _READ, _DOCUMENTED, result="list[ValidationError]", changes=False),
    Row("UpdateCheckoutOrderReference", "references.update_reference", "PUT", f"{_ORDER}/reference", "safe",
        "the same reference replaces itself", _V1_TYPES, body="str"),
    Row("CreateCheckoutOrderHook", "hooks.create_hook", "POST", f"{_ORDER}/hooks", "if_unsent",
        "a second one is called twice", _DOCUMENTED, body="Hook"),
    Row("DeleteCheckoutOrderHook", "hooks.delete_hook", "DELETE", f"{_ORDER}/hooks/{{hook_id}}", "safe",
        _GONE, _INFERRED),
    Row("CreateCheckoutOrderNotification", "notifications.create_notification",
        "POST", f"{_ORDER}/notifications", "if_unsent",
        "a second one is delivered twice", _INFERRED, body="Notification"),
    Row("DeleteCheckoutOrderNotification", "notifications.delete_notification",
        "DELETE", f"{_ORDER}/notifications/{{notification_id}}", "safe",
        _GONE, _INFERRED),
    Row("GetOrderPayments", "payments.list_payments", "GET", f"{_ORDER}/payments", "safe",
        _READ, _V1_TYPES, result="list[Payment]", changes=False),
    Row("CreateOrderPayment", "payments.create_payment", "POST", f"{_ORDER}/payments", "if_unsent",
        "sent twice it could make two payments, whose sum the order's validation then refuses", _DOCUMENTED,
        body="Payment", result="CreateResponse", success=(201,)),
    Row("GetOrderPayment", "payments.get_payment", "GET", _PAYMENT, "safe",
        _READ, _V1_TYPES, result="Payment", changes=False),
    Row("UpdateOrderPayment", "payments.update_payment", "PUT", _PAYMENT, "safe",
        "the same payment replaces itself", _V1_TYPES, body="Payment", result="Payment"),
    Row("AddPaymentAction", "transactions.add_payment_actions", "POST", f"{_PAYMENT}/actions", "if_unsent",
        "each time appends", _DOCUMENTED, body="list[PaymentAction]"),
    Row("ExecutePaymentAction", "transactions.execute_payment_action",
        "POST", f"{_PAYMENT}/actions/{{action_id}}/execute", "never",
        "it moves money: capture, refund, cancel", _INFERRED),
    Row("GetTransactionsForOrderPayment", "transactions.list_transactions", "GET", f"{_PAYMENT}/transactions", "safe",
        _READ, _V1_TYPES, result="list[PaymentTransaction]", changes=False),
    Row("AddTransactionForOrderPayment", "transactions.add_transaction",
        "POST", f"{_PAYMENT}/transactions", "if_unsent",
        "each time appends to a ledger that nothing is removed from", _DOCUMENTED, body="PaymentTransaction",
        result="PaymentTransaction"),
    Row("GetOrderShippings", "shippings.list_shippings", "GET", f"{_ORDER}/shippings", "safe",
        _READ, _V1_TYPES, result="list[Shipping]", changes=False),
    Row("CreateOrderShipping", "shippings.create_shipping", "POST", f"{_ORDER}/shippings", "if_unsent",
        "sent twice it could make two shippings", _DOCUMENTED, body="Shipping", result="CreateResponse",
        success=(201,)),
    Row("GetOrderShipping", "shippings.get_shipping", "GET", _SHIPPING, "safe",
        _READ, _DOCUMENTED, result="Shipping", changes=False),
    Row("UpdateOrderShipping", "shippings.update_shipping", "PUT", _SHIPPING, "safe",
        "the same shipping replaces itself", _DOCUMENTED, body="Shipping", result="Shipping"),
)  # fmt: skip

ROWS = {row.name: row for row in _ROWS}
"""Every operation by its operationId."""
