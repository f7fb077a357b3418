"""How fast a batch goes, against simulated servers in simulated time."""

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from soak_batch.pace_table import SCENARIOS, Scenario
from soak_batch.servers import Latency, Limiter, Quota, Refusing, Server, Workers
from soak_batch.simulated import Batch, run

from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.settings import Timeout
from norce_order_async.sending.pace import Pace
from norce_order_async.testing.clock import FakeClock


def one(
    server: Callable[[Random], Server],
    *,
    until: float = 60.0,
    seed: int = 1,
    driver: dict[str, float] | None = None,
    **pace: Any,
) -> Batch:
    """Run one batch."""
    (batch,) = run(server, lambda clock: Pace(clock=clock, **pace), until=until, seed=seed, driver=driver)
    return batch


def at_once(seconds: float, rng: Random) -> Server:
    return Latency(seconds, rng)


def limited(rate: float, rng: Random, *, burst: int = 10, latency: float = 0.02) -> Server:
    return Limiter(rate, Latency(latency, rng), burst=burst)


def call_at(now: float) -> Call:
    return Call("op", Repeat.SAFE, "id", started=now, timeout=Timeout(), retry=None)


def observe(pace: Pace, *attempts: Attempt, at: float = 0.0) -> None:
    for attempt in attempts:
        pace.observe(call_at(at), attempt)


def ended(status: int | None = 200, number: int = 1, **more: Any) -> Attempt:
    return Attempt(number=number, started=0.0, status=status, **more)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_what_the_table_promises(scenario: Scenario) -> None:
    ran = scenario.run(2)  # other seeds: nox -s soak_batch -- pace
    assert [(figure.name, figure.of(ran)) for figure in scenario.figures if not figure.holds(ran)] == []


@pytest.mark.parametrize(("rate", "burst"), [(20, 0), (20, 10), (50, 5), (1000, 10), (1000, 50)])
def test_slow_and_fast_limits(rate: int, burst: int) -> None:
    batch = one(partial(limited, rate, burst=burst), until=60)
    assert batch.accepted(20, 60) >= (0.85 if burst else 0.75) * rate
    assert batch.refused(20, 60) <= 0.04 * 20 / rate + 0.01


@pytest.mark.parametrize("latency", [0.001, 0.3])
@pytest.mark.parametrize("share", [0.03, 0.1])
def test_refusals_at_random_at_any_latency(share: float, latency: float) -> None:
    driver = {"busy": 0.001}
    batch = one(lambda rng: Refusing(share, Latency(latency, rng), rng, retry_after=1.0), until=40, driver=driver)
    everything = one(partial(at_once, latency), until=40, driver=driver)
    assert batch.accepted(30, 40) >= 0.9 * (1 - share) * everything.accepted(30, 40)


def test_what_is_refused_at_random_at_a_low_rate_is_no_limit_either() -> None:
    batch = one(lambda rng: Refusing(0.1, Workers(1, 0.02, rng), rng, retry_after=1.0), until=60)
    assert batch.accepted(30, 60) >= 0.9 * 50


def test_a_quota_for_a_period() -> None:
    batch = one(lambda rng: Quota(100, 10.0, Latency(0.02, rng)), until=120)
    assert batch.accepted(0, 120) >= 0.9 * 10


def test_a_quota_that_is_used_up_is_not_tried_often() -> None:
    batch = one(lambda rng: Quota(1000, 60.0, Latency(0.02, rng)), until=600)
    assert batch.accepted(0, 600) >= 0.95 * 1000 / 60
    assert batch.refused(0, 600) < 0.1


def test_refusals_without_retry_after_stop_everything_too() -> None:
    batch = one(lambda rng: Refusing(1.0, Latency(0.02, rng), rng), until=120)
    assert batch.sent(0, 120) < 40


def test_the_concurrency_grows_only_as_far_as_it_is_used() -> None:
    assert one(partial(at_once, 0.001), until=20, driver={"busy": 0.0005}).limits[-1] == 10
    assert one(partial(at_once, 0.2), until=20, maximum=30).limits[-1] == 30


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_unequal_latencies_are_no_queue(spread: float) -> None:
    batch = one(lambda rng: Latency(0.05, rng, spread=spread), until=30)
    assert sum(batch.limits[10:]) >= 0.9 * 100 * len(batch.limits[10:])


def test_a_fixed_concurrency_stays() -> None:
    batch = one(lambda rng: Workers(1, 0.02, rng), until=10, concurrency=70)
    assert set(batch.limits) == {70}
    assert batch.pace.reason is None


