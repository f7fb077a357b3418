"""What was and what can be done with a payment: its transactions and its actions."""

from collections.abc import Sequence

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire import arguments
from norce_order_async.wire.bodies import body_of, list_body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import PaymentAction, PaymentTransaction
from norce_order_async.wire.operation import Operation

ADD_PAYMENT_ACTIONS: Operation[Receipt] = OPERATIONS["AddPaymentAction"]
EXECUTE_PAYMENT_ACTION: Operation[Receipt] = OPERATIONS["ExecutePaymentAction"]
LIST_TRANSACTIONS: Operation[list[PaymentTransaction]] = OPERATIONS["GetTransactionsForOrderPayment"]
ADD_TRANSACTION: Operation[PaymentTransaction] = OPERATIONS["AddTransactionForOrderPayment"]


async def add_payment_actions(
    client: OrderClient,
    order_id: str,
    payment_id: str,
    actions: Sequence[PaymentAction],
    *,
    options: CallOptions | None = None,
) -> Receipt:
    """Append actions to a payment: what can be done with it after the purchase.

    Their ids are not in the answer: read the payment.

    It is only tried again while nothing was sent, or when it was refused with 429, because each time appends.

    Raises:
        TypeError: An id is not a str, or ``actions`` is no list of :class:`PaymentAction`.
        InvalidRequestError: It is empty, or one of them has no ``adapter_id``, ``type`` or ``url`` (the message says
            where); or an id that would name another resource. Nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: AddPaymentAction,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/AddPaymentAction
    """
    body = list_body_of("actions", actions, PaymentAction)
    return await check_client(client).execute(
        ADD_PAYMENT_ACTIONS, body=body, options=options, order_id=order_id, payment_id=payment_id
    )


async def execute_payment_action(
    client: OrderClient, order_id: str, payment_id: str, action_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Run one of a payment's actions. Its adapter is called.

    It is never tried again, because it moves money: capture, refund, cancel. After ``unknown``, look at
    :func:`list_transactions` and the payment's state first. Ids of actions can vanish when an adapter rewrites them.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: ExecutePaymentAction, https://github.com/NorceTech/norce-checkout-angular (types of v1)
    """
    return await check_client(client).execute(
        EXECUTE_PAYMENT_ACTION, options=options, order_id=order_id, payment_id=payment_id, action_id=action_id
    )


async def list_transactions(
    client: OrderClient, order_id: str, payment_id: str, *, options: CallOptions | None = None
) -> list[PaymentTransaction]:
    """Read what was posted for a payment. ``request_json`` and ``response_json`` can hold personal data.

    It is tried again: it changes nothing.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        DecodeError: What came is no list of transactions.
        CallError: The call did not succeed otherwise.

    Source: GetTransactionsForOrderPayment, https://github.com/NorceTech/norce-checkout-angular (types of v1)
    """
    return await check_client(client).execute(
        LIST_TRANSACTIONS, options=options, order_id=order_id, payment_id=payment_id
    )


async def add_transaction(
    client: OrderClient,
    order_id: str,
    payment_id: str,
    transaction: PaymentTransaction,
    *,
    options: CallOptions | None = None,
) -> PaymentTransaction:
    """Post a transaction for a payment, and return it as it is stored.

    It is only tried again while nothing was sent, or when it was refused with 429, because each time appends to a
    ledger that nothing is removed from. After ``unknown``, look at :func:`list_transactions`.

    Raises:
        TypeError: An id is not a str, or ``transaction`` is not a :class:`PaymentTransaction`.
        InvalidRequestError: ``request_json`` or ``response_json`` is no JSON, or a value cannot be sent (the message
            says where); or an id that would name another resource. Nothing was sent.
        DecodeError: The change is applied or accepted, but the answer's body cannot be read.
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: AddTransactionForOrderPayment,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/AddTransactionForOrderPayment
    """
    body = body_of("transaction", transaction, PaymentTransaction)
    for name in ("request_json", "response_json"):
        arguments.json_text(f"transaction.{name}", getattr(transaction, name))
    return await check_client(client).execute(
        ADD_TRANSACTION, body=body, options=options, order_id=order_id, payment_id=payment_id
    )
