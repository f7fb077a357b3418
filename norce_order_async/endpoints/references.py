"""The reference of an order: its id elsewhere."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire import arguments
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.operation import Operation

UPDATE_REFERENCE: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderReference"]


async def update_reference(
    client: OrderClient, order_id: str, reference: str, *, options: CallOptions | None = None
) -> Receipt:
    """Set the id that an order has elsewhere. It is sent as a bare JSON string.

    It is tried again: the same reference replaces itself.

    Raises:
        TypeError: ``order_id`` or ``reference`` is not a str.
        InvalidRequestError: ``reference`` cannot be sent, or an id would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderReference,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/updatecheckoutorderreference
    """
    body = arguments.text("reference", reference)
    return await check_client(client).execute(UPDATE_REFERENCE, body=body, options=options, order_id=order_id)
