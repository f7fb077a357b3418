"""A limit of time that costs next to nothing while it is not reached."""

import asyncio
import math
from contextvars import Context
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from norce_order_async.core.errors import ClientStateError
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.loops.tasks import is_cancelled

_PAUSE = 0.005  # seconds
_LATE = 0.1  # seconds
_TURNS = 5
"""Turns of an event loop in which what has come is read, and whoever waits for it goes on."""


class Limited(Protocol):
    """What ends when its time is over."""

    ends: float

    def expire(self) -> None:
        """End it."""
        ...


L = TypeVar("L", bound=Limited)


class TimeLimits(Generic[L]):
    """Limits of one event loop, which share a timer. Nothing here refers to the loop while none runs.

    A limit that is reached while the loop stands still ends a few turns after that: what has come by then is in time.

    Attributes:
        running: Those that have begun and not ended, in order; one that is reached stays until what runs inside has
            ended.
        rings: When the timer rings next, in the event loop's time.
    """

    __slots__ = ("rings", "running")

    def __init__(self) -> None:
        self.running: dict[L, None] = {}
        self.rings = math.inf

    def begin(self, limit: L, loop: asyncio.AbstractEventLoop) -> None:
        """Take in a limit whose end is set."""
        self.running[limit] = None
        if limit.ends < self.rings:
            self._set_timer(limit.ends, loop)

    def _set_timer(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        """Ring at ``when``, and no more at the time set before."""
        self.rings = when
        # In a context of its own: that of whoever begins a limit would be kept for as long as others follow it.
        loop.call_at(when, self._ring, when, context=Context())

    def _ring(self, when: float, turn: int = 0) -> None:
        if when != self.rings:
            return  # another timer was set since, for earlier
        loop = asyncio.get_running_loop()
        now = max(when, loop.time())
        if now - when > _LATE and turn < _TURNS:
            # The loop stood still: what came meanwhile may still be in its sockets, and is used first.
            loop.call_later(2 * _PAUSE, self._ring, when, turn + 1)
            return
        self.rings = math.inf
        for limit in [limit for limit in self.running if limit.ends <= now]:
            limit.ends = math.inf
            limit.expire()
        first = min((limit.ends for limit in self.running), default=math.inf)
        if first < math.inf:
            # Not at once: when very many end one by one, going through them all each time would take too long.
            self._set_timer(max(first, now + _PAUSE), loop)


class TimeLimit:
    """Cancels what runs inside it after ``seconds``, and raises an error in place of that cancellation.

    It is made in the task that it limits, and entered once.

    It treats cancellations from elsewhere as ``asyncio.timeout`` does. But many limits share one timer, set for the
    first of them to end, so a limit that is not reached neither sets nor cancels one.

    Args:
        seconds: None or infinity is no limit.
        among: Those of the running event loop that it shares a timer with; otherwise all that are given none.
        loop: That event loop, if it is known: up to Python 3.11, to ask for it takes a system call.

    Raises:
        ClientStateError: No event loop of asyncio runs, or no task.

    Attributes:
        ends: When it is reached, in the event loop's time.
    """

    __slots__ = ("_all", "_cancelling", "_expired", "_loop", "_seconds", "_task", "ends")

    def __init__(
        self,
        seconds: float | None,
        among: TimeLimits[Any] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._seconds = math.inf if seconds is None else seconds
        self._loop = loop = loop or running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise ClientStateError("no task of asyncio runs here: await this under asyncio.run(), or in a task")
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = task.cancelling()
        self._all = _limits.of(loop) if among is None else among
        self._expired = False

    def __enter__(self) -> Self:
        loop = self._loop
        self.ends = loop.time() + self._seconds
        self._all.begin(self, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self.finish(kind):
            failure = TimeoutError()
            try:
                raise failure
            finally:
                # Raising it notes the cancellation, whose frames hold what ran inside: requests, with their tokens.
                failure.__context__ = None

    def finish(self, kind: type[BaseException] | None) -> bool:
        """What runs inside ended, with an error of this kind; whether that is the limit's own cancellation."""
        self._all.running.pop(self, None)
        task, self._task = self._task, None  # a task that fails keeps its error, whose frames lead here
        if not self._expired or task is None:
            return False
        return task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    def is_cancelled(self) -> bool:
        """Whether somebody cancelled the running task since the limit was made in it, and not only what it waits for.

        While something runs inside, another task may ask for itself; after that only the limit's own.
        """
        of_another = self._task is not None and self._task is not asyncio.current_task()
        return is_cancelled(0 if of_another else self._cancelling)

    def expire(self) -> None:
        """Cancel what runs inside; twice is fine, and so is a loop that was closed meanwhile."""
        task = self._task
        if task is not None and not self._expired and not task.get_loop().is_closed():
            self._expired = True
            task.cancel()


_limits: PerLoop[TimeLimits[TimeLimit]] = PerLoop(TimeLimits[TimeLimit])
