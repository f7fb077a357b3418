"""How fast a batch goes, against simulated servers in simulated time."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from norce_order_async.batch.pace import Pace
from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.settings import Timeout
from norce_order_async.testing.clock import FakeClock

Answer = tuple[int, float | None, float]
"""A status, what ``Retry-After`` asks for, and the seconds that it takes."""


class Server(Protocol):
    def answer(self, now: float, in_flight: int) -> Answer: ...


class Limiter:
    """Refuses what is over its rate, as nginx does; ``changes`` says at which time it gets another one."""

    def __init__(self, rate: float, *, burst: int, latency: float, changes: dict[float, float] | None = None) -> None:
        self.rate, self.burst, self.latency = rate, burst, latency
        self.changes = changes or {}
        self.excess, self.at = 0.0, -1000

    def answer(self, now: float, in_flight: int) -> Answer:
        for when in [when for when in self.changes if when <= now]:
            self.rate = self.changes.pop(when)
        milliseconds = int(1000 * now)
        excess = max(0.0, self.excess - self.rate * (milliseconds - self.at) / 1000 + 1)
        if excess > self.burst:
            return 429, 1.0, self.latency
        self.excess, self.at = excess, milliseconds
        return 200, None, self.latency


class FixedWindow:
    """Refuses all over a number in each period, until the next one."""

    def __init__(self, number: int, period: float) -> None:
        self.number, self.period = number, period
        self.window = self.taken = 0

    def answer(self, now: float, in_flight: int) -> Answer:
        if (window := int(now / self.period)) != self.window:
            self.window, self.taken = window, 0
        self.taken += 1
        if self.taken <= self.number:
            return 200, None, 0.02
        return 429, float(math.ceil((window + 1) * self.period - now)), 0.02


class Crowded:
    """Gets slower above 20 at once, and refuses above 60."""

    def answer(self, now: float, in_flight: int) -> Answer:
        return (503, None, 0.005) if in_flight > 60 else (200, None, 0.02 * max(1.0, in_flight / 20))


class Unlimited:
    def __init__(self, latency: float) -> None:
        self.latency = latency

    def answer(self, now: float, in_flight: int) -> Answer:
        return 200, None, self.latency


class Simulation:
    """A batch of changes without end: the next one is sent as soon as its pace allows.

    One that is throttled comes back later on a place like any other, so it need not be told from a new one. One that
    fails otherwise is sent again off the schedule.

    Args:
        server: Who answers.
        late: Seconds, the most by which a wait is too long.
        busy: Seconds that it takes to send one.
        pace: Settings of the pace.
    """

    def __init__(self, server: Server, *, late: float = 0.002, busy: float = 0.0002, **pace: Any) -> None:
        self.clock = FakeClock()
        self.pace = Pace(clock=self.clock, **pace)
        self.statuses: Counter[int] = Counter()
        self.applied: list[float] = []
        self.limits: list[int] = []
        self._server, self._late, self._busy = server, late, busy
        self._random = random.Random(1)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = self._serving = 0
        self._blocked = False
        self._after(0.0, self._dispatch)
        self._after(0.0, self._sample)

    def run(self, until: float) -> "Simulation":
        while self._events[0][0] <= until:
            self.clock.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
        return self

    def rate(self, start: float, end: float) -> float:
        """Changes applied per second."""
        return sum(start <= at < end for at in self.applied) / (end - start)

    @property
    def refused(self) -> float:
        """The share of the requests."""
        return self.statuses[429] / self.statuses.total()

    def _after(self, delay: float, what: Callable[..., None], *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.clock.now + delay, self._number, what, arguments))

    def _sample(self) -> None:
        self.limits.append(self.pace.limit)
        self._after(1.0, self._sample)

    def _dispatch(self) -> None:
        self._blocked = self.pace.in_flight >= self.pace.limit
        if not self._blocked:
            delay = self.pace.reserve()
            self._after(delay + (self._random.uniform(0, self._late) if delay else 0.0), self._launch)

    def _launch(self) -> None:
        self.pace.begin()
        self._send(call_at(self.clock.now))
        self._after(self._busy, self._dispatch)

    def _send(self, call: Call) -> None:
        self._serving += 1
        call.attempts.append(Attempt(number=len(call.attempts) + 1, started=self.clock.now - call.started, sent=True))
        status, asked, latency = self._server.answer(self.clock.now, self._serving)
        self._after(latency, self._answered, call, status, asked)

    def _answered(self, call: Call, status: int, asked: float | None) -> None:
        self._serving -= 1
        self.statuses[status] += 1
        attempt = call.attempts[-1]
        attempt.status, attempt.retry_after = status, asked
        self.pace.observe(call, attempt)
        if status == 200:
            self.applied.append(self.clock.now)
        elif not attempt.throttled:
            self._after(self._random.uniform(0, 0.1 * 2 ** (attempt.number - 1)), self._send, call)
            return
        self.pace.end()
        if self._blocked:
            self._dispatch()


def call_at(now: float) -> Call:
    return Call("op", Repeat.SAFE, "id", started=now, timeout=Timeout(), retry=None)


def observe(pace: Pace, *attempts: Attempt) -> None:
    for attempt in attempts:
        pace.observe(call_at(0.0), attempt)


def ended(status: int | None = 200, number: int = 1, **more: Any) -> Attempt:
    return Attempt(number=number, started=0.0, status=status, **more)


@pytest.mark.parametrize(("burst", "share"), [(1, 0.85), (10, 0.9), (20, 0.9), (50, 0.9)])
@pytest.mark.parametrize("latency", [0.002, 0.02, 0.2])
def test_a_limiter_is_used_to_the_full_with_few_refusals(burst: int, share: float, latency: float) -> None:
    simulation = Simulation(Limiter(200, burst=burst, latency=latency)).run(60)
    assert simulation.rate(0, 60) >= share * 200
    assert simulation.refused < 0.02


@pytest.mark.parametrize("latency", [0.002, 0.02, 0.2])
def test_a_limiter_without_a_burst(latency: float) -> None:
    """Waits are 1 ms too long on average, so that one each 5 ms is 5/6 of the limit at best."""
    simulation = Simulation(Limiter(200, burst=0, latency=latency)).run(60)
    assert simulation.rate(0, 60) >= 0.75 * 200
    assert simulation.refused < 0.02


@pytest.mark.parametrize("burst", [0, 1, 10])
@pytest.mark.parametrize("latency", [0.002, 0.2])
def test_a_slow_limiter(burst: int, latency: float) -> None:
    simulation = Simulation(Limiter(20, burst=burst, latency=latency)).run(120)
    assert simulation.rate(0, 120) >= 0.85 * 20
    assert simulation.refused < 0.025


@pytest.mark.parametrize("burst", [10, 50])
@pytest.mark.parametrize("latency", [0.002, 0.02])
def test_a_fast_limiter(burst: int, latency: float) -> None:
    simulation = Simulation(Limiter(1000, burst=burst, latency=latency)).run(60)
    assert simulation.rate(0, 60) >= 0.85 * 1000
    assert simulation.refused < 0.02


@pytest.mark.parametrize("latency", [0.002, 0.02, 0.2])
def test_a_limiter_that_changes_its_rate(latency: float) -> None:
    server = Limiter(200, burst=10, latency=latency, changes={40: 50, 80: 300})
    simulation = Simulation(server).run(140)
    assert simulation.rate(30, 40) >= 0.9 * 200
    assert simulation.rate(65, 80) >= 0.9 * 50
    assert simulation.rate(115, 140) >= 0.9 * 300
    assert simulation.refused < 0.02


def test_a_quota_for_a_period() -> None:
    simulation = Simulation(FixedWindow(100, 10.0)).run(120)
    assert simulation.rate(0, 120) >= 0.9 * 10


def test_a_quota_that_is_used_up_is_not_tried_often() -> None:
    simulation = Simulation(FixedWindow(1000, 60.0)).run(600)
    assert simulation.rate(0, 600) >= 0.95 * 1000 / 60
    assert simulation.statuses[429] < 0.25 * len(simulation.applied)


def test_without_a_limiter_the_concurrency_settles_where_the_server_is_full() -> None:
    simulation = Simulation(Crowded()).run(60)
    assert simulation.rate(0, 60) >= 0.9 * 1000
    assert all(40 <= limit <= 80 for limit in simulation.limits[5:])
    assert simulation.pace.rate is None


def test_the_concurrency_grows_only_as_far_as_it_is_used() -> None:
    assert Simulation(Unlimited(0.001), busy=0.0005).run(20).limits[-1] == 10
    assert Simulation(Unlimited(0.02), busy=0.001).run(20).limits[-1] in range(20, 45)
    assert Simulation(Unlimited(0.2), maximum=30).run(20).limits[-1] == 30


def test_a_fixed_concurrency_stays() -> None:
    simulation = Simulation(Crowded(), concurrency=70).run(10)
    assert set(simulation.limits) == {70}
    assert simulation.pace.reason is None


@pytest.mark.parametrize(("rate", "late"), [(1000.0, 0.005), (200.0, 0.01), (3.0, 0.02)])
def test_a_given_rate_is_kept(rate: float, late: float) -> None:
    simulation = Simulation(Unlimited(0.005), rate=rate, late=late).run(100)
    assert 0.99 * rate <= simulation.rate(0, 100) <= 1.01 * rate
    assert (simulation.pace.rate, simulation.pace.reason) == (rate, "the rate that was asked for")


def test_a_server_may_ask_for_less_than_the_given_rate_but_not_for_more() -> None:
    simulation = Simulation(Limiter(50, burst=10, latency=0.02), rate=100.0).run(60)
    assert 0.85 * 50 <= simulation.rate(0, 60) <= 51
    assert simulation.pace.reason == "429: the server asks for less"
    assert Simulation(Limiter(300, burst=10, latency=0.02), rate=100.0).run(60).rate(0, 60) <= 100.5


def test_without_a_rate_every_place_is_now() -> None:
    pace = Pace(clock=FakeClock())
    assert [pace.reserve() for _ in range(1000)] == [0.0] * 1000
    assert (pace.rate, pace.reason) == (None, None)


def test_places_are_evenly_spaced_and_retries_take_theirs_afterwards() -> None:
    pace = Pace(rate=10.0, clock=FakeClock())
    assert [round(pace.reserve(), 6) for _ in range(3)] == [0.0, 0.1, 0.2]
    observe(pace, ended(500), ended(number=2), ended(number=3), ended(None, number=4, sent=False))
    assert round(pace.reserve(), 6) == 0.5


def test_retries_cannot_put_off_the_schedule_for_long() -> None:
    pace = Pace(rate=10.0, clock=FakeClock())
    observe(pace, *[ended(500, number=2)] * 1000)
    assert pace.reserve() <= 1.2


@pytest.mark.parametrize(
    ("attempt", "limit"),
    [(ended(status), 7) for status in (429, 502, 503, 504, 520, 521, 522, 523, 524, 529)]
    + [(ended(status), 10) for status in (200, 400, 404, 500, 507, 530)]
    + [(ended(None, error=f"{error}: x"), 7) for error in ("ConnectError", "ReadTimeout", "ConnectionLost")]
    + [(ended(None, error=error), 10) for error in ("TLSError: x", "CancelledError", "ClientClosedError")],
)
def test_what_counts_as_overload(attempt: Attempt, limit: int) -> None:
    pace = Pace(clock=FakeClock())
    observe(pace, attempt)
    assert pace.limit == limit


@pytest.mark.parametrize("status", [500, 530])
def test_one_order_in_eight_that_always_fails_slows_nothing_down(status: int) -> None:
    pace = Pace(clock=FakeClock())
    for _ in range(10):
        pace.begin()
    observe(pace, *([ended(status), *[ended()] * 7] * 20))
    assert pace.limit == 20
    assert (pace.rate, pace.reason) == (None, None)


def test_an_answer_that_is_not_the_api_s_is_no_success() -> None:
    web_page = ended(200, error="NotTheApiError: a web page")
    pace = Pace(clock=FakeClock())
    for _ in range(10):
        pace.begin()
    observe(pace, *[web_page] * 100)
    assert pace.limit == 10
    observe(pace, *[ended()] * 50, *[web_page] * 200, *[ended(503)] * 10)
    assert pace.limit < 14
    assert pace.reason is not None


def test_little_overload_changes_nothing() -> None:
    pace = Pace(clock=FakeClock())
    observe(pace, *[ended()] * 95, *[ended(503)] * 5)
    assert (pace.limit, pace.reason) == (10, None)


def test_the_limit_falls_once_a_second_and_never_to_nothing() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, *[ended(503)] * 50)
    assert (pace.limit, pace.reason) == (7, "100 % of the answers were overload (503)")
    for _ in range(20):
        clock.now += 1.0
        observe(pace, ended(503))
    assert pace.limit == 1
    clock.now += 10.0
    assert pace.reason is None


def test_a_bare_503_does_not_cut_the_rate_and_one_that_asks_to_wait_does() -> None:
    pace = Pace(clock=FakeClock())
    observe(pace, *[ended(503)] * 10)
    assert pace.rate is None
    observe(pace, ended(503, retry_after=2.0))
    assert pace.rate == 10.0


def test_a_limit_that_is_not_felt_any_more_is_forgotten() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, ended(429))
    pace.reserve()
    assert (pace.rate, pace.reason) == (10.0, "429: the server asks for less")
    clock.now += 60.0
    assert (pace.rate, pace.reason, pace.reserve()) == (None, None, 0.0)


def refused_at_first(clock: FakeClock) -> Pace:
    pace = Pace(clock=clock)
    clock.now += 0.1
    observe(pace, ended(429))
    clock.now += 0.7
    return pace


def test_a_few_refusals_do_not_make_it_slower() -> None:
    clock = FakeClock()
    pace = refused_at_first(clock)
    for attempt in [*[ended()] * 99, ended(429)]:
        pace.observe(call_at(clock.now), attempt)
    assert round(pace.rate or 0.0, 6) == 20.0
    pace.observe(call_at(clock.now), ended(429))
    assert pace.rate is not None
    assert 10.0 < pace.rate < 15.0


def test_what_takes_nothing_gets_one_a_second_until_it_said_or_takes_something() -> None:
    clock = FakeClock()
    pace = refused_at_first(clock)
    for _ in range(20):
        pace.observe(call_at(clock.now), ended(429, retry_after=30.0))
    clock.now += 29.0
    assert pace.rate == 1.0
    clock.now += 1.0001
    assert (afterwards := pace.rate) is not None
    assert 1.0 < afterwards < 10.0
    clock.now -= 20.0
    pace.observe(call_at(clock.now), ended())
    assert round(pace.rate or 0.0, 3) == round(afterwards, 3)


def test_after_a_refusal_it_keeps_a_distance_to_what_was_sent_last() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, ended(429))
    clock.now += 0.25 * 0.7
    pace.reserve()
    clock.now += 0.2
    pace.begin()
    assert pace.rate is not None
    assert round(pace.reserve(), 6) == round(1 / pace.rate - 0.001, 6)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "5"])
def test_a_bad_rate(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match="rate"):
        Pace(rate=rate, clock=FakeClock())


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
@pytest.mark.parametrize("name", ["concurrency", "maximum"])
def test_a_bad_count(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Pace(clock=FakeClock(), **{name: value})
