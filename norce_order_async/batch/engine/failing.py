"""What follows when a change fails: it is made again later, is kept until its refusal is understood, or ends."""

import math
from collections.abc import Callable

from norce_order_async.batch.engine.breaker import ABOUT_US, CircuitBreaker, is_throttled
from norce_order_async.batch.engine.endings import left_as
from norce_order_async.batch.engine.refusals import ItemOutcomes, Refusals
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import Shared
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.back_off import not_before
from norce_order_async.core.errors import CallError, ClientStateError, NorceOrderError, StatusError
from norce_order_async.core.outcome import OutcomeKind

_REQUEUED = 2
"""So often a change that failed in a way that passes is made again later, when there is no outage. One that was only
refused because of too many requests comes back as often as it takes."""
_LONGEST_WAIT = 20.0
"""Seconds, the longest random wait of one that was refused because of too many requests."""


class Failures:
    """Decides what follows a failure, and carries it out.

    Args:
        shared: The schedule and the state of the batch.
        breaker: Told of each failure.
        end: Ends a change for good.
        make_room: Called when there may be room for more of the input.

    Attributes:
        refusals: The changes that are kept.
        left: What was taken and is not made, each with how it stands, until somebody tells of it.
    """

    def __init__(
        self,
        shared: Shared,
        breaker: CircuitBreaker,
        *,
        end: Callable[[WorkItem, Outcome], None],
        make_room: Callable[[], None],
    ) -> None:
        self.refusals = Refusals(shared.state.closed)
        self.left: ItemOutcomes = []
        self._breaker = breaker
        self._schedule, self._state = shared.schedule, shared.state
        self._clock, self._random = shared.clock, shared.random
        self._end, self._make_room = end, make_room

    def ends(self, item: WorkItem, outcome: Outcome, error: Exception, others: int) -> bool:
        """Take in a failure while so many other changes are under way; whether the change ends with it."""
        if isinstance(error, ClientStateError) or not isinstance(error, NorceOrderError):
            self._state.fail(error)
            if not outcome.outcome.failed:
                return True
            # It ends the batch, and not the change.
            item.maybe_applied |= outcome.outcome is OutcomeKind.UNKNOWN
            self.leave_undone([(item, left_as(item, outcome.error, outcome.message))])
            return False
        return not (
            isinstance(error, CallError)
            and (self._is_requeued(item, outcome, error, others) or self._is_withheld(item, outcome, error))
        )

    def answered(self, item: WorkItem) -> None:
        """A change got an answer that is about the change: what was refused is understood."""
        self._resolve(*self.refusals.answered(item))

    def untold(self, item: WorkItem) -> None:
        """A change ended, and says nothing of what was refused."""
        self.refusals.untold(item)
        self._try_next(item)

    def give_up(self) -> None:
        """Nothing is left to try: what was refused ends, and what nothing was ever answered for is left undone."""
        if not self._state.worked:
            self.leave_undone(self.refusals.close_held())
        self._resolve(*self.refusals.give_up())

    def leave_undone(self, left: ItemOutcomes) -> None:
        """Take changes out of the schedule that were taken and are not made."""
        for item, _ in left:
            self._schedule.done(item, math.inf)  # those behind it are left undone, too
        self.left += left
        self._make_room()

    def take_left(self) -> ItemOutcomes:
        """What is left, to tell of it now."""
        left, self.left = self.left, []
        return left

    def _is_requeued(self, item: WorkItem, outcome: Outcome, error: CallError, others: int) -> bool:
        """Whether a change that failed is made again later."""
        counts = self._breaker.failed(item, error)
        if (hopeless := self._breaker.hopeless(others)) is not None:
            self._breaker.give_up(hopeless)
        if self._breaker.is_open:
            self._state.wake.set()
        if (
            not self._breaker.is_transient(error)
            or not item.repeatable(outcome.outcome)
            or self._breaker.is_asked_too_much(error)
            or (wait := self._until_next(item, error, counts=counts)) is None
        ):
            return False
        item.last = outcome
        self._schedule.requeue_at(item, self._clock.monotonic() + wait)
        return True

    def _until_next(self, item: WorkItem, error: CallError, *, counts: bool) -> float | None:
        """Seconds until its next round; None when it has failed too often, as far as these failures are its own."""
        if is_throttled(error):
            item.refusals += 1
            wait = self._random.random() * min(_LONGEST_WAIT, 2.0**item.refusals)
        else:
            item.rounds += counts
            if item.rounds > _REQUEUED:
                for follower in item.followers or ():
                    follower.rounds = _REQUEUED  # it fails of the same, as far as can be told: it gets one try
                return None
            wait = 2.0**item.rounds
        return not_before(error.retry_after or None, wait, self._random)

    def _is_withheld(self, item: WorkItem, outcome: Outcome, error: CallError) -> bool:
        """Whether it was refused for what we are, perhaps, so that it does not end yet."""
        if not isinstance(error, ABOUT_US):
            if self.refusals.withheld and isinstance(error, StatusError) and not self._breaker.is_transient(error):
                self.answered(item)
            return False
        self.leave_undone(self.refusals.add(item, outcome, error))
        self._try_next(item)
        return True

    def _try_next(self, ended: WorkItem) -> None:
        if (trial := self.refusals.next_trial(ended)) is not None:
            self._schedule.requeue(trial)
        self._state.wake.set()

    def _resolve(self, refused: ItemOutcomes, held: list[WorkItem]) -> None:
        """End what was refused, and let go on what was held for it."""
        for item in held:
            self._schedule.requeue(item)
        for item, outcome in refused:
            self._end(item, outcome)
        self._state.wake.set()
