"""How many requests at once."""

import asyncio
from collections import OrderedDict

from norce_order_async.checks import check_count
from norce_order_async.perloop import PerLoop


class Slots:
    """The slots of one event loop. A free one costs no suspension; a slot given back goes to who waits longest."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    def take(self) -> bool:
        """Take a slot if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a slot, in the order of coming, and take it."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give()  # it came together with the cancellation
            else:
                self._waiting.pop(turn, None)
            raise

    def give(self) -> None:
        """Give a slot back."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


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
        self._slots = PerLoop(lambda: Slots(limit))

    def take(self) -> Slots | None:
        """Take a slot if one is free; what is returned has to be given to :meth:`release`."""
        slots = self._slots.of(asyncio.get_running_loop())
        if not slots.take():
            return None
        self.used += 1
        return slots

    async def wait(self) -> Slots:
        """Wait for a slot and take it."""
        slots = self._slots.of(asyncio.get_running_loop())
        await slots.wait()
        self.used += 1
        return slots

    def release(self, slots: Slots) -> None:
        """Give a slot back."""
        self.used -= 1
        slots.give()
