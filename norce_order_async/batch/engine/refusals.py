"""Refusals that are about who we are: the changes that met one, until it is known what it says of them."""

import attrs

from norce_order_async.batch.engine.breaker import IN_A_ROW
from norce_order_async.batch.engine.work_item import NOT_TRIED, Order, Scope, WorkItem
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import AuthenticationError, CallError, PermissionDeniedError

ORDERS = 10
"""When so many different orders of a merchant and channel in a row are refused with 403, none is tried any more."""

Kept = list[tuple[WorkItem, Outcome]]
"""Changes, each with how it stands."""


@attrs.define
class _Hold:
    row: int = 0
    reason: str = ""
    orders: set[Order] = attrs.Factory(set[Order])
    parked: list[WorkItem] = attrs.Factory(list[WorkItem])
    trial: WorkItem | None = None

    @property
    def is_on(self) -> bool:
        return self.row >= IN_A_ROW


class Refusals:
    """Keeps what was refused, and holds the changes of a merchant and channel where five in a row were.

    While it holds them, changes of other orders there are tried in turn. When these are refused too, no more of that
    merchant and channel is tried; the changes of others go on.

    Args:
        closed: Where to note the merchants and channels of which nothing is tried any more, and why.
    """

    def __init__(self, closed: dict[Scope, str]) -> None:
        self.withheld: Kept = []
        """What was refused, and neither ended nor left."""
        self._closed = closed
        self._holds: dict[Scope, _Hold] = {}

    @staticmethod
    def concern(error: CallError) -> bool:
        """Whether an error may be about who we are."""
        return isinstance(error, AuthenticationError | PermissionDeniedError)

    def add(self, item: WorkItem, outcome: Outcome, error: CallError) -> Kept:
        """Keep a change that was refused; what is left undone now, because no more is tried there."""
        self.withheld.append((item, outcome))
        if not isinstance(error, PermissionDeniedError):
            return []
        scope = item.order[:2]
        if scope in self._closed:
            return self._take_out(scope, _Hold())
        hold = self._holds.setdefault(scope, _Hold())
        if item is hold.trial:
            hold.trial = None
        elif hold.is_on:
            return []  # it was under way when the hold began
        hold.row += 1
        hold.reason = error.reason
        hold.orders.add(item.order)
        return self._close(scope, f"{ORDERS} orders in a row were refused") if len(hold.orders) >= ORDERS else []

    def admits(self, item: WorkItem) -> bool:
        """Whether a change may be sent now; one that may not is kept."""
        hold = self._holds.get(item.order[:2])
        if hold is None or not hold.is_on or item is hold.trial:
            return True
        if hold.trial is None and item.order not in hold.orders:
            hold.trial = item
            return True
        hold.parked.append(item)
        return False

    def next_trials(self) -> list[WorkItem]:
        """A parked change of another order for each hold that has no trial."""
        found: list[WorkItem] = []
        for hold in self._holds.values():
            if hold.is_on and hold.trial is None:
                hold.trial = next((item for item in hold.parked if item.order not in hold.orders), None)
                if hold.trial is not None:
                    hold.parked.remove(hold.trial)
                    found.append(hold.trial)
        return found

    def untold(self, item: WorkItem) -> None:
        """A change ended without an answer: as a trial it has shown nothing."""
        hold = self._holds.get(item.order[:2])
        if hold is not None and item is hold.trial:
            hold.trial = None

    def answered(self, item: WorkItem) -> tuple[Kept, list[WorkItem]]:
        """A change got an answer that is about the change: what ends as refused now, and what may go on."""
        scope = item.order[:2]
        hold = self._holds.pop(scope, None)
        ended = [one for one in self.withheld if one[0].order[:2] == scope or one[1].status == 401]
        self.withheld = [one for one in self.withheld if one not in ended]
        return ended, hold.parked if hold else []

    def close_held(self) -> Kept:
        """Nothing was ever answered, and nothing else is left to try: what is left undone where changes are held."""
        return [
            one
            for scope, hold in list(self._holds.items())
            if hold.is_on
            for one in self._close(scope, "all that were tried were refused")
        ]

    def give_up(self) -> tuple[Kept, list[WorkItem]]:
        """Nothing else is left to try: all that was refused, and all that was held."""
        ended, self.withheld = self.withheld, []
        parked = [item for hold in self._holds.values() for item in hold.parked]
        self._holds.clear()
        return ended, parked

    def _close(self, scope: Scope, why: str) -> Kept:
        hold = self._holds.pop(scope)
        self._closed[scope] = f"{why}: {hold.reason}"
        return self._take_out(scope, hold)

    def _take_out(self, scope: Scope, hold: _Hold) -> Kept:
        refused = [one for one in self.withheld if one[0].order[:2] == scope]
        self.withheld = [one for one in self.withheld if one not in refused]
        return [(item, item.left(NOT_TRIED, outcome.message or "refused")) for item, outcome in refused] + [
            (item, item.left(NOT_TRIED, self._closed[scope])) for item in hold.parked
        ]
