"""Which orders a list has, and in what order."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypedDict

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire import arguments
from norce_order_async.wire.models import OrderListOrderBy, OrderListOrderByDirection, OrderStatus
from norce_order_async.wire.operation import QueryValue


class OrderFilters(TypedDict, total=False):
    """What :func:`list_orders` takes; what is left out, or None, does not count.

    A filter of several values finds what fits any of them. ``offset``, ``limit``, ``search``, ``payment_id``,
    ``reference`` and ``cart_reference`` are published for this version of the API, the rest for v1: a service that does
    not know a filter may ignore it, so look at what came.

    Attributes:
        offset: How many orders to leave out at the start.
        limit: How many to return at most; the default and the most that the API takes are not published.
        search: Text to look for.
        payment_id: The id of one of the order's payments.
        reference: The order's id elsewhere.
        cart_reference: The cart's id elsewhere.
        status: The order's states.
        date_from: From when on.
        date_to: Until when.
        order_by: What to sort by.
        order_by_direction: Which way to sort.
        countries: The order's countries.
        billing_countries: Countries of the billing address.
        billing_emails: E-mail addresses of the billing address.
        billing_names: Names in the billing address.
        billing_phones: Phone numbers of the billing address.
        shipping_countries: Countries of the shipping address.
        shipping_emails: E-mail addresses of the shipping address.
        shipping_names: Names in the shipping address.
        shipping_phones: Phone numbers of the shipping address.
    """

    offset: int | None
    limit: int | None
    search: str | None
    payment_id: str | None
    reference: str | None
    cart_reference: str | None
    status: Collection[OrderStatus | str] | None
    date_from: datetime | None
    date_to: datetime | None
    order_by: OrderListOrderBy | str | None
    order_by_direction: OrderListOrderByDirection | str | None
    countries: Collection[str] | None
    billing_countries: Collection[str] | None
    billing_emails: Collection[str] | None
    billing_names: Collection[str] | None
    billing_phones: Collection[str] | None
    shipping_countries: Collection[str] | None
    shipping_emails: Collection[str] | None
    shipping_names: Collection[str] | None
    shipping_phones: Collection[str] | None


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "offset": arguments.count,
    "limit": arguments.count,
    **dict.fromkeys(("search", "payment_id", "reference", "cart_reference"), arguments.text),
    "status": partial(arguments.members, kind=OrderStatus),
    "date_from": arguments.time,
    "date_to": arguments.time,
    "order_by": partial(arguments.member, kind=OrderListOrderBy),
    "order_by_direction": partial(arguments.member, kind=OrderListOrderByDirection),
}
"""Filters that are not lists of texts."""


def query_of(filters: Mapping[str, object]) -> dict[str, QueryValue]:
    """The query parameters of these filters.

    Raises:
        TypeError: A filter that there is not, or a value of the wrong type.
        InvalidRequestError: A value that cannot be meant.
    """
    query: dict[str, QueryValue] = {}
    for name, value in filters.items():
        if name not in OrderFilters.__annotations__:
            raise TypeError(f"there is no filter {name!r}, but there are {', '.join(OrderFilters.__annotations__)}")
        if value is not None:
            query[name] = _CHECKS.get(name, arguments.texts)(name, value)
            if _has_blank(query[name]):
                raise InvalidRequestError(f"{name} has a blank text, which is no filter")
    return query


def _has_blank(value: QueryValue) -> bool:
    texts = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else ()
    return any(not text.strip() for text in texts)
