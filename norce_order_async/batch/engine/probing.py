"""Probes: the changes that are sent while the server is out of reach, to see whether it is back."""

from collections.abc import Callable, Collection, Iterable, Sequence, Sized

from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import Shared


class Probes:
    """Chooses the probes of a batch, and waits for when they are due.

    Args:
        shared: The schedule, and where time and random places come from.
        breaker: Says when probes are sent.
        lanes: Those in which a change is under way.
        make_room: Called when there may be room for more of the input.

    Attributes:
        under_way: The one that is sent and has not ended; None where several may be.
    """

    def __init__(self, shared: Shared, breaker: CircuitBreaker, lanes: Sized, *, make_room: Callable[[], None]) -> None:
        self.under_way: WorkItem | None = None
        self._breaker = breaker
        self._lanes = lanes
        self._make_room = make_room
        self._schedule, self._pace, self._state = shared.schedule, shared.pace, shared.state
        self._clock, self._random = shared.clock, shared.random

    def may_go(self) -> bool:
        """Whether one may be sent when it is due."""
        return (
            self._breaker.is_open
            and self.under_way is None
            and (len(self._lanes) < self._pace.limit or not self._breaker.tries_all)
            and self._schedule.has_ready
            and self._state.stopped is None
            and self._breaker.hopeless(0) is None
        )

    async def wait(self) -> bool:
        """Wait until the next one is due, or something that was under way went through; whether it is a new change."""
        self._make_room()
        delay, new = self._breaker.next_probe()
        due = self._clock.monotonic() + delay
        while self.may_go() and due > self._clock.monotonic():
            self._state.wake.clear()
            await self._breaker.pause(due, self._state.wake)
        return new

    def take(self, *, new: bool, avoid: Iterable[Collection[str | None]]) -> WorkItem:
        """Take a change that shows whether the server is back: a new one, or one to be sent again, if there is one.

        A new one comes from anywhere, of a merchant that is not to be avoided if there is one: the neighbours of those
        that fail may fail of the same. If there is none, one to be sent again of such a merchant goes first. ``avoid``
        has sets of merchants, the next one for where all that can be sent is of the one before.
        """
        ready, requeued = self._schedule.ready, self._schedule.requeued
        if requeued and not (new and ready):
            return requeued.popleft()
        places: Sequence[int] = range(len(ready))
        for merchants in avoid:
            if others := [place for place in places if ready[place].order[0] not in merchants]:
                places = others
                break
            if other := next((item for item in requeued if item.order[0] not in merchants), None):
                requeued.remove(other)
                return other
        place = places[self._random.randrange(len(places))]
        item = ready[place]
        del ready[place]  # the others keep their order: those before it are not made the last ones
        return item
