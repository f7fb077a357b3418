"""The list of orders: what a query keeps, in which order, and which page of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from norce_order_async.testing.sandbox.store import WireOrder, not_taken
from norce_order_async.testing.sandbox.totals import total_of
from norce_order_async.wire.json import JSON
from norce_order_async.wire.times import read_time

DEFAULT_LIMIT: Final = 10
"""How many orders a page has at most unless a query says otherwise."""

MAX_LIMIT: Final = 100
"""How many orders a page can have; a query that asks for more gets as many."""


def page_of(orders: list[WireOrder], query: Mapping[str, Any]) -> JSON:
    """The page that a query asks for.

    Raises:
        Refused: An offset or a limit below zero.
    """
    offset, limit = query.get("offset", 0), query.get("limit", DEFAULT_LIMIT)
    if offset < 0 or limit < 0:
        raise not_taken("$.offset and $.limit: cannot be below zero.")
    kept = [order for order in orders if all(FILTERS[name](order, query[name]) for name in FILTERS if name in query)]
    kept.sort(key=_SORT_KEYS[query.get("order_by", "created")], reverse=query.get("order_by_direction") == "desc")
    limit = min(limit, MAX_LIMIT)
    return {
        "data": kept[offset : offset + limit],
        "pagination": {
            "offset": offset,
            "limit": limit,
            "size": len(kept),
            "valueSum": total_of(order["total"] for order in kept if "total" in order)["includingVat"],
            "totalSize": len(orders),
        },
    }


def _address(order: WireOrder, role: str) -> Mapping[str, Any]:
    address: Mapping[str, Any] = order.get("customer", {}).get(role, {})
    return address


def _names(address: Mapping[str, Any]) -> Iterator[str]:
    parts = [address[name] for name in ("givenName", "familyName") if name in address]
    yield from parts
    yield " ".join(parts)
    yield address.get("organizationName", "")


def _texts(order: WireOrder) -> Iterator[str]:
    """What a search looks into."""
    yield from (order["id"], order.get("reference", ""), order.get("cart", {}).get("reference", ""))
    for role in ("billing", "shipping"):
        address = _address(order, role)
        yield from (*_names(address), address.get("email", ""), address.get("phone", ""))


def _is_one_of(found: Iterable[str], wanted: Iterable[str]) -> bool:
    return not {text.casefold() for text in found if text}.isdisjoint(text.casefold() for text in wanted)


def _of_address(role: str, member: str) -> Callable[[WireOrder, Any], bool]:
    return lambda order, wanted: _is_one_of([_address(order, role).get(member, "")], wanted)


def _of_names(role: str) -> Callable[[WireOrder, Any], bool]:
    return lambda order, wanted: _is_one_of(_names(_address(order, role)), wanted)


def _created(order: WireOrder) -> datetime:
    return _time(order["created"])


def _time(text: str) -> datetime:
    if (time := read_time(text)) is None:
        raise ValueError(f"{text!r} is no date-time")
    return time


FILTERS: Mapping[str, Callable[[WireOrder, Any], bool]] = {
    "search": lambda order, text: any(text.casefold() in found.casefold() for found in _texts(order)),
    "payment_id": lambda order, wanted: any(payment.get("id") == wanted for payment in order["payments"]),
    "reference": lambda order, wanted: order.get("reference") == wanted,
    "cart_reference": lambda order, wanted: order.get("cart", {}).get("reference") == wanted,
    "status": lambda order, wanted: order["state"].get("currentStatus") in wanted,
    "date_from": lambda order, text: _created(order) >= _time(text),
    "date_to": lambda order, text: _created(order) <= _time(text),
    "countries": lambda order, wanted: _is_one_of([order.get("country", "")], wanted),
    **{f"{role}_countries": _of_address(role, "country") for role in ("billing", "shipping")},
    **{f"{role}_emails": _of_address(role, "email") for role in ("billing", "shipping")},
    **{f"{role}_names": _of_names(role) for role in ("billing", "shipping")},
    **{f"{role}_phones": _of_address(role, "phone") for role in ("billing", "shipping")},
}
"""Whether an order fits the value of a member of the query."""

_SORT_KEYS: Mapping[str, Callable[[WireOrder], Any]] = {
    "created": _created,
    "billingEmail": lambda order: _address(order, "billing").get("email", "").casefold(),
    "billingName": lambda order: " ".join(_names(_address(order, "billing"))).casefold(),
    "cartTotal": lambda order: Decimal(order.get("cart", {}).get("total", {}).get("includingVat", 0)),
}
