"""The calls that are under way, and how they end when their time is over or their client is closed."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_count
from norce_order_async.core.errors import ClientStateError, DeadlineExceeded
from norce_order_async.core.http import Request, Response
from norce_order_async.core.options import CallOptions
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.sending.call_ends import CallEnds
from norce_order_async.sending.limiter import ConcurrencyLimiter
from norce_order_async.sending.log import run_hook

_LAST_TURNS = 1.0
"""Seconds that calls which were cut, and a token source, have to end."""


def out_of_time(call: Call) -> DeadlineExceeded:
    """The error of a call whose total time is over."""
    return DeadlineExceeded(f"no success within {call.timeout.total:g} s")


class RunningCall(TimeLimit):
    """One call from its start to its end: observed, and ended when its time is over or its client is closed.

    A context manager rather than a link of the chain: so it costs no frame on the stack of every call.

    Args:
        request: The call's request.
        options: What the call has otherwise than its client.
        here: What the client has in this event loop.
        ends: What is done at the end of the client's calls.

    Attributes:
        call: The call.
        response: What the chain returned.
    """

    __slots__ = ("_ends", "_here", "_options", "_request", "call", "response")

    def __init__(self, request: Request, options: CallOptions, here: "LoopState", ends: CallEnds) -> None:
        self.call = call = request.call
        super().__init__(call.timeout.total)
        self.response: Response | None = None
        self._request = request
        self._options = options
        self._here = here
        self._ends = ends

    def __enter__(self) -> Self:
        for observer in self._ends.observers:
            run_hook(self.call, observer.call_started, self._request)
        self._here.calls.add(self)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self.finish(kind):
            error = out_of_time(self.call) if self.call.timed_out else ClientStateError("the client was closed")
            kind = None
        try:
            if error is None:
                self._ends.ended(self.call, self.response, None, self._options)
                return
            failure = self._ends.failed(self.call, self.response, error, self._options)
            if kind is not None and failure is error:
                return
            del error, traceback  # so that no traceback leads to their frames
            try:
                raise failure
            finally:
                failure.__context__ = None
                del failure  # it would refer to itself through this frame
        finally:
            self._here.leave(self)

    def expire(self) -> None:
        """End it because its time is over."""
        if not self._expired:
            self.call.timed_out = True
            super().expire()

    def cut(self) -> None:
        """End it because its client is closed."""
        if not self._expired:
            super().expire()


@attrs.define(eq=False)
class LoopState:
    """What a client has in one event loop.

    Attributes:
        limiter: How many requests at once.
        calls: The calls that are under way.
        process: The process that the loop belongs to; a forked child inherits what it cannot close.
        news: Set when a closing has to look again: no call is left, or its grace was made shorter.
        closing: The closing under way.
    """

    limiter: ConcurrencyLimiter
    calls: set[RunningCall] = attrs.Factory(set[RunningCall])
    process: int = attrs.Factory(os.getpid)
    news: asyncio.Event | None = None
    closing: asyncio.Task[None] | None = None

    def leave(self, call: RunningCall) -> None:
        """A call ends."""
        self.calls.discard(call)
        if self.news is not None and not self.calls:
            self.news.set()


class Lifecycle:
    """A client is open, then closed for good.

    Args:
        limit: How many requests at once in each event loop.

    Raises:
        ConfigurationError: ``limit`` is not a whole number of at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit = check_count("limit", limit)
        self.closed = False
        self._ends = math.inf
        self._loops = PerLoop(lambda: LoopState(ConcurrencyLimiter(limit)))

    @property
    def slots_used(self) -> int:
        """How many requests are under way, over all event loops."""
        return sum(there.limiter.used for _, there in self._loops.items())

    def here(self) -> LoopState:
        """What the client has in the running event loop.

        Raises:
            ClientStateError: The client is closed, or no event loop of asyncio runs.
        """
        if self.closed:
            raise ClientStateError("the client is closed")
        return self._loops.of(running_loop())

    async def close(self, grace: float, *closers: Callable[[], Awaitable[object]]) -> None:
        """Take no more calls, end those that only wait, and give the others ``grace`` seconds; then close the rest.

        There is one closing in each event loop: whoever closes meanwhile joins it, and the shortest grace counts. Who
        is cancelled while closing has no patience left: the grace is over.

        Args:
            grace: Seconds.
            *closers: Run after the calls, each with the rest of the grace but for at least a second.
        """
        loop = running_loop()
        self.closed = True
        self._shorten(loop.time() + grace)
        here = self._loops.of(loop)
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
        for loop, there in self._loops.items():
            if there.news is None:
                continue
            if loop is this:
                there.news.set()
            elif loop.is_running() and there.process == os.getpid():
                loop.call_soon_threadsafe(there.news.set)

    async def _close(self, closers: tuple[Callable[[], Awaitable[object]], ...]) -> None:
        this = asyncio.get_running_loop()
        waits: list[asyncio.Future[None]] = []
        for loop, there in self._loops.items():
            if loop is this:
                waits.append(asyncio.ensure_future(self._drain(there)))
            elif loop.is_running() and there.process == os.getpid():
                waits.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._drain(there), loop)))
        # Not awaited themselves: another loop may end meanwhile, and its drain with it, cancelled or never run.
        await asyncio.wait(waits, timeout=self._left() + 2 * _LAST_TURNS)
        failures: list[BaseException] = []
        for close in closers:
            closing = asyncio.ensure_future(close())
            await asyncio.wait([closing], timeout=max(self._left(), _LAST_TURNS))
            if not closing.done():
                closing.cancel()
            elif not closing.cancelled() and (failure := closing.exception()) is not None:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _left(self) -> float:
        return max(0.0, self._ends - asyncio.get_running_loop().time())

    async def _drain(self, here: LoopState) -> None:
        here.news = asyncio.Event()
        for running in list(here.calls):
            if running.call.waiting:
                running.cut()
        await self._empty(here, self._left)
        for running in list(here.calls):
            running.cut()
        last = asyncio.get_running_loop().time() + _LAST_TURNS
        await self._empty(here, lambda: last - asyncio.get_running_loop().time())

    async def _empty(self, here: LoopState, left: Callable[[], float]) -> None:
        """Wait until no call is under way, or no time is left."""
        assert here.news is not None
        while here.calls and (seconds := left()) > 0:
            here.news.clear()
            waiting = asyncio.ensure_future(here.news.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()
