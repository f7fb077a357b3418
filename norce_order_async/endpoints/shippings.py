"""Shippings of an order."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.models import Shipping
from norce_order_async.wire.operation import Operation

LIST_SHIPPINGS: Operation[list[Shipping]] = OPERATIONS["GetOrderShippings"]
CREATE_SHIPPING: Operation[str] = OPERATIONS["CreateOrderShipping"]
GET_SHIPPING: Operation[Shipping] = OPERATIONS["GetOrderShipping"]
UPDATE_SHIPPING: Operation[Shipping] = OPERATIONS["UpdateOrderShipping"]


async def list_shippings(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> list[Shipping]:
    """Read the shippings of an order.

    It is tried again: it changes nothing.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        DecodeError: What came is no list of shippings.
        CallError: The call did not succeed otherwise.

    Source: GetOrderShippings, https://docs.norce.io/api-reference/nco/openapi/order/schemas (its path); the rest from
    the types of v1, https://github.com/NorceTech/norce-checkout-angular
    """
    return await check_client(client).execute(LIST_SHIPPINGS, options=options, order_id=order_id)


async def create_shipping(
    client: OrderClient, order_id: str, shipping: Shipping, *, options: CallOptions | None = None
) -> str:
    """Add a shipping to an order and return its id. Members that the service writes are not sent.

    It is only tried again while nothing was sent, or when it was refused with 429, because sent twice it could make two
    shippings. After ``unknown``, look for its ``reference`` in :func:`list_shippings`.

    Raises:
        TypeError: ``order_id`` is not a str, or ``shipping`` not a :class:`Shipping`.
        InvalidRequestError: ``total`` or ``vat_rate`` is missing, or a value cannot be sent (the message says where);
            or an id that would name another resource. Nothing was sent.
        ConflictError: It clashes with what is stored.
        DecodeError: The answer names no id.
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: CreateOrderShipping,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/CreateOrderShipping
    """
    body = body_of("shipping", shipping, Shipping)
    return await check_client(client).execute(CREATE_SHIPPING, body=body, options=options, order_id=order_id)


async def get_shipping(
    client: OrderClient, order_id: str, shipping_id: str, *, options: CallOptions | None = None
) -> Shipping:
    """Read a shipping.

    It is tried again: it changes nothing.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        DecodeError: What came is no shipping, or another one (then its ``result`` has that).
        CallError: The call did not succeed otherwise.

    Source: GetOrderShipping,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/GetOrderShipping
    """
    return await check_client(client).execute(GET_SHIPPING, options=options, order_id=order_id, shipping_id=shipping_id)


async def update_shipping(
    client: OrderClient, order_id: str, shipping_id: str, shipping: Shipping, *, options: CallOptions | None = None
) -> Shipping:
    """Replace a shipping, and return what the API then has: what ``shipping`` leaves out is lost.

    So change a copy of what was read: ``attrs.evolve(shipping, state=ShippingState.REMOVED)`` removes it, as there is
    no DELETE. Its ``id`` is not sent.

    It is tried again: the same shipping replaces itself.

    Raises:
        TypeError: An id is not a str, or ``shipping`` is not a :class:`Shipping`.
        InvalidRequestError: As :func:`create_shipping`.
        DecodeError: The change is applied or accepted, but the answer is no shipping, or another one (then its
            ``result`` has that).
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: UpdateOrderShipping,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/UpdateOrderShipping
    """
    body = body_of("shipping", shipping, Shipping)
    return await check_client(client).execute(
        UPDATE_SHIPPING, body=body, options=options, order_id=order_id, shipping_id=shipping_id
    )
