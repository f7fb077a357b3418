"""Refusals that are about who we are: the changes that met one, until it is known what it says of them."""

from collections import deque

import attrs

from norce_order_async.batch.changes import Order, Scope
from norce_order_async.batch.engine.breaker import IN_A_ROW
from norce_order_async.batch.engine.endings import NOT_TRIED, left_as, left_waiting
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import CallError, PermissionDeniedError

ORDERS = 10
"""When so many different orders of a merchant and channel in a row are refused with 403, none is tried any more."""

ItemOutcomes = list[tuple[WorkItem, Outcome]]
"""Changes, each with how it stands."""


@attrs.define
class _Scope:
    """What is known of a merchant and channel where something was refused with 403.

    Attributes:
        refused: What was refused, and neither ended nor left.
        row: How many were in a row.
        reason: Why the last one was.
        orders: The orders that were tried.
        parked: What is held, by its order.
        trial: What is tried meanwhile.
    """

    refused: ItemOutcomes = attrs.Factory(ItemOutcomes)
    row: int = 0
    reason: str = ""
    orders: set[Order] = attrs.Factory(set[Order])
    parked: dict[Order, deque[WorkItem]] = attrs.Factory(dict[Order, deque[WorkItem]])
    trial: WorkItem | None = None

    @property
    def is_on(self) -> bool:
        return self.row >= IN_A_ROW

    def park(self, item: WorkItem) -> None:
        self.parked.setdefault(item.order, deque()).append(item)

    def take_trial(self) -> WorkItem | None:
        """The first that is held of an order that was not tried."""
        order = next((order for order in self.parked if order not in self.orders), None)
        if order is None:
            return None
        items = self.parked[order]
        self.trial = items.popleft()
        if not items:
            del self.parked[order]
        return self.trial

    def all_parked(self) -> list[WorkItem]:
        """What is held, in the order of the input."""
        return sorted((item for items in self.parked.values() for item in items), key=lambda item: item.number)


class Refusals:
    """Keeps what was refused, and holds the changes of a merchant and channel where five in a row were.

    While it holds them, changes of other orders there are tried in turn. When these are refused too, no more of that
    merchant and channel is tried; the changes of others go on. What is held counts among what a batch reads ahead at
    most. What an answer costs does not grow with what is held.

    Args:
        closed: Where to note the merchants and channels of which nothing is tried any more, and why.
    """

    def __init__(self, closed: dict[Scope, str]) -> None:
        self.withheld = 0
        """How much was refused, and neither ended nor left."""
        self._closed = closed
        self.unauthorized: ItemOutcomes = []
        """What was refused with 401, or for its TLS: of whatever merchant, for the same reason."""
        self.scopes: dict[Scope, _Scope] = {}
        """What is known of the merchants and channels where something was refused with 403."""

    def add(self, item: WorkItem, outcome: Outcome, error: CallError) -> ItemOutcomes:
        """Keep a change that was refused; what is left undone now, because no more is tried there."""
        self.withheld += 1
        item.last = left_as(item, NOT_TRIED, outcome.message or "refused")  # if the batch ends before that is known
        if not isinstance(error, PermissionDeniedError):
            self.unauthorized.append((item, outcome))
            return []
        name = item.order[:2]
        scope = self.scopes.setdefault(name, _Scope())
        scope.refused.append((item, outcome))
        if name in self._closed:
            return self._take_out(name)
        if item is scope.trial:
            scope.trial = None
        elif scope.is_on:
            return []  # it was under way when the hold began
        scope.row += 1
        scope.reason = error.reason
        scope.orders.add(item.order)
        if len(scope.orders) < ORDERS:
            return []
        return self._close(name, f"{ORDERS} orders in a row were refused")

    def admits(self, item: WorkItem) -> bool:
        """Whether a change may be sent now; one that may not is kept."""
        scope = self.scopes.get(item.order[:2])
        if scope is None or not scope.is_on or item is scope.trial:
            return True
        if scope.trial is None and item.order not in scope.orders:
            scope.trial = item
            return True
        scope.park(item)
        return False

    def next_trial(self, ended: WorkItem) -> WorkItem | None:
        """What is held beside a change that has ended, and is to be tried now."""
        scope = self.scopes.get(ended.order[:2])
        return scope.take_trial() if scope is not None and scope.is_on and scope.trial is None else None

    def untold(self, item: WorkItem) -> None:
        """A change ended without an answer: as a trial it has shown nothing."""
        scope = self.scopes.get(item.order[:2])
        if scope is not None and item is scope.trial:
            scope.trial = None

    def answered(self, item: WorkItem) -> tuple[ItemOutcomes, list[WorkItem]]:
        """A change got an answer that is about the change: what ends as refused now, and what may go on.

        Nothing of the token is told by an answer to what was under way when it was refused.
        """
        scope = self.scopes.pop(item.order[:2], _Scope())
        began = item.since or 0.0
        ended, later = scope.refused, ItemOutcomes()
        for one in self.unauthorized:
            (ended if (one[0].since or 0.0) <= began else later).append(one)
        self.unauthorized = later
        self.withheld -= len(ended)
        return ended, scope.all_parked()

    def close_held(self) -> ItemOutcomes:
        """Nothing was ever answered, and nothing else is left to try: what is left undone where changes are held."""
        held = [name for name, scope in self.scopes.items() if scope.is_on]
        return [one for name in held for one in self._close(name, "all that were tried were refused")]

    def give_up(self) -> tuple[ItemOutcomes, list[WorkItem]]:
        """Nothing else is left to try: all that was refused, and all that was held."""
        ended = [*self.unauthorized, *(one for scope in self.scopes.values() for one in scope.refused)]
        parked = [item for scope in self.scopes.values() for item in scope.all_parked()]
        self.withheld, self.unauthorized = 0, []
        self.scopes.clear()
        return ended, parked

    def _close(self, name: Scope, why: str) -> ItemOutcomes:
        self._closed[name] = f"{why}: {self.scopes[name].reason}"
        return self._take_out(name)

    def _take_out(self, name: Scope) -> ItemOutcomes:
        scope = self.scopes.pop(name)
        self.withheld -= len(scope.refused)
        refused = [(item, left_waiting(item)) for item, _ in scope.refused]
        return [*refused, *((item, left_as(item, NOT_TRIED, self._closed[name])) for item in scope.all_parked())]
