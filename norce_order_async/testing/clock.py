"""A clock on which nothing takes time, so that tests of retries and waits don't wait."""

import asyncio
import itertools
from bisect import insort
from typing import TypeAlias

import attrs

from norce_order_async.loops.per_loop import PerLoop

_TURNS = 5
"""Turns of the event loop for others, between two sleeps that end: an attempt in process takes two or three."""

_Sleep: TypeAlias = tuple[float, int, asyncio.Future[None]]


@attrs.define(eq=False)
class _Sleeps:
    """Those of one event loop, in the order in which they end, and whether time passes."""

    waiting: list[_Sleep] = attrs.field(factory=list[_Sleep])
    passes: bool = False


class FakeClock:
    """A :class:`Clock` that stands still except while somebody sleeps, and then jumps.

    Sleeps that run at the same time pass together: after two sleeps of 2 s at once it is 2 s later. Those of one event
    loop end in the order of their ends, and others get some turns in between.

    Attributes:
        now: Seconds, monotonic.
        epoch: The wall time at the start, in seconds since 1970-01-01 UTC.
        slept: Every sleep so far, in seconds.
    """

    def __init__(self, *, epoch: float = 1_768_204_889.0) -> None:
        self.now = 0.0
        self.epoch = epoch
        self.slept: list[float] = []
        self._sleeps = PerLoop(_Sleeps)
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.now

    def wall(self) -> float:
        """The start plus the seconds that have passed."""
        return self.epoch + self.now

    async def sleep(self, delay: float, /) -> None:
        """Let ``delay`` seconds pass without waiting; other tasks get their turn, and sleeps that are over before."""
        self.slept.append(delay)
        if delay <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        sleeps, own = self._sleeps.of(loop), (self.now + delay, next(self._numbers), loop.create_future())
        insort(sleeps.waiting, own)
        if not sleeps.passes:
            sleeps.passes = True
            loop.call_soon(self._pass, loop, sleeps, own, 0)
        try:
            await own[2]
        finally:
            sleeps.waiting.remove(own)

    def _pass(self, loop: asyncio.AbstractEventLoop, sleeps: _Sleeps, first: _Sleep, turns: int) -> None:
        """End the first sleep, once it has been the first for some turns of the event loop."""
        sleeps.passes = bool(sleeps.waiting)
        if not sleeps.waiting:
            return
        if sleeps.waiting[0] is not first:
            first, turns = sleeps.waiting[0], 0
        end, _, over = first
        if turns == _TURNS and not over.done():
            self.now = max(self.now, end)
            over.set_result(None)
        loop.call_soon(self._pass, loop, sleeps, first, turns + 1)
