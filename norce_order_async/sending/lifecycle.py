"""A client is open, then closed: what it has in each event loop, and how its calls end with it."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from weakref import WeakSet

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_count, check_seconds
from norce_order_async.core.kinds import own
from norce_order_async.core.shop import Shop
from norce_order_async.loops.elsewhere import run_elsewhere
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.loops.tasks import is_cancelled, wait_first
from norce_order_async.loops.time_limit import Limited, TimeLimits
from norce_order_async.sending.limiter import ConcurrencyLimiter

_TIME_TO_END = 1.0
"""Seconds that calls which were cut, and a token source, have to end."""


class Running(Limited, Protocol):
    """A call that is under way."""

    call: Call

    def cut(self) -> None:
        """End it because its client is closed."""
        ...

    def is_cancelled(self) -> bool:
        """Whether somebody cancelled the running task since the call began in it."""
        ...


@attrs.define(eq=False)
class LoopState:
    """What a client has in one event loop.

    Attributes:
        limiter: How many requests at once.
        calls: The calls that are under way, each a limit of time.
        in_clean_ups: Those of them that began in a task that had been cancelled before.
        process: The process that the loop belongs to; a forked child inherits what it cannot close.
        changed: Set when a closing has to look again, and replaced by the next one; None until something is closed.
        closing: The closing under way.
    """

    limiter: ConcurrencyLimiter
    calls: TimeLimits[Running] = attrs.Factory(TimeLimits[Running])
    in_clean_ups: WeakSet[Running] = attrs.Factory(WeakSet[Running])
    process: int = attrs.Factory(os.getpid)
    changed: asyncio.Event | None = None
    closing: asyncio.Task[None] | None = None

    def look_again(self) -> None:
        """Have each closing look again: no call is left, what it waits for has ended, or its grace was made shorter."""
        if self.changed is not None:
            self.changed.set()
            self.changed = asyncio.Event()

    async def until(self, done: Callable[[], bool], ends: Callable[[], float]) -> None:
        """Wait in this event loop until something is done, or its end has come; both are looked at again and again."""
        time = asyncio.get_running_loop().time
        while not done() and (seconds := ends() - time()) > 0:
            self.changed = self.changed or asyncio.Event()
            await wait_first(self.changed.wait(), timeout=seconds)


LoopPlace = tuple[asyncio.AbstractEventLoop, LoopState]
"""An event loop, and what a client has there."""


class Lifecycle:
    """A client is open, then closed for good.

    Args:
        limit: How many requests at once in each event loop.

    Attributes:
        closed: Whether it takes no more calls.
        loops: What it has in each event loop.

    Raises:
        ConfigurationError: ``limit`` is not a whole number of at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit = check_count("limit", limit)
        self.closed = False
        self._ends = math.inf
        self.loops = PerLoop(lambda: LoopState(ConcurrencyLimiter(limit)))

    @property
    def slots_used(self) -> int:
        """How many requests are under way, over all event loops of this process."""
        return sum(there.limiter.used for there in self._of_this_process())

    def slots_of(self, shop: Shop) -> tuple[int, int]:
        """How many requests of a shop are under way, and how many wait, over all event loops of this process."""
        used, waiting = zip((0, 0), *(there.limiter.of(shop) for there in self._of_this_process()), strict=True)
        return sum(used), sum(waiting)

    def is_cancelled(self, call: Call) -> bool:
        """Whether somebody cancelled the running task since a call began in it, and not only what it waits for."""
        if not is_cancelled():
            return False
        running = next((one for one in self.loops.here().in_clean_ups if one.call is call), None)
        return running is None or running.is_cancelled()

    def _of_this_process(self) -> list[LoopState]:
        process = os.getpid()
        return [there for _, there in self.loops.items() if there.process == process]

    async def close(self, grace: object, *closers: Callable[[], Awaitable[object]]) -> None:
        """Take no more calls, end those that only wait, and give the others ``grace`` seconds; then close the rest.

        There is one closing in each event loop: whoever closes meanwhile joins it, and the shortest grace counts. Who
        is cancelled while closing has no patience left: the grace is over.

        Args:
            grace: Seconds.
            *closers: Run after the calls, each with the rest of the grace but for at least a second.

        Raises:
            ConfigurationError: ``grace`` is no number of seconds.
        """
        left = own(grace)
        is_over = isinstance(left, int | float) and left < 0  # what is left of a time that has passed
        seconds = 0.0 if is_over else check_seconds("grace", grace, endless=True)
        loop = running_loop()
        self.closed = True
        self._shorten(loop.time() + seconds)
        here = self.loops.of(loop)
        if here.closing is None or here.closing.done():
            here.closing = loop.create_task(self._close(closers))
        try:
            await asyncio.shield(here.closing)
        except asyncio.CancelledError:
            self._shorten(loop.time())
            raise

    def _shorten(self, ends: float) -> None:
        self._ends = min(self._ends, ends)
        this = asyncio.get_running_loop()
        for loop, there in self.loops.items():
            if loop is this:
                there.look_again()
            elif loop.is_running() and there.process == os.getpid():
                with suppress(RuntimeError):  # it was closed meanwhile
                    loop.call_soon_threadsafe(there.look_again)

    async def _close(self, closers: tuple[Callable[[], Awaitable[object]], ...]) -> None:
        this = asyncio.get_running_loop()
        waits: list[asyncio.Task[None]] = []
        for loop, there in self.loops.items():
            if loop is this:
                waits.append(asyncio.create_task(self._drain(there)))
            elif loop.is_running() and there.process == os.getpid():
                drain = partial(self._drain_calls, there)
                waits.append(asyncio.create_task(run_elsewhere(loop, drain)))
        await self._wait(waits, after=2 * _TIME_TO_END, least=2 * _TIME_TO_END)
        failures: list[BaseException] = []
        for close in closers:
            closing = asyncio.ensure_future(close())
            await self._wait([closing], after=0.0, least=_TIME_TO_END)
            if closing.done() and not closing.cancelled() and (failure := closing.exception()) is not None:
                failures.append(failure)
        if failures:
            raise failures[0]

    async def _wait(self, tasks: Sequence[asyncio.Future[Any]], *, after: float, least: float) -> None:
        """Wait for all of them until so many seconds after the grace, and for at least so many; then cancel them."""
        here, earliest = self.loops.here(), asyncio.get_running_loop().time() + least
        for task in tasks:
            task.add_done_callback(lambda _: here.look_again())
        await here.until(lambda: all(task.done() for task in tasks), lambda: max(self._ends + after, earliest))
        for task in tasks:
            task.cancel()

    def _drain_calls(self, here: LoopState) -> Coroutine[Any, Any, None] | None:
        return self._drain(here) if here.calls.running else None

    async def _drain(self, here: LoopState) -> None:
        for running in list(here.calls.running):
            if running.call.waiting:
                running.cut()
        await here.until(lambda: not here.calls.running, lambda: self._ends)
        for running in list(here.calls.running):
            running.cut()
        last = asyncio.get_running_loop().time() + _TIME_TO_END
        await here.until(lambda: not here.calls.running, lambda: last)
