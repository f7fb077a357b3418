"""What to do about a call of which it is not known whether it was applied."""

from norce_order_async.core.call import Repeat
from norce_order_async.wire.table import ROWS

_MAYBE = "It may or may not have been applied"
_LOOKS = {
    "CreateCheckoutOrder": "look for its cart's reference (order list --cart-reference)",
    "CreateOrderPayment": "look for its reference (payment list)",
    "CreateOrderShipping": "look for its reference (shipping list)",
    "AddPaymentAction": "look at the payment's actions (payment get)",
    "AddTransactionForOrderPayment": "look at the payment's transactions (transaction list)",
    "ExecutePaymentAction": "look at the payment's state (payment get) and its transactions (transaction list)",
}
"""Where it shows whether a change was made, by its operation; that of any other shows in the order."""


def is_safe(operation: str) -> bool:
    """Whether making the call of this operation twice does no harm."""
    row = ROWS.get(operation)
    return row is None or row.repeat == Repeat.SAFE


def about_unknown(operation: str) -> str:
    """What to know before the call is made again; nothing where it changes nothing."""
    row = ROWS.get(operation)
    if row is None or not row.changes:
        return ""
    if is_safe(operation):
        return f"{_MAYBE}; it may be sent again unless somebody else has changed the same since."
    return f"{_MAYBE}: {_LOOKS.get(operation, 'read the order (order get)')} before you send it again."
