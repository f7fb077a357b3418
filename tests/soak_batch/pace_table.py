"""What a pace makes of simulated servers, as a table; the same figures everywhere and every time."""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from soak_batch.servers import (
    BadOrders,
    BlackHole,
    Closed,
    Crowded,
    Latency,
    Limiter,
    Refusing,
    Server,
    Workers,
)
from soak_batch.simulated import Batch, Paced, run

from norce_order_async.sending.pace import Pace

Ran = Sequence[Batch]
PARTS, PARENTS = ("knee", "sendrate", "shop_holds", "pace"), ("sending", "batch")
_MOVED = re.compile(r"norce_order_async\.(?=(call|checks|clock|errors|outcome) )")


@attrs.frozen
class Figure:
    """A figure of a run, and what it must be."""

    name: str
    of: Callable[[Ran], float]
    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, ran: Ran) -> bool:
        return self.least <= self.of(ran) <= self.most


@attrs.frozen
class Scenario:
    """A server, what a batch is told, and what is promised of it."""

    name: str
    server: Callable[[Random], Server]
    figures: Sequence[Figure]
    until: float = 60.0
    batches: int = 1
    pace: dict[str, Any] = attrs.field(factory=dict[str, Any])
    driver: dict[str, float] = attrs.field(factory=dict[str, float])

    def run(self, seed: int, make: Callable[..., Paced] = Pace) -> Ran:
        return run(
            self.server,
            lambda clock: make(clock=clock, **self.pace),
            until=self.until,
            seed=seed,
            batches=self.batches,
            driver=self.driver,
        )


def used(of: float, least: float, start: float, end: float, name: str = "used") -> Figure:
    """The share of what the server would accept."""
    return Figure(name, lambda ran: sum(batch.accepted(start, end) for batch in ran) / of, least=least)


def refused(most: float, start: float, end: float) -> Figure:
    """The share of the requests."""
    return Figure("refused", lambda ran: mean(batch.refused(start, end) for batch in ran), most=most)


def _fairness(ran: Ran) -> float:
    rates = [batch.accepted(60, 600) for batch in ran]
    return max(abs(rate / mean(rates) - 1) for rate in rates)


