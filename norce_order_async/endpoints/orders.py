"""Whole orders."""

from collections.abc import Set
from typing import ClassVar

from norce_order_async.client import OrderClient
from norce_order_async.core.call import Repeat
from norce_order_async.core.errors import DecodeError, printable
from norce_order_async.core.http import Response
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.options import CallOptions
from norce_order_async.wire.codec import members_of
from norce_order_async.wire.decoders import json_as, json_body
from norce_order_async.wire.models import CreateResponse, Order
from norce_order_async.wire.operation import Operation


class _CreatedId:
    """The id in a 201: the published schema has a bare string, Norce's own collections read ``id`` of an object."""

    members: ClassVar[Set[str]] = members_of(CreateResponse)

    def __call__(self, response: Response) -> str:
        body = json_body(response)
        created = body if isinstance(body, str) else json_as(CreateResponse)(response).id
        if not created:
            raise DecodeError("the answer names no id", response.body)
        return created


class _ThisOrder:
    """The order that was asked for. Ids are compared without case: how they are spelt is not established."""

    members: ClassVar[Set[str]] = members_of(Order)

    def __call__(self, response: Response) -> Order:
        order, wanted = json_as(Order)(response), response.request.call.ids.get("order_id", "")
        if not order.id:
            raise DecodeError("the answer is no order: it has no id", response.body, order)
        if order.id.casefold() != wanted.casefold():
            raise DecodeError(f"the answer is another order, {printable(order.id)}", response.body, order)
        return order


CREATE_ORDER = Operation("CreateCheckoutOrder", "POST", "/api/v0/checkout/orders", Repeat.IF_UNSENT, _CreatedId())
GET_ORDER = Operation("GetCheckoutOrder", "GET", "/api/v0/checkout/orders/{order_id}", Repeat.SAFE, _ThisOrder())


async def create_order(client: OrderClient, order: Order, *, options: CallOptions | None = None) -> str:
    """Create an order and return its id. It starts in state ``checkout``.

    It is only tried again while nothing was sent, or when it was refused with 429, because sent twice it could make two
    orders.

    Raises:
        TypeError: ``order`` is not an :class:`Order`.
        InvalidRequestError: A value in it that cannot be sent (the message says where); nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrder,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutorder
    """
    if not isinstance(order, Order):
        raise TypeError(f"order must be an Order, got {kind_of(order)}")
    return await client.execute(CREATE_ORDER, body=order, options=options)


async def get_order(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> Order:
    """Read a whole order.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        NotFoundError: This merchant and channel have no such order.
        DecodeError: What came is no order, or another one (then its ``result`` has that).
        CallError: The call did not succeed otherwise.

    Source: GetCheckoutOrder,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/getcheckoutorder
    """
    return await client.execute(GET_ORDER, options=options, order_id=order_id)
