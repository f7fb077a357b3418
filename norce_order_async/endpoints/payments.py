"""Payments of an order. :mod:`norce_order_async.endpoints.transactions` has what hangs on them."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.models import Payment
from norce_order_async.wire.operation import Operation

LIST_PAYMENTS: Operation[list[Payment]] = OPERATIONS["GetOrderPayments"]
CREATE_PAYMENT: Operation[str] = OPERATIONS["CreateOrderPayment"]
GET_PAYMENT: Operation[Payment] = OPERATIONS["GetOrderPayment"]
UPDATE_PAYMENT: Operation[Payment | None] = OPERATIONS["UpdateOrderPayment"]


async def list_payments(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> list[Payment]:
    """Read the payments of an order.

    It is tried again: it changes nothing.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        DecodeError: What came is no list of payments.
        CallError: The call did not succeed otherwise.

    Source: GetOrderPayments, https://docs.norce.io/api-reference/nco/openapi/order/schemas/payment; what it answers
    from the types of v1, https://github.com/NorceTech/norce-checkout-angular
    """
    return await check_client(client).execute(LIST_PAYMENTS, options=options, order_id=order_id)


async def create_payment(
    client: OrderClient, order_id: str, payment: Payment, *, options: CallOptions | None = None
) -> str:
    """Add a payment to an order and return its id. Members that the service writes are not sent.

    It is only tried again while nothing was sent, or when it was refused with 429, because sent twice it could make two
    payments, whose sum the order's validation then refuses. After ``unknown``, look for its ``reference`` in
    :func:`list_payments`.

    Raises:
        TypeError: ``order_id`` is not a str, or ``payment`` not a :class:`Payment`.
        InvalidRequestError: An action without ``adapter_id``, ``type`` or ``url``, a ``recurring`` without ``token``,
            or a value that cannot be sent (the message says where); or an id that would name another resource.
            Nothing was sent.
        ConflictError: It clashes with what is stored.
        DecodeError: The answer names no id.
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: CreateOrderPayment,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/CreateOrderPayment
    """
    body = body_of("payment", payment, Payment)
    return await check_client(client).execute(CREATE_PAYMENT, body=body, options=options, order_id=order_id)


async def get_payment(
    client: OrderClient, order_id: str, payment_id: str, *, options: CallOptions | None = None
) -> Payment:
    """Read a payment.

    It is tried again: it changes nothing.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        DecodeError: What came is no payment, or another one (then its ``result`` has that).
        CallError: The call did not succeed otherwise.

    Source: GetOrderPayment, https://github.com/NorceTech/checkout-collection (its path); the rest from the types of v1,
    https://github.com/NorceTech/norce-checkout-angular
    """
    return await check_client(client).execute(GET_PAYMENT, options=options, order_id=order_id, payment_id=payment_id)


async def update_payment(
    client: OrderClient, order_id: str, payment_id: str, payment: Payment, *, options: CallOptions | None = None
) -> Payment | None:
    """Replace a payment, and return what the API then has: what ``payment`` leaves out is lost.

    So change a copy of what was read: ``attrs.evolve(payment, state=PaymentState.REMOVED)`` removes it, as there is no
    DELETE. Its ``id``, and those of its actions, are not sent. That the answer has the payment is known from v1 only:
    without a body the change is applied, and None is returned.

    It is tried again: the same payment replaces itself.

    Raises:
        TypeError: An id is not a str, or ``payment`` is not a :class:`Payment`.
        InvalidRequestError: As :func:`create_payment`.
        DecodeError: The change is applied or accepted, but the answer is no payment, or another one (then its
            ``result`` has that).
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: UpdateOrderPayment, https://github.com/NorceTech/norce-checkout-angular (types of v1)
    """
    body = body_of("payment", payment, Payment)
    return await check_client(client).execute(
        UPDATE_PAYMENT, body=body, options=options, order_id=order_id, payment_id=payment_id
    )
