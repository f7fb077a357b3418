"""The cart of an order."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Cart
from norce_order_async.wire.operation import Operation

UPDATE_CART: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderCart"]


async def update_cart(client: OrderClient, order_id: str, cart: Cart, *, options: CallOptions | None = None) -> Receipt:
    """Replace the cart of an order: what ``cart`` leaves out is lost. Rows without an id get one from the service.

    The outcome ``accepted`` (202) says that the API has taken it in and not finished it: a later one may take its
    place.

    It is tried again: the same cart replaces itself. There is no version to compare, so the last writer wins.

    Raises:
        TypeError: ``order_id`` is not a str, or ``cart`` not a :class:`Cart`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderCart,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/updatecheckoutordercart
    """
    return await check_client(client).execute(
        UPDATE_CART, body=body_of("cart", cart, Cart), options=options, order_id=order_id
    )
