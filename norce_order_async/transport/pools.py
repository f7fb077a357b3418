"""Connections that belong to event loops, and end with them."""

import asyncio
import select
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from norce_order_async.core.errors import ClientStateError


class Pool(Protocol):
    """The connections of one event loop."""

    async def close(self) -> None:
        """Close them, those in use as well."""
        ...


P = TypeVar("P", bound=Pool)
_OTHER_LOOPS = 1.0  # seconds


class Pools(Generic[P]):
    """A pool for each event loop, opened when it is first asked for.

    It is closed by :meth:`aclose`, or at the latest when its loop shuts down, so one transport serves several
    ``asyncio.run`` one after another, and several loops at once.

    Args:
        make: Makes a pool for the running loop.
    """

    def __init__(self, make: Callable[[], P]) -> None:
        self.closed = False
        self._make = make
        self._pools: dict[asyncio.AbstractEventLoop, P] = {}
        self._lifetimes: dict[asyncio.AbstractEventLoop, AsyncGenerator[P]] = {}

    def find(self, loop: asyncio.AbstractEventLoop) -> P | None:
        """The pool of a loop, if it has one.

        Raises:
            ClientStateError: The transport is closed.
        """
        if self.closed:
            raise ClientStateError("the transport is closed")
        return self._pools.get(loop)

    async def open(self) -> P:
        """Open the pool of the running loop."""
        loop = asyncio.get_running_loop()
        lifetime = self._lifetimes[loop] = self._lifetime(loop)
        return await anext(lifetime)

    async def aclose(self) -> None:
        """Close the pools of all loops that still run; closing twice is fine."""
        self.closed = True
        here = asyncio.get_running_loop()
        elsewhere: list[asyncio.Future[None]] = []
        while self._lifetimes:
            loop, lifetime = self._lifetimes.popitem()
            if loop is here:
                await _close(lifetime)
            elif loop.is_running():
                elsewhere.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_close(lifetime), loop)))
        if elsewhere:
            # Not awaited themselves: a loop may end at this moment, and close its connections by itself.
            await asyncio.wait(elsewhere, timeout=_OTHER_LOOPS)

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[P]:
        # A generator, because event loops close the generators begun in them when they shut down.
        pool = self._pools[loop] = self._make()
        try:
            yield pool
        finally:
            self._pools.pop(loop, None)
            self._lifetimes.pop(loop, None)
            await pool.close()


async def _close(lifetime: AsyncGenerator[Pool]) -> None:
    await lifetime.aclose()


def watch(wire: asyncio.Transport) -> Callable[[], object]:
    """What tells whether something waits to be read from a connection: bytes, or the end."""
    sock = wire.get_extra_info("socket")
    if sock is None:
        return lambda: False
    if hasattr(select, "poll"):  # select() knows no descriptor above 1023
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return partial(poll.poll, 0)
    return lambda: select.select([sock], [], [], 0)[0]
