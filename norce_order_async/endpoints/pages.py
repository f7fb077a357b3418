"""Reading the pages of a list one after the other: what came, what came before, and what does not belong in it."""

import json
from collections import deque
from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

import attrs

from norce_order_async.core.errors import DecodeError
from norce_order_async.core.http import Response
from norce_order_async.core.wording import printable
from norce_order_async.endpoints.filter_checks import FILTER_CHECKS, unfit_filter
from norce_order_async.wire.codec import one_level, structure, wire_members
from norce_order_async.wire.json import JSON, WireError
from norce_order_async.wire.models import Model, Order, OrderPaginationSet
from norce_order_async.wire.results import PageOf
from norce_order_async.wire.unread import find

REMEMBERED_PAGES: Final = 8
"""How many pages back an order is known again."""

MOST_STALE_PAGES: Final = REMEMBERED_PAGES + 1
"""After how many pages in a row without anything new the list is given up: new orders at its front may bring as many as
are remembered once more."""

Entry: TypeAlias = Order | DecodeError
"""An order of a page, or in its place why it cannot be read."""


class PagingError(DecodeError):
    """A page of orders came that cannot be the one asked for: a filter or the offset seems to be ignored.

    Where it is for a filter, ``result`` has the order that does not fit.
    """


class Page(NamedTuple):
    """A page of a list.

    Attributes:
        start: Its offset.
        entries: What had not come before, each with the offset behind it.
        is_empty: Whether the service sent no order at all: the list has ended.
    """

    start: int
    entries: Sequence[tuple[int, Entry]]
    is_empty: bool


@attrs.define(eq=False)
class PageReader:
    """Reads one page of a list after the other. A page that is refused can be asked for again.

    Attributes:
        offset: Where the next page begins.
        checked: The filters to hold each order against, as they are sent.
    """

    members: ClassVar[Set[str]] = wire_members(OrderPaginationSet)

    offset: int
    checked: Mapping[str, Any]
    _seen: deque[Set[Hashable]] = attrs.field(factory=lambda: deque[Set[Hashable]](maxlen=REMEMBERED_PAGES), init=False)
    _stale: int = attrs.field(default=0, init=False)

    def __call__(self, response: Response) -> Page:
        """Read a page.

        Raises:
            DecodeError: It is no page of orders.
            PagingError: An order does not fit the filters, or nothing new has come for some pages.
        """
        known = set[Hashable]().union(*self._seen)
        came: set[Hashable] = set()
        entries: list[tuple[int, Entry]] = []
        offset = self.offset
        for raw in _elements(response):
            entry = self._entry(response, offset, raw)
            offset += 1
            if isinstance(entry, DecodeError):
                entries.append((offset, entry))
                came.add(_fingerprint(entry.result))
                continue
            if entry.id not in known and entry.id not in came:
                entries.append((offset, entry))
            came.add(entry.id)
        stale = 0 if not came or came - known else self._stale + 1
        if stale == MOST_STALE_PAGES:
            self._stale = 0  # whoever goes on gets as far again
            problem = f"{stale} pages in a row, the last at offset {self.offset}, have only orders that came before"
            raise PagingError(f"{problem}: the service may ignore the offset", response.body)
        start, self.offset, self._stale = self.offset, offset, stale
        self._seen.append(came)
        return Page(start, entries, is_empty=offset == start)

    def _entry(self, response: Response, offset: int, order: Order | JSON) -> Entry:
        problem = self._problem(response, order) if isinstance(order, Order) else _unfit(order)
        if problem is None and isinstance(order, Order):
            return order
        error = DecodeError(f"the order at offset {offset} cannot be read: {problem}", result=order)
        response.request.call.annotate(error)
        return error

    def _problem(self, response: Response, order: Order) -> str | None:
        """Why an order cannot be read, or cannot be held against the filters."""
        if not order.id:
            return "it has no id"
        name = unfit_filter(order, self.checked)
        if name is None:
            return None
        looked_at = FILTER_CHECKS[name].members
        hidden = next((path for path in order.unreadable if path.startswith(looked_at)), None)
        if hidden is not None:
            return f"its {hidden} does not fit the contract, and the filter {name!r} looks at it"
        told = f"the order {printable(order.id)} does not fit the filter {name!r}: the service may ignore it"
        raise PagingError(told, response.body, order)


_read = PageOf(OrderPaginationSet)


def _elements(response: Response) -> Sequence[Order | JSON]:
    """All elements of a page, in their order: those that could not be read as they came.

    Raises:
        DecodeError: It is no page.
    """
    page = _read(response)
    unread = find(page.unread, "data")
    return page.data if unread is None else unread.among(page.data)


def _fingerprint(value: object) -> str:
    """What tells an element from others, however deep it is nested."""
    return json.dumps(value, default=lambda inner: one_level(inner) if isinstance(inner, Model) else str(inner))


def _unfit(raw: JSON) -> str:
    try:
        structure(raw, Order)
    except WireError as error:
        return str(error)
    return "it does not fit"
