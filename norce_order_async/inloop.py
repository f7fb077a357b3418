"""What a client has in one event loop: so many slots for requests, and the calls that are under way."""

import asyncio
from collections import OrderedDict

import attrs

from norce_order_async.errors import ClientStateError


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs here.

    Raises:
        ClientStateError: None of asyncio's does.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ClientStateError(
            "no event loop of asyncio runs here: await this under asyncio.run(); trio and curio have other loops"
        ) from None


class Slots:
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

    def take(self) -> bool:
        """Take a slot if one is free; it has to be given back."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a slot and take it."""
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
        """Give a slot back; who waits longest gets it."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@attrs.define(eq=False)
class InLoop:
    """What a client has in one event loop.

    Attributes:
        slots: How many requests at once.
        calls: How many calls are under way.
        sleepers: Those of them that wait between attempts.
        drained: Done when no call is under way, while somebody waits for that.
    """

    slots: Slots
    calls: int = 0
    sleepers: set[asyncio.Future[None]] = attrs.Factory(set["asyncio.Future[None]"])
    drained: asyncio.Future[None] | None = None

    def leave(self) -> None:
        """A call ends."""
        self.calls -= 1
        if self.drained is not None and self.calls == 0 and not self.drained.done():
            self.drained.set_result(None)

    async def drain(self, grace: float) -> None:
        """Wake those who wait between attempts, and give the calls ``grace`` seconds to end."""
        for sleeper in self.sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        if self.calls:
            self.drained = asyncio.get_running_loop().create_future()
            await asyncio.wait({self.drained}, timeout=grace)
            self.drained = None
