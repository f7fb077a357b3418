"""Batches against servers, both simulated in virtual time: what a pace makes of rate limits, refusals and queues.

Everything is drawn from a seed, so that a run gives the same figures everywhere.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from soak_batch.servers import Server

from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.settings import Timeout
from norce_order_async.core.statuses import OVERLOAD_STATUSES
from norce_order_async.testing.clock import FakeClock

TIMEOUT = Timeout()
ATTEMPTS = 5
LOOKAHEAD = 5_000
"""So many changes wait for another try at most, while none is taken from the input."""


class Paced(Protocol):
    """What a batch needs of a pace."""

    limit: int
    in_flight: int
    renewed: asyncio.Event

    @property
    def rate(self) -> float | None: ...
    @property
    def reason(self) -> str | None: ...
    def begin(self) -> object: ...
    def end(self) -> None: ...
    def reserve(self) -> float: ...
    def observe(self, call: Call, attempt: Attempt) -> None: ...


class World:
    """The virtual clock, its events, and what happens at random."""

    def __init__(self, seed: int) -> None:
        self.clock = FakeClock()
        self.random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay: float, what: Callable[..., None], *arguments: Any) -> None:
        """Do something later."""
        self._number += 1
        heapq.heappush(self._events, (self.clock.now + delay, self._number, what, arguments))

    def run(self, until: float) -> None:
        """Let time pass."""
        clock, events = self.clock, self._events
        while events and events[0][0] <= until:
            clock.now, _, what, arguments = heapq.heappop(events)
            what(*arguments)
        clock.now = until


class Change:
    """A change of the input, with the tries so far."""

    __slots__ = ("call", "number", "refusals")

    def __init__(self, number: int) -> None:
        self.number = number
        self.refusals = 0
        self.call: Call | None = None


class Batch:
    """A batch of changes without end: the next one is sent as soon as its pace allows.

    A throttled change waits for its ``Retry-After`` beside the queue and takes a place like any other. One that fails
    otherwise is sent again within its call, off the schedule, and holds no place in flight while it waits.

    Args:
        world: Its time.
        server: Who answers.
        make: Makes the pace from a clock.
        late: Seconds, the most by which a wait is too long.
        busy: Seconds that it takes to send one.
        timeout: Seconds until an attempt is given up.
    """

    def __init__(
        self,
        world: World,
        server: Server,
        make: Callable[[FakeClock], Paced],
        *,
        late: float = 0.002,
        busy: float = 0.0002,
        timeout: float = 15.0,
    ) -> None:
        self.pace = make(world.clock)
        self.answers: list[tuple[float, int, float]] = []
        """When each attempt ended, its status (0 is a time-out), and the seconds that it took."""
        self.limits: list[int] = []
        self._world, self._server = world, server
        self._late, self._busy, self._timeout = late, busy, timeout
        self._put_back: list[tuple[float, int, Change]] = []
        self._next = 0
        self._blocked = False
        self._places = 0  # so many were reserved; the last one is what counts
        world.after(0.0, self._dispatch)
        world.after(0.0, self._sample)

    def _sample(self) -> None:
        self.limits.append(self.pace.limit)
        self._world.after(1.0, self._sample)

    def _dispatch(self) -> None:
        if self.pace.in_flight >= self.pace.limit:
            self._blocked = True
            return
        self._blocked = False
        put_back, now = self._put_back, self._world.clock.now
        if len(put_back) >= LOOKAHEAD and put_back[0][0] > now:
            self._world.after(put_back[0][0] - now, self._dispatch)
            return
        self.pace.renewed.clear()
        self._places += 1
        delay = self.pace.reserve()
        if delay > 0:
            self._world.after(delay + self._world.random.uniform(0, self._late), self._launch, self._places)
        else:
            self._launch(self._places)

    def _launch(self, place: int) -> None:
        if place != self._places:
            return  # the schedule began anew
        now = self._world.clock.now
        if self._put_back and self._put_back[0][0] <= now:
            change = heapq.heappop(self._put_back)[2]
        else:
            change = Change(self._next)
            self._next += 1
        change.call = Call("op", Repeat.SAFE, "id", started=now, timeout=TIMEOUT, retry=None)
        self._send(change)
        self._world.after(self._busy, self._dispatch)

    def _send(self, change: Change) -> None:
        call, now = change.call, self._world.clock.now
        assert call is not None
        self.pace.begin()
        attempt = Attempt(number=len(call.attempts) + 1, started=now - call.started, sent=True)
        call.attempts.append(attempt)
        status, retry_after, latency = self._server.answer(now, change.number)
        if latency > self._timeout:
            attempt.error, attempt.elapsed = "ReadTimeout: no answer", self._timeout
        else:
            attempt.status, attempt.retry_after, attempt.elapsed = status, retry_after, latency
        self._world.after(attempt.elapsed, self._answered, change, attempt)

    def _answered(self, change: Change, attempt: Attempt) -> None:
        call, now = change.call, self._world.clock.now
        assert call is not None
        status = attempt.status or 0
        self.answers.append((now, status, attempt.elapsed))
        self.pace.observe(call, attempt)
        self.pace.end()
        if attempt.throttled:
            change.refusals += 1
            asked = attempt.retry_after
            wait = self._world.random.random() * min(20.0, 2.0**change.refusals)
            due = now + (wait if asked is None else max(wait, asked + self._world.random.random() * _widest(asked)))
            heapq.heappush(self._put_back, (due, change.number, change))
        elif (status == 0 or status >= 500) and attempt.number < ATTEMPTS:
            self._world.after(self._world.random.uniform(0, 0.1 * 2 ** (attempt.number - 1)), self._send, change)
        if self._blocked or self.pace.renewed.is_set():
            self._dispatch()

    def accepted(self, start: float, end: float) -> float:
        """Changes that the server carried out, per second."""
        return sum(start <= at < end and status == 200 for at, status, _ in self.answers) / (end - start)

    def sent(self, start: float, end: float) -> int:
        """Attempts that ended between two times."""
        return sum(start <= at < end for at, _, _ in self.answers)

    def refused(self, start: float, end: float) -> float:
        """The share of overload among the attempts that ended between two times."""
        answers = [status for at, status, _ in self.answers if start <= at < end]
        return sum(status in OVERLOAD_STATUSES for status in answers) / max(1, len(answers))

    def timed_out(self, start: float, end: float) -> float:
        """The share of the attempts that were given up."""
        answers = [status for at, status, _ in self.answers if start <= at < end]
        return answers.count(0) / max(1, len(answers))

    def latency(self, start: float, end: float, share: float) -> float:
        """The latency that this share of the answers does not exceed."""
        latencies = sorted(took for at, status, took in self.answers if start <= at < end and status)
        return latencies[int(share * (len(latencies) - 1))] if latencies else float("inf")


def _widest(asked: float) -> float:
    return min(1.0, 0.1 * asked + 0.05)


def run(
    server: Callable[[random.Random], Server],
    make: Callable[[FakeClock], Paced],
    *,
    until: float,
    seed: int = 1,
    batches: int = 1,
    driver: Mapping[str, float] | None = None,
) -> Sequence[Batch]:
    """Run batches against one server."""
    world = World(seed)
    shared = server(world.random)
    ran = [Batch(world, shared, make, **(driver or {})) for _ in range(batches)]
    world.run(until)
    return ran
