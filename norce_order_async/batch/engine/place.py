"""The place in the pace's schedule that is reserved for the next change, until it comes."""

from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.settings import Shared


class Place:
    """Reserves places one at a time, and waits for them.

    Args:
        shared: The pace and its schedule, the state of the batch, and the clock.
        breaker: What waits.

    Attributes:
        at: When the place comes that is reserved and not used; nobody takes another meanwhile.
    """

    def __init__(self, shared: Shared, breaker: CircuitBreaker) -> None:
        self.at: float | None = None
        self._breaker = breaker
        self._pace = shared.pace
        self._schedule = shared.schedule
        self._state = shared.state
        self._clock = shared.clock

    def keep(self, delay: float) -> None:
        """Keep a place that was reserved and comes so many seconds later, for :meth:`wait`."""
        if self._pace.is_closed:
            self._pace.give_back()  # it is reserved again, with a look at what can be sent
        else:
            self.at = self._clock.monotonic() + delay
            self._pace.renewed.clear()

    async def wait(self) -> bool:
        """Wait for the place; one is reserved if there is none.

        False where it is not used: the schedule begins anew, the batch stops, or something comes that has not to wait.
        """
        pace, wake, others = self._pace, self._state.wake, True
        if (at := self.at) is None:
            pace.renewed.clear()
            others = not pace.is_closed or self._schedule.has_others(pace.holds.rows)
            self.at = at = self._clock.monotonic() + pace.reserve(others=others)
        if at > self._clock.monotonic():
            await self._breaker.pause(at, self._state.stopping, pace.renewed, *(() if others else (wake,)))
        self.at = None
        if not others and wake.is_set() and self._clock.monotonic() < at:
            pace.give_back()
            return False
        return not pace.renewed.is_set()
