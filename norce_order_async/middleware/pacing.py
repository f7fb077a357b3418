"""A client's calls at the rate that the server accepts."""

import asyncio
from weakref import WeakKeyDictionary

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.clock import Clock
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.shop import Shop
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.middleware import Handler
from norce_order_async.sending.pace import Pace


@attrs.frozen(eq=False)
class _Turns:
    """The pace of a shop in an event loop, and the turn of the attempt that takes the next place in it."""

    pace: Pace
    turn: asyncio.Lock = attrs.Factory(asyncio.Lock)


class Pacing:
    """Lets attempts wait for a place in the schedule of their shop's :class:`Pace`, in the order they came.

    An attempt that waits is cut by its call's deadline, and by the closing of its client.

    Args:
        clock: Where time comes from.
        limit: How many requests may be in flight in each event loop.
    """

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._loops = PerLoop(WeakKeyDictionary[Shop, _Turns])

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Wait for a place, and go on."""
        here = self._of(request.call)
        pace = here.pace
        if here.turn.locked():
            delay = None
        elif (delay := pace.reserve()) == 0:
            pace.begin()
        if delay != 0:
            request.call.waiting = True
            try:
                await self._wait(here, delay)
            finally:
                request.call.waiting = False
        try:
            return await call_next(request)
        finally:
            pace.end()

    async def _wait(self, here: _Turns, delay: float | None) -> None:
        """Wait for one's turn and its place; only one at a time has a place that has not come."""
        async with here.turn:
            delay = here.pace.reserve() if delay is None else delay
            if delay:
                await self._clock.sleep(delay)
            here.pace.begin()

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Learn from an attempt that has ended. An ``on_attempt`` hook."""
        self._of(call).pace.observe(call, attempt)

    def _of(self, call: Call) -> _Turns:
        shops = self._loops.of(running_loop())
        here = shops.get(call.shop)
        if here is None:
            here = shops[call.shop] = _Turns(Pace(concurrency=self._limit, clock=self._clock, paces_retries=True))
        return here
