"""How many requests at once."""

import asyncio
from weakref import WeakKeyDictionary

from norce_order_async.checks import check_count


class Limiter:
    """Lets ``limit`` attempts at a time pass in each event loop; the others wait in the order they came.

    The wait comes before the attempt's timer starts, so it is never mistaken for a slow server. A call's deadline
    covers it.

    Args:
        limit: How many at once.

    Raises:
        ConfigurationError: ``limit`` is not a whole number of at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = check_count("limit", limit)
        self.used = 0
        """How many are passing now, over all event loops."""
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def acquire(self) -> asyncio.Semaphore:
        """Wait for a slot; what is returned has to be given to :meth:`release`."""
        loop = asyncio.get_running_loop()
        slots = self._slots.get(loop)
        if slots is None:
            slots = self._slots[loop] = asyncio.Semaphore(self.limit)
        await slots.acquire()
        self.used += 1
        return slots

    def release(self, slots: asyncio.Semaphore) -> None:
        """Give a slot back."""
        self.used -= 1
        slots.release()