@pytest.mark.parametrize(("rate", "late"), [(1000.0, 0.005), (200.0, 0.01), (3.0, 0.02)])
def test_a_given_rate_is_kept(rate: float, late: float) -> None:
    batch = one(partial(at_once, 0.005), until=100, driver={"late": late}, rate=rate)
    assert 0.99 * rate <= batch.accepted(0, 100) <= 1.01 * rate
    assert (batch.pace.rate, batch.pace.reason) == (rate, "the rate that was asked for")


def test_a_server_may_ask_for_less_than_the_given_rate_but_not_for_more() -> None:
    batch = one(partial(limited, 50), rate=100.0)
    assert 0.85 * 50 <= batch.accepted(10, 60) <= 51
    assert batch.pace.reason == "429: the server asks for less"
    assert one(partial(limited, 300), rate=100.0).accepted(0, 60) <= 100.5


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
    ("attempt", "overloaded"),
    [(ended(status), True) for status in (502, 503, 504, 520, 529)]
    + [(ended(status), False) for status in (200, 400, 404, 429, 500)]
    + [(ended(None, error=f"{error}: x"), True) for error in ("ConnectError", "ReadTimeout", "ConnectionLost")]
    + [(ended(None, error=error), False) for error in ("TLSError: x", "CancelledError", "ClientClosedError")],
)
def test_what_leaves_fewer_in_flight(attempt: Attempt, overloaded: bool) -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, attempt)
    clock.now += 1.0
    observe(pace, attempt)
    assert (pace.limit, pace.reason is None) == ((7, False) if overloaded else (10, True))


def test_little_overload_changes_nothing() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, *[ended(503)] * 5, *[ended(400)] * 95)
    clock.now += 1.0
    observe(pace, ended(503))
    assert pace.reason is None


@pytest.mark.parametrize("again", [{"number": 2}, {}], ids=["within its call", "in a later round"])
def test_what_fails_again_leaves_no_fewer_in_flight(again: dict[str, int]) -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    for _ in range(3):
        observe(pace, *[ended()] * 50)
        for _ in range(50):
            pace.observe(call_at(0.0), ended(502, **again), again=not again)
        clock.now += 1.0
    assert (pace.limit >= 10, pace.reason) == (True, None)


def test_a_first_second_of_bad_luck_hides_not_that_as_many_fail_with_fewer_in_flight() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    limits = list[int]()
    for failed in (70, 30, 30, 30, 30):
        observe(pace, *[ended(502)] * failed, *[ended()] * (100 - failed))
        clock.now += 1.0
        limits.append(pace.limit)
    assert limits[-1] >= 7


def test_the_limit_falls_once_a_second_and_never_to_nothing() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    for _ in range(20):
        observe(pace, *[ended(503)] * 50)
        clock.now += 1.0
    assert (pace.limit, pace.reason) == (1, "100 % of the answers were overload (503)")
    clock.now += 10.0
    assert pace.reason is None


@pytest.mark.parametrize(("status", "paces"), [(429, True), (503, True), (500, False), (502, False), (504, False)])
def test_what_a_rate_limit_answers_with_sets_the_rate(status: int, paces: bool) -> None:
    pace = Pace(clock=FakeClock())
    observe(pace, *[ended()] * 100, *[ended(status)] * 5)
    assert (pace.rate is not None) == paces


def test_few_refusals_are_no_reason_to_pace() -> None:
    pace = Pace(clock=FakeClock())
    observe(pace, *[ended()] * 100, *[ended(429)] * 4)
    assert (pace.rate, pace.reserve()) == (None, 0.0)


def test_when_all_is_refused_probes_wait_and_any_success_ends_it() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    observe(pace, *[ended(429, retry_after=30.0)] * 8)
    assert pace.rate == 0.0
    assert [pace.reserve(), pace.reserve()] == [1.0, 2.0]
    assert pace.reason == "429: the server asks for less"
    clock.now += 1.0
    observe(pace, ended(), at=1.0)
    assert pace.rate == 20.0


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "5"])
def test_a_bad_rate(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match="rate"):
        Pace(rate=rate, clock=FakeClock())


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
@pytest.mark.parametrize("name", ["concurrency", "maximum"])
def test_a_bad_count(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Pace(clock=FakeClock(), **{name: value})


def test_an_answer_that_is_not_the_api_s_is_no_success() -> None:
    web_page = ended(200, error="NotTheApiError: a web page")
    pace = Pace(clock=FakeClock())
    for _ in range(10):
        pace.begin()
    observe(pace, *[web_page] * 100)
    assert pace.limit == 10