def servers(rng: Random, *, rate: int = 1500) -> Workers:
    """Workers who serve so many a second, about 20 ms each."""
    return Workers(rate // 50, 0.02, rng, spread=0.3)


def limited(rng: Random, *, burst: int, latency: float = 0.02, status: int = 429, **more: Any) -> Limiter:
    """200 a second."""
    return Limiter(200, Latency(latency, rng, spread=0.2), burst=burst, status=status, **more)


def random_refusals(share: float, rate: int, rng: Random, **refusal: Any) -> Refusing:
    """A share whatever the rate."""
    return Refusing(share, servers(rng, rate=rate), rng, **refusal)


def _constant() -> list[Scenario]:
    made: list[Scenario] = []
    for share, rate in ((0.03, 1500), (0.03, 3000), (0.1, 1500), (0.1, 3000)):
        for retry_after in (None, 1.0):
            name = (
                f"{share:.0%} of 429 whatever the rate, {'no' if retry_after is None else '1 s'} Retry-After, {rate}/s"
            )
            server = partial(random_refusals, share, rate, retry_after=retry_after)
            made.append(Scenario(name, server, [used(rate, 0.9, 10, 20)], until=20))
    for retry_after in (None, 1.0):
        name = f"30% of 429 whatever the rate, {'no' if retry_after is None else '1 s'} Retry-After, 1500/s"
        server = partial(random_refusals, 0.3, 1500, retry_after=retry_after)
        made.append(Scenario(name, server, [used(1500, 0.9, 110, 120)], until=120))
    past = partial(random_refusals, 0.2, 1500, retry_after=0.0)
    hour = partial(random_refusals, 0.01, 1500, status=503, retry_after=3600.0)
    made.append(Scenario("20% of 429, Retry-After in the past", past, [used(1500, 0.9, 10, 20)], until=20))
    made.append(Scenario("1% of 503, Retry-After 3600 s", hour, [used(1500, 0.9, 10, 20)], until=20))
    return made


def _limits() -> list[Scenario]:
    made: list[Scenario] = []
    for burst, least in ((20, 0.9), (0, 0.75)):
        for latency in (0.002, 0.02, 0.2):
            name = f"200/s, burst {burst}, latency {1000 * latency:g} ms"
            figures = [used(200, least, 20, 60), refused(0.01, 20, 60)]
            made.append(Scenario(name, partial(limited, burst=burst, latency=latency), figures))
        # Without a burst 5/6 can be used at best.
        best = 1.0 if burst else 5 / 6
        figures = [
            used(100 * best, 0.9, 45, 50, "used 5 to 10 s after it halved"),
            used(200 * best, 0.9, 75, 80, "used 5 to 10 s after it doubled"),
        ]
        server = partial(limited, burst=burst, changes={40.0: 100.0, 70.0: 200.0})
        made.append(Scenario(f"200/s, then 100/s, then 200/s, burst {burst}", server, figures, until=80))
    made.append(Scenario("200/s, burst 20, 503", partial(limited, burst=20, status=503), [used(200, 0.9, 20, 60)]))
    ten = [
        used(200, 0.9, 60, 600),
        Figure("furthest from the mean", _fairness, most=0.3),
        refused(0.1, 60, 600),
    ]
    made.append(Scenario("ten batches, 200/s, burst 20", partial(limited, burst=20), ten, until=600, batches=10))
    return made


def _others() -> list[Scenario]:
    def closed(rng: Random) -> Server:
        return Closed(servers(rng), 10.0, 30.0)

    def queue(workers: int, service: float, rng: Random) -> Server:
        return Workers(workers, service, rng, spread=0.3)

    def bad(one_in: int, status: int, rng: Random) -> Server:
        return BadOrders(one_in, servers(rng), status)

    def latency(most: float, start: float = 10, end: float = 60) -> Figure:
        return Figure("p99 latency, s", lambda ran: ran[0].latency(start, end, 0.99), most=most)

    bare = partial(random_refusals, 0.2, 1500, status=503)

    timed_out = Figure("timed out", lambda ran: ran[0].timed_out(5, 60), most=0.0)
    wide = {"maximum": 400}
    short = {"timeout": 1.0}
    sent = Figure("requests sent in 19 s", lambda ran: ran[0].sent(11, 30), most=20)
    back = used(1500, 0.9, 35, 45, "used from 5 s after it")
    return [
        Scenario("all refused for 20 s with Retry-After", closed, [sent, back], until=45),
        Scenario(
            "100 workers of 20 ms, maximum 400",
            partial(queue, 100, 0.02),
            [
                used(5000, 0.9, 5, 15),
                timed_out,
                latency(0.1, 5, 15),
            ],
            until=15,
            pace=wide,
            driver={"busy": 0.0001, "timeout": 1.0},
        ),
        Scenario(
            "10 workers of 20 ms, maximum 400",
            partial(queue, 10, 0.02),
            [used(500, 0.9, 10, 60), timed_out, latency(0.1)],
            pace=wide,
            driver=short,
        ),
        Scenario(
            "2 workers of 100 ms, maximum 400",
            partial(queue, 2, 0.1),
            [used(20, 0.9, 10, 60), timed_out, latency(1.0)],
            pace=wide,
            driver=short,
        ),
        Scenario(
            "0.2% never answered",
            lambda rng: BlackHole(0.002, servers(rng), rng),
            [used(1500, 0.9, 20, 40)],
            until=40,
        ),
        # At best 100 at once, each for 15 s or for 20 ms.
        Scenario(
            "30% never answered",
            lambda rng: BlackHole(0.3, servers(rng), rng),
            [used(0.7 * 100 / (0.3 * 15 + 0.7 * 0.02), 0.75, 90, 240)],
            until=240,
        ),
        Scenario(
            "1 worker of 3 s",
            partial(queue, 1, 3.0),
            [Figure("in flight", lambda ran: ran[0].limits[-1], most=2)],
            until=240,
        ),
        # Five attempts at each bad one: 7/8 of 1,000 changes a second are what 1,500 requests a second give.
        Scenario("one order in eight answers 500", partial(bad, 8, 500), [used(875, 0.9, 5, 20)], until=20),
        # Nothing is gained by fewer in flight.
        Scenario(
            "one order in two answers 503",
            partial(bad, 2, 503),
            [Figure("in flight", lambda ran: ran[0].limits[-1], least=20)],
            until=20,
        ),
        Scenario("20% of bare 503", bare, [used(1500, 0.9, 10, 20)], until=20),
        Scenario("bare 503 above 60 at once", lambda rng: Crowded(20, 60, 0.02), [used(1000, 0.9, 5, 30)], until=30),
    ]


SCENARIOS = [*_constant(), *_limits(), *_others()]


def before(commit: str) -> Callable[..., Paced]:
    """The pace of a commit, with its own parts, in the rest of today's package.

    Raises:
        SystemExit: It has none.
    """
    with TemporaryDirectory() as folder:
        for part in PARTS:
            for parent in PARENTS:
                file = f"{commit}:norce_order_async/{parent}/{part}.py"
                shown = subprocess.run(["git", "show", file], check=False, capture_output=True, text=True)
                if not shown.returncode:
                    text = _MOVED.sub("norce_order_async.core.", shown.stdout)
                    text = text.replace("norce_order_async.sending.", "before_")
                    Path(folder, f"before_{part}.py").write_text(text, encoding="utf-8")
                    break
        sys.path.insert(0, folder)
        try:
            made: Callable[..., Paced] = importlib.import_module("before_pace").Pace
        except ModuleNotFoundError as error:
            raise SystemExit(f"{commit} has no pace that goes with this package: {error}") from None
        finally:
            sys.path.remove(folder)
    return made


def row(scenario: str, figure: str, bound: str, values: Sequence[tuple[float, bool]]) -> str:
    """A line of the table; what does not hold is marked."""
    cells = " | ".join(f"{value:8.3f}{' ' if holds else '!'}" for value, holds in values)
    return f"| {scenario:60} | {figure:31} | {bound:8} | {cells} |"


def table(paces: Sequence[Callable[..., Paced]], seed: int) -> bool:
    """Print it; whether all is as promised of the last pace."""
    held = True
    for scenario in SCENARIOS:
        ran = [scenario.run(seed, pace) for pace in paces]
        for figure in scenario.figures:
            bound = f">= {figure.least:g}" if figure.least > float("-inf") else f"<= {figure.most:g}"
            print(
                row(scenario.name, figure.name, bound, [(figure.of(one), figure.holds(one)) for one in ran]), flush=True
            )
            held = held and figure.holds(ran[-1])
    return held
