"""The state of an order."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire import arguments
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import OrderStatus, State
from norce_order_async.wire.operation import Operation

UPDATE_STATE: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderState"]


async def update_state(
    client: OrderClient, order_id: str, status: OrderStatus | str, *, options: CallOptions | None = None
) -> Receipt:
    """Move an order to another state. Which moves are legal is not published.

    Consents that are ``required`` have to be checked before ``processing``. Hooks are awaited, so it can be slow, and a
    202 (``accepted``) is known from v1.

    It is only tried again while nothing was sent, or when it was refused with 429, because a repeat may move an order
    that somebody has moved on meanwhile. After ``unknown``, read ``state`` with :func:`get_order`.

    Raises:
        TypeError: ``order_id`` or ``status`` is not a str.
        InvalidRequestError: ``status`` is no :class:`OrderStatus`, or an id would name another resource; nothing was
            sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderState,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/updatecheckoutorderstate
    """
    state = State(current_status=arguments.member("status", status, OrderStatus))
    return await check_client(client).execute(
        UPDATE_STATE, body=body_of("status", state, State), options=options, order_id=order_id
    )
