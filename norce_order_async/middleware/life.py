"""Who is under way, so that closing can wait for them and wake those who only wait."""

import asyncio

from norce_order_async.checks import check_count
from norce_order_async.clock import Clock
from norce_order_async.errors import ClientStateError
from norce_order_async.inloop import InLoop, Slots, running_loop
from norce_order_async.perloop import PerLoop


class Life:
    """The life of a client: open, then closed for good.

    Args:
        limit: How many requests at once in each event loop.

    Raises:
        ConfigurationError: ``limit`` is not a whole number of at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit = check_count("limit", limit)
        self.closed = False
        self._loops = PerLoop(lambda: InLoop(Slots(limit)))

    @property
    def slots_used(self) -> int:
        """How many requests are under way, over all event loops."""
        return sum(there.slots.used for _, there in self._loops.items())

    def here(self) -> InLoop:
        """What the client has in the running event loop.

        Raises:
            ClientStateError: The client is closed, or no event loop of asyncio runs.
        """
        if self.closed:
            raise ClientStateError("the client is closed")
        return self._loops.of(running_loop())

    async def sleep(self, clock: Clock, delay: float) -> None:
        """Wait between attempts.

        Raises:
            ClientStateError: The client was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        sleepers = self._loops.of(loop).sleepers
        woken = loop.create_future()
        sleeping = asyncio.ensure_future(clock.sleep(delay))
        sleepers.add(woken)
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleepers.discard(woken)
            sleeping.cancel()
        if self.closed:
            raise ClientStateError("the client was closed")
        sleeping.result()

    async def close(self, grace: float) -> None:
        """Take no more calls, wake those who sleep, and give the others ``grace`` seconds to end."""
        self.closed = True
        this = running_loop()
        waits: list[asyncio.Future[None]] = []
        for loop, there in self._loops.items():
            if loop is this:
                waits.append(asyncio.ensure_future(there.drain(grace)))
            elif loop.is_running():
                waits.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there.drain(grace), loop)))
        if waits:
            # Not awaited themselves: another loop may end meanwhile, and its drain with it, cancelled or never run.
            await asyncio.wait(waits, timeout=grace + 1)
