"""Pools of connections: one for each event loop, closed with it."""

import abc
import asyncio
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import attrs

from norce_order_async.core.checks import positive_count, positive_seconds
from norce_order_async.core.errors import ClientStateError, ConfigurationError
from norce_order_async.core.shapes import Shape, check_shape, described
from norce_order_async.loops.elsewhere import run_elsewhere
from norce_order_async.transport import Transport
from norce_order_async.transport.connections import close_outside
from norce_order_async.transport.errors import IS_CLOSED
from norce_order_async.transport.messages import MAX_BODY
from norce_order_async.transport.resolver import HostResolver, shared

_OTHER_LOOPS = 1.0  # seconds
_RESOLVER = Shape("an object with resolve(), such as HostResolver(function)", ("resolve",))
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


@attrs.define(eq=False)
class _Lifetime(Generic[P]):
    """The pool of one event loop.

    Attributes:
        watch: A generator, because event loops close the generators begun in them when they shut down.
        thread: The one in which the loop ran when the pool was opened.
        closing: The task that closes the pool, if not the loop's shutdown does.
        ending: The watch ends.
        closed: The pool is closed.
    """

    pool: P
    watch: AsyncGenerator[P]
    thread: threading.Thread = attrs.field(factory=threading.current_thread)
    closing: asyncio.Task[Any] | None = None
    ending: bool = False
    closed: bool = False

    def is_left(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether no other thread runs the loop, nor can be about to."""
        if loop.is_closed():
            return True
        # A loop that does not run may be between the runs of which asyncio.run consists, in its thread.
        its_thread_is_busy = self.thread is not threading.current_thread() and self.thread.is_alive()
        return not loop.is_running() and not its_thread_is_busy

    async def close(self) -> None:
        """Close the pool in its loop, unless the loop's shutdown does so already."""
        if not self.ending:
            self.closing = asyncio.current_task()
            await self.close_now()

    async def close_now(self) -> None:
        """Close the pool, and end the watch."""
        await self.pool.close()
        self.closed = True
        if not self.ending:
            await self.watch.aclose()


class Pools(Generic[P]):
    """A pool for each event loop, opened when it is first asked for.

    It is closed by :meth:`aclose`, or at the latest when its loop shuts down, so one transport serves several
    ``asyncio.run`` one after another, and several loops at once. The pool of a loop that was closed without shutting
    down is closed with the next pool that is opened, or by :meth:`aclose`.

    Args:
        make: Makes a pool for the running loop.

    Attributes:
        ready: The pools that requests may use.
        closed: Whether it opens no more.
    """

    def __init__(self, make: Callable[[], P]) -> None:
        self.ready: dict[asyncio.AbstractEventLoop, P] = {}
        self._make = make
        self.closed = False
        self._lifetimes: dict[asyncio.AbstractEventLoop, _Lifetime[P]] = {}
        self._inherited: list[object] = []
        _all.add(self)

    async def open(self) -> P:
        """Open the pool of the running loop.

        Raises:
            ClientStateError: The transport is closed, or the loop belongs to another process.
        """
        self._check_open()
        loop, process = asyncio.get_running_loop(), os.getpid()
        if _owners.setdefault(loop, process) != process:
            raise ClientStateError(
                "this event loop belongs to the process that this one was forked from: start a loop of its own"
            )
        for other in list(self._lifetimes):
            if other.is_closed():
                await self._close_left(other)
        if (ready := self.ready.get(loop)) is not None:
            return ready  # of another call, which was faster
        pool = self._make()
        lifetime = self._lifetimes[loop] = _Lifetime(pool, self._watch(loop))
        self.ready[loop] = pool
        await anext(lifetime.watch)
        try:
            self._check_open()  # another thread may have closed the transport, and missed this pool
        except ClientStateError:
            self.ready.pop(loop, None)
            await lifetime.close()
            raise
        return pool

    def _check_open(self) -> None:
        if self.closed:
            raise ClientStateError(IS_CLOSED)

    async def aclose(self) -> None:
        """Close the pools of all loops; closing twice is fine.

        A loop of another thread closes its pool itself. If it does not run now, it does so when it runs next.
        """
        self.closed = True
        self.ready.clear()
        here = asyncio.get_running_loop()
        elsewhere: list[asyncio.Task[None]] = []
        for loop, lifetime in list(self._lifetimes.items()):
            if loop is here:
                await lifetime.close()
            elif lifetime.is_left(loop):
                await self._close_left(loop)
            else:
                elsewhere.append(asyncio.create_task(self._close_elsewhere(loop, lifetime)))
        if elsewhere:
            await asyncio.wait(elsewhere, timeout=_OTHER_LOOPS)
            for task in elsewhere:
                task.cancel()  # those that are late

    def leave_inherited(self) -> None:
        """Use no pool of the process that this one was forked from."""
        # Kept as they are: to close them here would end the parent's watch over its own connections.
        self._inherited += [dict(self.ready), dict(self._lifetimes)]
        self.ready.clear()
        self._lifetimes.clear()

    async def _watch(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[P]:
        lifetime = self._lifetimes[loop]
        try:
            yield lifetime.pool
        finally:
            lifetime.ending = True
            self.ready.pop(loop, None)
            self._lifetimes.pop(loop, None)
            if lifetime.closing is not None and not lifetime.closed:
                await asyncio.wait({lifetime.closing})
            if not lifetime.closed:  # also where the loop's end has cancelled that task
                await lifetime.pool.close()
                lifetime.closed = True

    async def _close_elsewhere(self, loop: asyncio.AbstractEventLoop, lifetime: _Lifetime[P]) -> None:
        await run_elsewhere(loop, lambda: None if lifetime.ending else lifetime.close())
        if loop.is_closed():
            await self._close_left(loop)

    async def _close_left(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the pool of a loop that does not run, in the one that does."""
        self.ready.pop(loop, None)
        lifetime = self._lifetimes.pop(loop, None)
        if lifetime is not None:
            close_outside(loop, lifetime.pool.connections())
            await asyncio.shield(lifetime.close_now())  # a call that is cut meanwhile leaves it half closed otherwise


_all = WeakSet[Pools[Any]]()
"""The pools of this process that are still referenced."""


def _leave_inherited() -> None:
    # A hook rather than a check in each request: os.getpid() is a system call.
    for pools in list(_all):
        pools.leave_inherited()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_inherited)


def _a_tls_context(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, ssl.SSLContext):  # False would accept every certificate in aiohttp
        raise ConfigurationError(f"{attribute.name} must be an ssl.SSLContext or None, got {described(value)}")


def _a_resolver(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    check_shape(attribute.name, value, _RESOLVER)


@attrs.define(kw_only=True, eq=False)
class PooledTransport(Transport, Generic[P]):
    """A transport with one pool of kept connections for each event loop it is used in.

    :class:`AiohttpTransport` documents its settings.
    """

    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    max_age: float = attrs.field(default=300.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False, validator=_a_tls_context)
    resolver: HostResolver = attrs.field(default=shared, repr=False, validator=_a_resolver)
    max_body: int = attrs.field(default=MAX_BODY, validator=positive_count)
    _pools: Pools[P] = attrs.field(
        default=attrs.Factory(lambda self: Pools(self._make_pool), takes_self=True), init=False, repr=False
    )

    async def aclose(self) -> None:
        """Close the connections of every event loop; closing twice is fine."""
        await self._pools.aclose()

    @property
    def is_open(self) -> bool:
        """Whether it is not closed, so that it may have connections.

        :meta private:
        """
        return not self._pools.closed

    @abc.abstractmethod
    def _make_pool(self) -> P: ...
