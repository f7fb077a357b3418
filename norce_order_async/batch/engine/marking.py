"""Which changes are marked in the journal, and when: before they are sent, a few at once."""

from collections.abc import Collection
from itertools import islice

from norce_order_async.batch.engine.accounting import GROUP, Accountant
from norce_order_async.batch.engine.schedule import Schedule
from norce_order_async.batch.engine.settings import RunState
from norce_order_async.batch.engine.work_item import Scope, WorkItem
from norce_order_async.batch.journal import JournalBusy
from norce_order_async.core.clock import Clock
from norce_order_async.sending.pace import Pace

_MOMENT = 0.05
"""Seconds of sending for which changes are marked at once."""
_FEWEST = 8
"""So many are marked at once at least, where so many may be sent."""


class Marker:
    """Marks changes in the journal: those that were taken to be sent, and those that come next.

    Each time is a transaction. After a kill all that was marked counts as perhaps sent, so no more is marked ahead than
    is sent in a moment, and nothing that waits for something else than its turn.

    Args:
        once: Whether there may be changes that must not be made twice: of these fewer are marked ahead.
    """

    def __init__(
        self, *, once: bool, schedule: Schedule, accountant: Accountant, pace: Pace, state: RunState, clock: Clock
    ) -> None:
        self.is_needed = accountant.journal is not None
        """Whether changes are marked at all."""
        self.taken: list[WorkItem] = []
        """What was taken, and has to be marked before it is sent."""
        self._once = once
        self._schedule = schedule
        self._accountant = accountant
        self._pace = pace
        self._state = state
        self._clock = clock
        self._ahead = self._count = 0  # how many are sent in a moment; how many were marked since then
        self._since = clock.monotonic()

    def most(self) -> int:
        """How many may be marked at once."""
        now = self._clock.monotonic()
        if (passed := now - self._since) >= _MOMENT:
            self._ahead, self._count, self._since = round(self._count * _MOMENT / passed), 0, now
        return min(GROUP, max(_FEWEST, self._pace.limit, 0 if self._once else max(self._ahead, self._count)))

    async def mark(self, *, ahead: bool, but_of: Collection[Scope]) -> list[WorkItem]:
        """Mark what was taken, and with ``ahead`` what comes next; what has ended is written along with it.

        Args:
            ahead: Whether what comes next is marked, too.
            but_of: The merchants and channels of which nothing is marked ahead.

        Returns:
            What was taken and may be sent now; nothing where the journal cannot be written, which stops the batch.
        """
        taken = self.taken.copy()
        items = [*taken, *self._next(self.most() - len(taken), but_of)] if ahead else taken
        try:
            await self._accountant.write(items)
        except Exception as error:
            # A journal that is locked when the batch is stopped is waited for at the end.
            if self._state.stopped is None or not isinstance(error, JournalBusy):
                self._state.fail(error)
            return []
        del self.taken[: len(taken)]  # others may have come meanwhile
        for item in items:
            item.is_marked = True
        self._count += len(items)
        return taken

    def _next(self, most: int, but_of: Collection[Scope]) -> list[WorkItem]:
        """Those of the next ones that have no mark, and are not of whom is asked to wait, or left undone."""
        held, closed = self._pace.holds.rows, self._state.closed
        return [
            item
            for item in islice(self._schedule.ready, max(0, most))
            if not item.is_marked
            and item.order[0] not in held
            and item.order[:2] not in closed
            and item.order[:2] not in but_of
        ]
