"""Time as the client sees it: one value that tests replace to run without waiting."""

import asyncio
import time
from typing import Protocol


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
