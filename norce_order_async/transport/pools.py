"""Pools of connections: one for each event loop, closed with it."""

import abc
import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import attrs

from norce_order_async.core.checks import positive_count, positive_seconds
from norce_order_async.core.errors import ClientStateError
from norce_order_async.transport import Transport
from norce_order_async.transport.connections import close_outside
from norce_order_async.transport.messages import MAX_BODY
from norce_order_async.transport.resolver import Resolver, shared

_OTHER_LOOPS = 1.0  # seconds
_owners = WeakKeyDictionary[asyncio.AbstractEventLoop, int]()
"""The process in which each event loop was first used."""


class Pool(Protocol):
    """The connections of one event loop."""

    def connections(self) -> Iterable[asyncio.Transport]:
        """All of them, those in use as well."""
        ...

    async def close(self) -> None:
        """Close them, those in use as well, and end what is being connected."""
        ...


P = TypeVar("P", bound=Pool)


class Pools(Generic[P]):
    """A pool for each event loop, opened when it is first asked for.

    It is closed by :meth:`aclose`, or at the latest when its loop shuts down, so one transport serves several
    ``asyncio.run`` one after another, and several loops at once. The pool of a loop that was closed without shutting
    down is closed with the next pool that is opened, or by :meth:`aclose`.

    Args:
        make: Makes a pool for the running loop.

    Attributes:
        ready: The pools that requests may use.
    """

    def __init__(self, make: Callable[[], P]) -> None:
        self.ready: dict[asyncio.AbstractEventLoop, P] = {}
        self._make = make
        self._closed = False
        self._lifetimes: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[P], P]] = {}
        self._inherited: list[object] = []
        _all.add(self)

    async def open(self) -> P:
        """Open the pool of the running loop.

        Raises:
            ClientStateError: The transport is closed, or the loop belongs to another process.
        """
        if self._closed:
            raise ClientStateError("the transport is closed")
        loop, process = asyncio.get_running_loop(), os.getpid()
        if _owners.setdefault(loop, process) != process:
            raise ClientStateError(
                "this event loop belongs to the process that this one was forked from: start a loop of its own"
            )
        for other in list(self._lifetimes):
            if other.is_closed():
                await self._close_idle_loop(other)
        if self._closed:
            raise ClientStateError("the transport is closed")
        if (ready := self.ready.get(loop)) is not None:
            return ready  # of another call, which was faster
        pool = self._make()
        lifetime = self._lifetime(loop, pool)
        self._lifetimes[loop] = lifetime, pool
        self.ready[loop] = pool
        return await anext(lifetime)

    async def aclose(self) -> None:
        """Close the pools of all loops; closing twice is fine."""
        self._closed = True
        self.ready.clear()
        here = asyncio.get_running_loop()
        elsewhere: list[asyncio.Future[None]] = []
        for loop in list(self._lifetimes):
            if loop is not here and not loop.is_running():
                await self._close_idle_loop(loop)
            elif (found := self._lifetimes.pop(loop, None)) is not None:
                closing = _close(found[0])
                if loop is here:
                    await closing
                else:
                    elsewhere.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(closing, loop)))
        if elsewhere:
            # Not awaited themselves: a loop may end at this moment, and close its connections by itself.
            await asyncio.wait(elsewhere, timeout=_OTHER_LOOPS)

    def leave_inherited(self) -> None:
        """Use no pool of the process that this one was forked from."""
        # Kept as they are: to close them here would end the parent's watch over its own connections.
        self._inherited += [dict(self.ready), dict(self._lifetimes)]
        self.ready.clear()
        self._lifetimes.clear()

    async def _lifetime(self, loop: asyncio.AbstractEventLoop, pool: P) -> AsyncGenerator[P]:
        # A generator, because event loops close the generators begun in them when they shut down.
        try:
            yield pool
        finally:
            self.ready.pop(loop, None)
            self._lifetimes.pop(loop, None)
            await pool.close()

    async def _close_idle_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the pool of a loop that does not run, in the one that does."""
        self.ready.pop(loop, None)
        found = self._lifetimes.pop(loop, None)
        if found is not None:
            lifetime, pool = found
            close_outside(loop, pool.connections())
            await _close(lifetime)


_all = WeakSet[Pools[Any]]()
"""The pools of this process that are still referenced."""


def _leave_inherited() -> None:
    # A hook rather than a check in each request: os.getpid() is a system call.
    for pools in list(_all):
        pools.leave_inherited()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_inherited)


async def _close(lifetime: AsyncGenerator[Pool]) -> None:
    await lifetime.aclose()


@attrs.define(kw_only=True, eq=False)
class PooledTransport(Transport, Generic[P]):
    """A transport with one pool of kept connections for each event loop it is used in.

    :class:`AiohttpTransport` documents its settings.
    """

    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    max_age: float = attrs.field(default=300.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    resolver: Resolver = attrs.field(default=shared, repr=False)
    max_body: int = attrs.field(default=MAX_BODY, validator=positive_count)
    _pools: Pools[P] = attrs.field(
        default=attrs.Factory(lambda self: Pools(self._make_pool), takes_self=True), init=False, repr=False
    )

    async def aclose(self) -> None:
        """Close the connections of every event loop; closing twice is fine."""
        await self._pools.aclose()

    @abc.abstractmethod
    def _make_pool(self) -> P: ...
