"""How many requests at once in one event loop."""

import asyncio
from collections import OrderedDict


class ConcurrencyLimiter:
    """Lets ``limit`` attempts at a time pass; the others wait in the order they came.

    The wait comes before the attempt's timer starts, so it is never mistaken for a slow server. A call's deadline
    covers it. A free slot costs no suspension.

    Args:
        limit: How many at once.
    """

    __slots__ = ("_free", "_limit", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def used(self) -> int:
        """How many are passing now."""
        return self._limit - self._free

    def acquire_nowait(self) -> bool:
        """Take a slot if one is free; it has to be given back."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def acquire(self) -> None:
        """Wait for a slot and take it."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release()  # it came together with the cancellation
            else:
                self._waiting.pop(turn, None)
            raise

    def release(self) -> None:
        """Give a slot back; who waits longest gets it."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
