"""A client's calls at the rate that the server accepts."""

import asyncio
from collections import OrderedDict
from typing import TypeAlias
from weakref import WeakKeyDictionary

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.clock import Clock
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.shop import Shop
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.loops.tasks import pause
from norce_order_async.middleware import Handler
from norce_order_async.sending.answer_time import AnswerTime
from norce_order_async.sending.calls import too_late
from norce_order_async.sending.pace import Pace

_PLACE = "its place at the rate that the server accepts"
_Times: TypeAlias = tuple[float, float]
"""The deadline of a call, and when its attempt came."""


@attrs.define(eq=False)
class _Turns:
    """The pace of a shop in an event loop, and whose turn it is to take the next place in it.

    Turns come in the order in which attempts came. While everything is refused, the one with the latest deadline, of
    several the last that came, is sent as a probe when that is due: who has little time left for an answer, or may be
    about to leave, would learn nothing.

    Attributes:
        pace: The pace.
        answers: How long attempts take.
        waiting: Who waits for a turn, in the order they came, and their times.
        is_taken: Whether it is somebody's turn.
    """

    pace: Pace
    answers: AnswerTime = attrs.Factory(AnswerTime)
    waiting: OrderedDict[asyncio.Future[None], _Times] = attrs.Factory(OrderedDict[asyncio.Future[None], _Times])
    is_taken: bool = False

    async def take(self, times: _Times, *, is_first: bool) -> None:
        """Wait for a turn, before all others or after them."""
        if not self.is_taken:
            self.is_taken = True
            return
        turn = running_loop().create_future()
        self.waiting[turn] = times
        if is_first:
            self.waiting.move_to_end(turn, last=False)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.pass_on()  # it came together with the cancellation
            else:
                self.waiting.pop(turn, None)
            raise

    def pass_on(self) -> None:
        """End a turn; the next one begins."""
        while self.waiting:
            turn, _ = self.waiting.popitem(last=False)
            if not turn.done():  # else it was cancelled, and does not know it yet
                turn.set_result(None)
                return
        self.is_taken = False

    def put_first(self, later_than: _Times) -> bool:
        """Give the next turn to the one with the latest deadline; False where nobody's is later than this one."""
        latest = max(self.waiting, key=self.waiting.__getitem__, default=None)
        if latest is None or self.waiting[latest] <= later_than:
            return False
        self.waiting.move_to_end(latest, last=False)
        return True


class Pacing:
    """Lets attempts wait for a place in the schedule of their shop's :class:`Pace`.

    An attempt that waits is cut by its call's deadline, and by the closing of its client. One whose place comes too
    late for an answer ends at once.

    Args:
        clock: Where time comes from.
        limit: How many requests may be in flight in each event loop.
    """

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._loops = PerLoop(WeakKeyDictionary[Shop, _Turns])

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Wait for a place, and go on.

        Raises:
            DeadlineExceeded: It would come too late.
        """
        call = request.call
        here = self._of(call)
        if here.is_taken or here.pace.is_limited:
            times = call.deadline, self._clock.monotonic()
            call.waiting = _PLACE
            try:
                has_place = handed_on = False
                while not has_place:
                    await here.take(times, is_first=handed_on)
                    try:
                        has_place = await self._wait(here, call, times)
                    finally:
                        here.pass_on()
                    handed_on = True
            finally:
                call.waiting = None
        here.pace.begin()
        try:
            return await call_next(request)
        finally:
            here.pace.end()

    async def _wait(self, here: _Turns, call: Call, times: _Times) -> bool:
        """Take a place and wait for it; it is given back where it is not used, and left where the schedule changes.

        False where one with a later deadline waits by then, and the place is that of a probe: it is for that one.

        While a probe is under way its answer may change the schedule, so that no place is known to come too late.
        """
        pace, (deadline, came) = here.pace, times
        while True:
            pace.renewed.clear()
            delay = pace.reserve()
            try:
                is_known = not (pace.is_closed and pace.in_flight)
                if is_known and here.answers.is_too_late(came, self._clock.monotonic() + delay, deadline):
                    raise too_late(call, _PLACE)
                if delay:
                    await pause(self._clock, delay, pace.renewed)
            except BaseException:
                pace.give_back()
                raise
            if pace.renewed.is_set():
                continue
            if pace.is_closed and here.put_first(later_than=times):
                pace.give_back()
                return False
            return True

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Learn from an attempt that has ended. An ``on_attempt`` hook."""
        here = self._of(call)
        here.answers.add(attempt.elapsed)
        here.pace.observe(call, attempt)

    def _of(self, call: Call) -> _Turns:
        shops = self._loops.of(running_loop())
        here = shops.get(call.shop)
        if here is None:
            here = shops[call.shop] = _Turns(Pace(concurrency=self._limit, clock=self._clock, paces_retries=True))
        return here
