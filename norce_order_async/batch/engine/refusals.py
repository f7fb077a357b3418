"""Refusals that are about who we are: the changes that met one, until it is known what it says of them."""

import attrs

from norce_order_async.batch.engine.breaker import IN_A_ROW
from norce_order_async.batch.engine.work_item import Order, WorkItem
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import AuthenticationError, CallError, PermissionDeniedError
from norce_order_async.core.outcome import OutcomeKind

ORDERS = 10
"""When so many different orders of a merchant and channel in a row are refused with 403, none is tried any more."""

_Scope = tuple[str | None, str | None]


@attrs.define
class _Hold:
    row: int = 0
    orders: set[Order] = attrs.Factory(set[Order])
    parked: list[WorkItem] = attrs.Factory(list[WorkItem])
    trial: WorkItem | None = None

    @property
    def is_on(self) -> bool:
        return self.row >= IN_A_ROW


class Refusals:
    """Keeps what was refused, and holds the changes of a merchant and channel where five in a row were.

    While it holds them, changes of other orders there are tried in turn.
    """

    def __init__(self) -> None:
        self.withheld: list[tuple[WorkItem, Outcome]] = []
        """What was refused, and neither ended nor left."""
        self._holds: dict[_Scope, _Hold] = {}

    @staticmethod
    def concern(error: CallError, outcome: Outcome) -> bool:
        """Whether an error may be about who we are."""
        return (
            isinstance(error, AuthenticationError | PermissionDeniedError) and outcome.outcome is OutcomeKind.REJECTED
        )

    def add(self, item: WorkItem, outcome: Outcome, error: CallError) -> str | None:
        """Keep a change that was refused; the reason to stop, if there is one."""
        self.withheld.append((item, outcome))
        if not isinstance(error, PermissionDeniedError):
            return None
        hold = self._holds.setdefault(item.order[:2], _Hold())
        if item is hold.trial:
            hold.trial = None
        elif hold.is_on:
            return None  # it was under way when the hold began
        hold.row += 1
        hold.orders.add(item.order)
        if len(hold.orders) >= ORDERS:
            return f"{ORDERS} orders in a row were refused: {error.reason}"
        return None

    def admits(self, item: WorkItem) -> bool:
        """Whether a change may be sent now; one that may not is kept."""
        hold = self._holds.get(item.order[:2])
        if hold is None or not hold.is_on:
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
                trial = next((item for item in hold.parked if item.order not in hold.orders), None)
                if trial is not None:
                    hold.parked.remove(trial)
                    found.append(trial)
        return found

    def answered(self, item: WorkItem) -> tuple[list[tuple[WorkItem, Outcome]], list[WorkItem]]:
        """A change got an answer that is about the change: what ends as refused now, and what may go on."""
        scope = item.order[:2]
        hold = self._holds.pop(scope, None)
        ended = [one for one in self.withheld if one[0].order[:2] == scope or one[1].status == 401]
        self.withheld = [one for one in self.withheld if one not in ended]
        return ended, hold.parked if hold else []

    def give_up(self) -> tuple[list[tuple[WorkItem, Outcome]], list[WorkItem]]:
        """Nothing else is left to try: all that was refused, and all that was held."""
        ended, self.withheld = self.withheld, []
        parked = [item for hold in self._holds.values() for item in hold.parked]
        self._holds.clear()
        return ended, parked
