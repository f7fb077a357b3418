"""A clock on which nothing takes time, so that tests of retries and waits don't wait."""

import asyncio


class FakeClock:
    """A :class:`Clock` that stands still except while somebody sleeps, and then jumps.

    Sleeps that run at the same time pass together: after two sleeps of 2 s at once it is 2 s later.

    Attributes:
        now: Seconds, monotonic.
        epoch: The wall time at the start, in seconds since 1970-01-01 UTC.
        slept: Every sleep so far, in seconds.
    """

    def __init__(self, *, epoch: float = 1_768_204_889.0) -> None:
        self.now = 0.0
        self.epoch = epoch
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.now

    def wall(self) -> float:
        """The start plus the seconds that have passed."""
        return self.epoch + self.now

    async def sleep(self, delay: float, /) -> None:
        """Let ``delay`` seconds pass at once; other tasks get their turn."""
        self.slept.append(delay)
        wake = self.now + delay
        await asyncio.sleep(0)
        self.now = max(self.now, wake)
