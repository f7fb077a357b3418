"""Time as the client sees it: one value that tests replace to run without waiting."""

import asyncio
import time
from typing import Any, Protocol

_START = "_start"


class Clock(Protocol):
    """Where the client gets time from. All values are seconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    async def sleep(self, delay: float, /) -> None:
        """Wait for ``delay`` seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)


class _Start:
    """When a call began, by the clock that timed it. It is None in a pickle: another process has another clock."""

    __slots__ = "clock", "started"

    def __init__(self, clock: Clock, started: float) -> None:
        self.clock, self.started = clock, started

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def keep_start(error: BaseException, clock: Clock, started: float) -> None:
    """Keep on an error when the call that it ends began, on the monotonic clock that timed it."""
    vars(error)[_START] = _Start(clock, started)


def seconds_since_start(error: BaseException) -> float | None:
    """How long ago the call began that an error has ended, however the wall clock was set since.

    None where that is not known: the error comes from a pickle, or was made by hand.
    """
    start: _Start | None = vars(error).get(_START)
    return None if start is None else start.clock.monotonic() - start.started
