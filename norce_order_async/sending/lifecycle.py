"""A client is open, then closed: what it has in each event loop, and how its calls end with it."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from numbers import Real
from typing import Any, Protocol

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_count
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.shop import Shop
from norce_order_async.loops.elsewhere import run_elsewhere
from norce_order_async.loops.per_loop import PerLoop, running_loop
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


@attrs.define(eq=False)
class LoopState:
    """What a client has in one event loop.

    Attributes:
        limiter: How many requests at once.
        calls: The calls that are under way, each a limit of time.
        process: The process that the loop belongs to; a forked child inherits what it cannot close.
        changed: Set when a closing has to look again: no call is left, or its grace was made shorter.
        closing: The closing under way.
    """

    limiter: ConcurrencyLimiter
    calls: TimeLimits[Running] = attrs.Factory(TimeLimits[Running])
    process: int = attrs.Factory(os.getpid)
    changed: asyncio.Event | None = None
    closing: asyncio.Task[None] | None = None


def _check_grace(value: object) -> None:
    if not isinstance(value, Real) or math.isnan(value):
        raise ConfigurationError(f"grace must be a number of seconds, got {value!r}")


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

    def _of_this_process(self) -> list[LoopState]:
        process = os.getpid()
        return [there for _, there in self.loops.items() if there.process == process]

    async def close(self, grace: float, *closers: Callable[[], Awaitable[object]]) -> None:
        """Take no more calls, end those that only wait, and give the others ``grace`` seconds; then close the rest.

        There is one closing in each event loop: whoever closes meanwhile joins it, and the shortest grace counts. Who
        is cancelled while closing has no patience left: the grace is over.

        Args:
            grace: Seconds.
            *closers: Run after the calls, each with the rest of the grace but for at least a second.

        Raises:
            ConfigurationError: ``grace`` is no number.
        """
        _check_grace(grace)
        loop = running_loop()
        self.closed = True
        self._shorten(loop.time() + grace)
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
            if there.changed is None:
                continue
            if loop is this:
                there.changed.set()
            elif loop.is_running() and there.process == os.getpid():
                with suppress(RuntimeError):  # it was closed meanwhile
                    loop.call_soon_threadsafe(there.changed.set)

    async def _close(self, closers: tuple[Callable[[], Awaitable[object]], ...]) -> None:
        this = asyncio.get_running_loop()
        waits: list[asyncio.Task[None]] = []
        for loop, there in self.loops.items():
            if loop is this:
                waits.append(asyncio.create_task(self._drain(there)))
            elif loop.is_running() and there.process == os.getpid():
                drain = partial(self._drain_calls, there)
                waits.append(asyncio.create_task(run_elsewhere(loop, drain)))
        await asyncio.wait(waits, timeout=self._left() + 2 * _TIME_TO_END)
        for task in waits:
            task.cancel()  # those that are late
        failures: list[BaseException] = []
        for close in closers:
            closing = asyncio.ensure_future(close())
            await asyncio.wait([closing], timeout=max(self._left(), _TIME_TO_END))
            if not closing.done():
                closing.cancel()
            elif not closing.cancelled() and (failure := closing.exception()) is not None:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _left(self) -> float:
        return max(0.0, self._ends - asyncio.get_running_loop().time())

    def _drain_calls(self, here: LoopState) -> Coroutine[Any, Any, None] | None:
        return self._drain(here) if here.calls.running else None

    async def _drain(self, here: LoopState) -> None:
        here.changed = asyncio.Event()
        for running in list(here.calls.running):
            if running.call.waiting:
                running.cut()
        await self._empty(here, self._left)
        for running in list(here.calls.running):
            running.cut()
        last = asyncio.get_running_loop().time() + _TIME_TO_END
        await self._empty(here, lambda: last - asyncio.get_running_loop().time())

    async def _empty(self, here: LoopState, left: Callable[[], float]) -> None:
        """Wait until no call is under way, or no time is left."""
        assert here.changed is not None
        while here.calls.running and (seconds := left()) > 0:
            here.changed.clear()
            waiting = asyncio.ensure_future(here.changed.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()
