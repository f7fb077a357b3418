"""A plan: which orders of a list get one change, and why the others do not."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final

from norce_order_async.batch.conditions import Condition
from norce_order_async.batch.journal.tables import plain
from norce_order_async.core.errors import ConfigurationError, DecodeError, InvalidRequestError
from norce_order_async.endpoints.filter_checks import FILTER_CHECKS
from norce_order_async.endpoints.filters import query_of
from norce_order_async.wire.models import Order

LEAST_IGNORED: Final = 10
"""So many orders at least must have come against a filter before it counts as ignored: orders change meanwhile."""
MOST_IGNORED: Final = 0.1
"""The share of the orders read that may come against a filter."""

_TABLE = "CREATE TABLE orders (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, reason TEXT)"
_NOTE = "INSERT OR IGNORE INTO orders (id, reason) VALUES (?, ?)"
_FITTING = "SELECT id FROM orders WHERE reason IS NULL ORDER BY number"
_COUNTS = "SELECT reason, count(*) AS count FROM orders GROUP BY reason ORDER BY count DESC, reason"


class IgnoredFilterError(Exception):
    """The service ignores a filter that it was asked for."""


class Plan:
    """The orders of a list, each with why it is not changed.

    They are kept in a temporary file, so that memory does not grow with them. An order that comes again is taken as it
    came first: a list of orders gives those of its last pages only once.

    Attributes:
        read: How many orders came.
        unreadable: How many of them could not be read.
        against: How many came against each filter that was sent.

    Raises:
        ConfigurationError: The temporary file cannot be written.
    """

    def __init__(self) -> None:
        self.read = 0
        self.unreadable = 0
        self.against: Counter[str] = Counter()
        with _told():
            self._rows = sqlite3.connect("")  # a file of its own that is gone when it is closed
            self._rows.execute("PRAGMA journal_mode = OFF")
            self._rows.execute(_TABLE)

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def note(self, order_id: str, reason: str | None) -> None:
        """Take an order; ``reason`` is why it is not changed."""
        with _told():
            self._rows.execute(_NOTE, (order_id, reason))

    def orders(self) -> Iterator[str]:
        """The ids of the orders to change, in the order of the list."""
        with _told():
            yield from (order_id for (order_id,) in self._rows.execute(_FITTING))

    def first(self, count: int) -> Sequence[str]:
        """The first of them."""
        return list(islice(self.orders(), count))

    def counts(self) -> tuple[int, dict[str, int]]:
        """How many orders there are to change, and how many others for each reason, the most frequent first."""
        with _told():
            found: dict[str | None, int] = dict(self._rows.execute(_COUNTS))
        return found.pop(None, 0), {reason: count for reason, count in found.items() if reason is not None}


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigurationError(f"the plan's temporary file cannot be used: {error}") from None


async def read_into(
    plan: Plan,
    orders: AsyncIterable[Order | DecodeError],
    conditions: Sequence[Condition],
    check: Callable[[str], object],
    *,
    allow_ignored: bool,
) -> None:
    """Read a list to its end, and note each order.

    Args:
        plan: Where to note them.
        orders: The list.
        conditions: What an order must have to be changed.
        check: Raises :class:`InvalidRequestError` for an id that no change can have.
        allow_ignored: Whether to go on when the service ignores a filter.

    Raises:
        ConfigurationError: The plan's file cannot be written.
        IgnoredFilterError: ``LEAST_IGNORED`` orders, and more than ``MOST_IGNORED`` of all, came against a filter.
        CallError: A page could not be had.
    """
    sent = query_of({condition.filter: condition.sent for condition in conditions if condition.filter is not None})
    async for order in orders:
        plan.read += 1
        if isinstance(order, DecodeError) or order.id is None:
            plan.unreadable += 1
            continue
        plan.note(plain(order.id), _reason(order, order.id, conditions, check))
        for condition in conditions:
            name = condition.filter
            if name is None or condition.value(order) is None or FILTER_CHECKS[name].fits(order, sent[name]):
                continue
            plan.against[name] += 1
            count = plan.against[name]
            if not allow_ignored and count >= LEAST_IGNORED and count > MOST_IGNORED * plan.read:
                told = f"{count:,} of the first {plan.read:,} orders do not fit the filter {name!r}"
                raise IgnoredFilterError(f"{told}: the service ignores it")


def _reason(order: Order, order_id: str, conditions: Sequence[Condition], check: Callable[[str], object]) -> str | None:
    for condition in conditions:
        if (reason := condition.reason(order)) is not None:
            return reason
    try:
        check(order_id)
    except InvalidRequestError:
        return "an id that cannot be sent"
    return None
