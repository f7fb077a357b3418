"""What carries out each operation but Validate; one more is a function and a row."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from norce_order_async.testing.sandbox import consents, orders, payments, registrations, shippings
from norce_order_async.testing.sandbox.exchange import Ask, Result
from norce_order_async.testing.sandbox.store import Store

Handler: TypeAlias = Callable[[Store, Ask], Result]
"""Carries out a request, or raises :class:`Refused`. Of an order with hooks it gets drafts first, then the last one."""

HANDLERS: Mapping[str, Handler] = {
    "GetCheckoutOrders": orders.list_orders,
    "CreateCheckoutOrder": orders.create_order,
    "GetCheckoutOrder": orders.get_order,
    "DeleteCheckoutOrder": orders.delete_order,
    "UpdateCheckoutOrderState": orders.update_state,
    "UpdateCheckoutOrderCart": orders.update_cart,
    "UpdateCheckoutOrderCustomerBilling": orders.update_address("billing"),
    "UpdateCheckoutOrderCustomerShipping": orders.update_address("shipping"),
    "UpdateCheckoutOrderReference": orders.update_reference,
    "PatchCheckoutOrderAttributes": orders.patch_attributes,
    "CreateCheckoutOrderConsent": registrations.create("consents"),
    "PatchCheckoutOrderConsents": consents.patch_consents,
    "PatchCheckoutOrderConsent": consents.patch_consent,
    "RemoveCheckoutOrderConsent": registrations.remove("consents", "consent"),
    "CreateCheckoutOrderValidation": registrations.create("validations"),
    "UpdateCheckoutOrderValidation": registrations.update("validations", "validation"),
    "RemoveCheckoutOrderValidation": registrations.remove("validations", "validation"),
    "CreateCheckoutOrderHook": registrations.create("hooks"),
    "DeleteCheckoutOrderHook": registrations.remove("hooks", "hook"),
    "CreateCheckoutOrderNotification": registrations.create("notifications"),
    "DeleteCheckoutOrderNotification": registrations.remove("notifications", "notification"),
    "GetOrderPayments": payments.list_payments,
    "CreateOrderPayment": payments.create_payment,
    "GetOrderPayment": payments.get_payment,
    "UpdateOrderPayment": payments.update_payment,
    "AddPaymentAction": payments.add_actions,
    "ExecutePaymentAction": payments.execute_action,
    "GetTransactionsForOrderPayment": payments.list_transactions,
    "AddTransactionForOrderPayment": payments.add_transaction,
    "GetOrderShippings": shippings.list_shippings,
    "CreateOrderShipping": shippings.create_shipping,
    "GetOrderShipping": shippings.get_shipping,
    "UpdateOrderShipping": shippings.update_shipping,
}
"""The operations by operationId."""
