"""Slices of calls, taken in turn, and what they say.

Subjects take turns in short slices, in another order every round: whatever else the machine does then hits all of them
alike. Each keeps its connections, on an event loop that stays alive while the others run. A slice counts its process's
CPU time, of all its threads, garbage collection included. Ratios are taken within a round, and the median of the
rounds' ratios is what counts.

Each subject lives in a process of its own, as in a program that uses it alone. In one process for all of them they pay
for each other: what the interpreter has learned of a function that two of them use, asyncio's for example, serves
neither.
"""

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, suppress
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import attrs

from benchmarks.request import Send
from benchmarks.subjects import ASYNCIO, BASELINE, Lane

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

A = ParamSpec("A")
R = TypeVar("R")

MISSING = 3
"""The exit code of a measuring process whose client is not installed."""
MANY = 5_000
"""How many orders the calls go to in turn: what jobs do, and nothing for a cache of URLs."""


@attrs.frozen
class Slice:
    """One turn of one subject.

    Attributes:
        cpu: Microseconds of CPU a call.
        per_second: Calls a second.
        p50: Milliseconds that half of the calls took at most.
        p99: Milliseconds that 99 of 100 calls took at most.
    """

    cpu: float
    per_second: float
    p50: float
    p99: float


Results = dict[Lane, list[Slice]]


@attrs.frozen
class Opened:
    """A subject that is ready, and the loop it is ready on."""

    send: Send
    runner: asyncio.Runner

    def run(self, calls: int, in_flight: int, orders: int = MANY) -> Slice:
        """Give it a turn."""
        return self.runner.run(run_slice(self.send, calls, in_flight, orders))


async def run_slice(send: Send, calls: int, in_flight: int, orders: int) -> Slice:
    """Make so many calls, so many at once, after as many that do not count: they open what was closed meanwhile."""
    await asyncio.gather(*(send(number % orders) for number in range(in_flight)))
    numbers = iter(range(calls))
    waits: list[float] = []

    async def work() -> None:
        for number in numbers:
            before = time.perf_counter()
            await send(number % orders)
            waits.append(time.perf_counter() - before)

    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - started
    waits.sort()
    return Slice(cpu / calls * 1e6, calls / seconds, waits[calls // 2] * 1e3, waits[calls * 99 // 100] * 1e3)


def make_runner(loop: str) -> asyncio.Runner:
    """An event loop; ImportError if it is not installed."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop != ASYNCIO:
        factory = import_module(loop).new_event_loop
    return asyncio.Runner(loop_factory=factory)


@attrs.frozen
class Apart:
    """A subject that is ready in a process of its own."""

    _connection: "Connection[Any, Any]"

    def run(self, calls: int, in_flight: int, orders: int = MANY) -> Slice:
        """Give it a turn."""
        return self.make(Opened.run, calls, in_flight, orders)

    def make(self, turn: Callable[Concatenate[Opened, A], R], /, *args: A.args, **kwargs: A.kwargs) -> R:
        """Have its process do something with it."""
        self._connection.send((turn, args, kwargs))
        result: R = self._connection.recv()
        return result


@contextmanager
def opened_apart(lanes: Iterable[Lane], url: str) -> Generator[dict[Lane, Apart]]:
    """Open those that are installed, each in a process of its own; say of the others that they are not."""
    context = get_context("spawn")
    ready: dict[Lane, Apart] = {}
    with ExitStack() as stack:
        for lane in lanes:
            ours, theirs = context.Pipe()
            process = context.Process(target=_make_turns, args=(lane, url, theirs))
            process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(ours.close)
            if ours.recv():
                ready[lane] = Apart(ours)
        yield ready


def _make_turns(lane: Lane, url: str, connection: "Connection[Any, Any]") -> None:
    """What the process of a subject does, until the other end of the connection is closed."""
    with opened([lane], url) as ready:
        connection.send(bool(ready))
        for each in ready.values():
            with suppress(EOFError):
                while True:
                    turn, args, kwargs = connection.recv()
                    connection.send(turn(each, *args, **kwargs))


@contextmanager
def opened(lanes: Iterable[Lane], url: str) -> Generator[dict[Lane, Opened]]:
    """Open those that are installed, in this process; say of the others that they are not."""
    ready: dict[Lane, Opened] = {}
    runners: dict[str, asyncio.Runner] = {}
    with ExitStack() as stack:
        for lane in lanes:
            try:
                if lane.loop not in runners:
                    runners[lane.loop] = stack.enter_context(make_runner(lane.loop))
                runner, client = runners[lane.loop], lane.subject.open(url)
                send = runner.run(_enter(client))
            except ImportError as error:
                print(f"{lane.label} is left out: {error}", flush=True)
            else:
                stack.callback(_leave, runner, client)
                ready[lane] = Opened(send, runner)
        yield ready


async def _enter(client: AbstractAsyncContextManager[Send]) -> Send:
    return await client.__aenter__()


def _leave(runner: asyncio.Runner, client: AbstractAsyncContextManager[Send]) -> None:
    async def leave() -> None:
        await client.__aexit__(None, None, None)

    runner.run(leave())


def take_turns(
    ready: Mapping[Lane, Opened | Apart], *, in_flight: int, calls: int, rounds: int, orders: int = MANY
) -> Results:
    """Let all take their turns; a first one, in which caches fill, does not count.

    The slices of who makes not so many calls in a second are shorter.
    """
    sizes: dict[Lane, int] = {}
    for lane, each in ready.items():
        in_a_second = round(each.run(2 * in_flight + 100, in_flight, orders).per_second)
        sizes[lane] = min(calls, max(in_a_second, 2 * in_flight))
    results: Results = {lane: [] for lane in ready}
    for _ in range(rounds):
        for lane in random.sample(list(ready), len(ready)):
            results[lane].append(ready[lane].run(sizes[lane], in_flight, orders))
    return results


def baseline_of(results: Results) -> list[Slice]:
    """The slices that the others are compared with; empty if they were not measured."""
    for lane, slices in results.items():
        if lane.subject.name == BASELINE and lane.loop == ASYNCIO:
            return slices
    return []


def ratios(ours: Sequence[Slice], theirs: Sequence[Slice], of: Callable[[Slice], float]) -> list[float]:
    """One value over another, one ratio a round; empty if there is nothing to compare with."""
    return [of(one) / of(other) for one, other in zip(ours, theirs, strict=True)] if theirs else []


def spread(values: Sequence[float], form: str) -> str:
    """The median, and in brackets the middle half."""
    if not values:
        return ""
    values, quarter = sorted(values), len(values) // 4
    return f"{statistics.median(values):{form}} ({values[quarter]:{form}} to {values[-1 - quarter]:{form}})"
