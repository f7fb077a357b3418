"""Whole orders."""

from typing import Unpack

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.endpoints.filters import OrderFilters, query_of
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Order, OrderPaginationSet
from norce_order_async.wire.operation import Operation

LIST_ORDERS: Operation[OrderPaginationSet] = OPERATIONS["GetCheckoutOrders"]
CREATE_ORDER: Operation[str] = OPERATIONS["CreateCheckoutOrder"]
GET_ORDER: Operation[Order] = OPERATIONS["GetCheckoutOrder"]
DELETE_ORDER: Operation[Receipt] = OPERATIONS["DeleteCheckoutOrder"]


async def list_orders(
    client: OrderClient, *, options: CallOptions | None = None, **filters: Unpack[OrderFilters]
) -> OrderPaginationSet:
    """Read one page of the orders of this merchant and channel; ``data`` has them, ``pagination`` the figures.

    Pages shift while orders are made, and what ``pagination.size`` counts is published two ways: :func:`iter_orders`
    goes through all of them. It is tried again: it changes nothing.

    Args:
        client: What to call with.
        options: What this call has otherwise than the client.
        **filters: See :class:`OrderFilters`; ``status=["checkout"], limit=50``, say.

    Raises:
        TypeError: A filter that there is not, or a value of the wrong type.
        InvalidRequestError: A value that cannot be meant: an empty list, a blank text, a time without a zone; nothing
            was sent.
        DecodeError: What came is no page of orders.
        CallError: The call did not succeed otherwise.

    Source: GetCheckoutOrders, https://docs.norce.io/api-reference/nco/openapi/order-read; most filters from the types
    of v1, https://github.com/NorceTech/norce-checkout-angular
    """
    return await check_client(client).execute(LIST_ORDERS, query=query_of(filters), options=options)


async def create_order(client: OrderClient, order: Order, *, options: CallOptions | None = None) -> str:
    """Create an order and return its id. It starts in state ``checkout``, and the service computes its ``total``.

    The id is read from the body, or else from the ``Location`` header. Members that the service writes are not sent.

    It is only tried again while nothing was sent, or when it was refused with 429, because sent twice it could make two
    orders. After ``unknown``, look for its ``cart_reference`` in :func:`list_orders`.

    Raises:
        TypeError: ``order`` is not an :class:`Order`.
        InvalidRequestError: A value in it that cannot be sent (the message says where); nothing was sent.
        ConflictError: It clashes with what is stored.
        DecodeError: The answer names no id.
        CallError: The call did not succeed otherwise; see its ``outcome``.

    Source: CreateCheckoutOrder,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutorder
    """
    return await check_client(client).execute(CREATE_ORDER, body=body_of("order", order, Order), options=options)


async def get_order(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> Order:
    """Read a whole order: the only way to the ids of its hooks, validations, notifications and payment actions.

    It is tried again: it changes nothing.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        NotFoundError: This merchant and channel have no such order.
        DecodeError: What came is no order, or another one (then its ``result`` has that).
        CallError: The call did not succeed otherwise.

    Source: GetCheckoutOrder,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/getcheckoutorder
    """
    return await check_client(client).execute(GET_ORDER, options=options, order_id=order_id)


async def delete_order(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> Receipt:
    """Remove an order.

    It is tried again: what is gone stays gone. When an attempt's answer was lost and a later one finds no such order,
    the receipt has ``inferred`` set.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: DeleteCheckoutOrder,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/getcheckoutorder (the page shows both)
    """
    return await check_client(client).execute(DELETE_ORDER, options=options, order_id=order_id)
