"""Who is under way, so that closing can wait for them and wake those who only wait."""

import asyncio

import attrs

from norce_order_async.clock import Clock
from norce_order_async.errors import ClientStateError


@attrs.define(eq=False)
class InLoop:
    """The calls of one event loop."""

    calls: int = 0
    sleepers: set[asyncio.Future[None]] = attrs.Factory(set["asyncio.Future[None]"])
    drained: asyncio.Future[None] | None = None


class Life:
    """The life of a client: open, then closed for good."""

    def __init__(self) -> None:
        self.closed = False
        self._loops: dict[asyncio.AbstractEventLoop, InLoop] = {}

    def enter(self) -> InLoop:
        """A call begins; what is returned has to be given to :meth:`leave`.

        Raises:
            ClientStateError: The client is closed.
        """
        if self.closed:
            raise ClientStateError("the client is closed")
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = self._loops[loop] = InLoop()
        here.calls += 1
        return here

    def leave(self, here: InLoop) -> None:
        """A call ends."""
        here.calls -= 1
        if here.calls == 0:
            del self._loops[asyncio.get_running_loop()]
            if here.drained is not None and not here.drained.done():
                here.drained.set_result(None)

    async def sleep(self, clock: Clock, delay: float) -> None:
        """Wait between attempts.

        Raises:
            ClientStateError: The client was closed meanwhile.
        """
        sleepers = self._loops[asyncio.get_running_loop()].sleepers
        woken = asyncio.get_running_loop().create_future()
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
        this = asyncio.get_running_loop()
        waits: list[asyncio.Future[None]] = []
        for loop, there in list(self._loops.items()):
            if loop is this:
                waits.append(asyncio.ensure_future(_drain(there, grace)))
            elif loop.is_running():
                waits.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_drain(there, grace), loop)))
        if waits:
            # Not awaited themselves: another loop may end meanwhile, and its drain with it, cancelled or never run.
            await asyncio.wait(waits, timeout=grace + 1)


async def _drain(there: InLoop, grace: float) -> None:
    for sleeper in there.sleepers:
        if not sleeper.done():
            sleeper.set_result(None)
    if there.calls:
        there.drained = asyncio.get_running_loop().create_future()
        await asyncio.wait({there.drained}, timeout=grace)
