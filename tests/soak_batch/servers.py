"""Servers of a simulation: rate limits, quotas, refusals at random, workers with a queue."""

import heapq
import math
import random
from collections.abc import Mapping
from typing import Protocol

_NETWORK = 0.001
"""Seconds that an answer of workers is on its way."""
Answer = tuple[int, float | None, float]
"""A status, what ``Retry-After`` asks for, and the seconds until it is there."""


class Server(Protocol):
    """Answers requests."""

    def answer(self, now: float, number: int) -> Answer:
        """The answer to a request for the change of this number."""
        ...


class Latency:
    """Takes everything, and so many seconds; ``spread`` is the deviation of the logarithm."""

    def __init__(self, seconds: float, rng: random.Random, *, spread: float = 0.0) -> None:
        self._seconds, self._random, self._spread = seconds, rng, spread

    def answer(self, now: float, number: int) -> Answer:
        if not self._spread:
            return 200, None, self._seconds
        return 200, None, self._seconds * math.exp(self._spread * self._random.gauss())


class Workers:
    """Workers who serve a queue, first come, first served; also what its caller has given up."""

    def __init__(self, workers: int, service: float, rng: random.Random, *, spread: float = 0.0) -> None:
        self._free = [0.0] * workers
        self._service, self._random, self._spread = service, rng, spread

    def answer(self, now: float, number: int) -> Answer:
        service = self._service
        if self._spread:
            service *= math.exp(self._spread * self._random.gauss() - self._spread**2 / 2)
        done = max(now, self._free[0]) + service
        heapq.heapreplace(self._free, done)
        return 200, None, done - now + _NETWORK


class Limiter:
    """Refuses what is over its rate as nginx's ``limit_req ... nodelay`` does; ``changes`` has later rates by time."""

    def __init__(
        self,
        rate: float,
        behind: Server,
        *,
        burst: int = 0,
        changes: Mapping[float, float] | None = None,
        retry_after: float | None = 1.0,
        status: int = 429,
        fast: float = 0.002,
    ) -> None:
        self._rate, self._behind, self._burst = rate, behind, burst
        self._changes = dict(changes or {})
        self._refusal = status, retry_after, fast
        self._excess, self._at = 0.0, -1_000_000

    def answer(self, now: float, number: int) -> Answer:
        for when in [when for when in self._changes if when <= now]:
            self._rate = self._changes.pop(when)
        milliseconds = int(1000 * now)
        excess = max(0.0, self._excess - self._rate * (milliseconds - self._at) / 1000 + 1)
        if excess > self._burst:
            return self._refusal
        self._excess, self._at = excess, milliseconds
        return self._behind.answer(now, number)


class Penal:
    """Refuses what is over its rate, and for some seconds everything; a request meanwhile begins these seconds anew."""

    def __init__(self, rate: float, burst: int, seconds: float) -> None:
        self._limiter = Limiter(rate, Latency(0.02, random.Random()), burst=burst)
        self._seconds = seconds
        self._until = -math.inf

    def answer(self, now: float, number: int) -> Answer:
        answer = self._limiter.answer(now, number)
        if now < self._until or answer[0] != 200:
            self._until = now + self._seconds
            return 429, self._seconds, 0.002
        return answer


class Quota:
    """Takes so many in each period, and refuses the rest until the next one."""

    def __init__(self, number: int, period: float, behind: Server) -> None:
        self._number, self._period, self._behind = number, period, behind
        self._window = self._taken = 0

    def answer(self, now: float, number: int) -> Answer:
        if (window := int(now / self._period)) != self._window:
            self._window, self._taken = window, 0
        self._taken += 1
        if self._taken <= self._number:
            return self._behind.answer(now, number)
        return 429, float(math.ceil((window + 1) * self._period - now)), 0.002


class Refusing:
    """Refuses a share at random, whatever the rate."""

    def __init__(
        self,
        share: float,
        behind: Server,
        rng: random.Random,
        *,
        status: int = 429,
        retry_after: float | None = None,
        fast: float = 0.002,
    ) -> None:
        self._share, self._behind, self._random = share, behind, rng
        self._refusal = status, retry_after, fast

    def answer(self, now: float, number: int) -> Answer:
        if self._random.random() < self._share:
            return self._refusal
        return self._behind.answer(now, number)


class Closed:
    """Refuses everything between two times, and says until when."""

    def __init__(self, behind: Server, start: float, end: float) -> None:
        self._behind, self._start, self._end = behind, start, end

    def answer(self, now: float, number: int) -> Answer:
        if self._start <= now < self._end:
            return 429, float(math.ceil(self._end - now)), 0.002
        return self._behind.answer(now, number)


class BlackHole(Refusing):
    """Never answers a share of the requests."""

    def __init__(self, share: float, behind: Server, rng: random.Random) -> None:
        super().__init__(share, behind, rng, fast=math.inf)


class BadOrders:
    """Always answers with the same status to one change in so many."""

    def __init__(self, one_in: int, behind: Server, status: int = 500) -> None:
        self._one_in, self._behind, self._status = one_in, behind, status

    def answer(self, now: float, number: int) -> Answer:
        _, _, latency = answer = self._behind.answer(now, number)
        return (self._status, None, latency) if number % self._one_in == 0 else answer


class Crowded:
    """Slower the more are in it, and refuses with a bare 503 above a number."""

    def __init__(self, workers: int, most: int, service: float) -> None:
        self._workers, self._most, self._service = workers, most, service
        self._leaving: list[float] = []

    def answer(self, now: float, number: int) -> Answer:
        while self._leaving and self._leaving[0] <= now:
            heapq.heappop(self._leaving)
        if len(self._leaving) >= self._most:
            return 503, None, 0.005
        latency = self._service * max(1.0, (len(self._leaving) + 1) / self._workers)
        heapq.heappush(self._leaving, now + latency)
        return 200, None, latency
