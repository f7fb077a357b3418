"""Connections that belong to event loops, and end with them."""

import asyncio
import os
import select
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from random import uniform
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from norce_order_async.core.errors import ClientStateError

_OTHER_LOOPS = 1.0  # seconds
_owners = WeakKeyDictionary[asyncio.AbstractEventLoop, int]()
"""The process in which each event loop was first used."""


class Pool(Protocol):
    """The connections of one event loop."""

    def wires(self) -> Iterable[asyncio.Transport]:
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
    """

    def __init__(self, make: Callable[[], P]) -> None:
        self.closed = False
        self._make = make
        self._pools: dict[asyncio.AbstractEventLoop, P] = {}
        self._lifetimes: dict[asyncio.AbstractEventLoop, AsyncGenerator[P]] = {}
        self._process = os.getpid()
        self._inherited: list[object] = []

    def find(self, loop: asyncio.AbstractEventLoop) -> P | None:
        """The pool of a loop, if it has one.

        Raises:
            ClientStateError: The transport is closed.
        """
        if self.closed:
            raise ClientStateError("the transport is closed")
        if self._process != os.getpid():
            self._leave_inherited()
        return self._pools.get(loop)

    async def open(self) -> P:
        """Open the pool of the running loop.

        Raises:
            ClientStateError: The loop belongs to another process, or the transport was closed meanwhile.
        """
        loop, process = asyncio.get_running_loop(), os.getpid()
        if _owners.setdefault(loop, process) != process:
            raise ClientStateError(
                "this event loop belongs to the process that this one was forked from: start a loop of its own"
            )
        for other in list(self._lifetimes):
            if other.is_closed():
                await self._close_idle_loop(other)
        if (pool := self.find(loop)) is not None:
            return pool  # of another call, which was faster
        lifetime = self._lifetimes[loop] = self._lifetime(loop)
        return await anext(lifetime)

    async def aclose(self) -> None:
        """Close the pools of all loops; closing twice is fine."""
        self.closed = True
        if self._process != os.getpid():
            self._leave_inherited()
        here = asyncio.get_running_loop()
        elsewhere: list[asyncio.Future[None]] = []
        for loop in list(self._lifetimes):
            if loop is here:
                if lifetime := self._lifetimes.pop(loop, None):
                    await _close(lifetime)
            elif not loop.is_running():
                await self._close_idle_loop(loop)
            elif lifetime := self._lifetimes.pop(loop, None):
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

    async def _close_idle_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the pool of a loop that does not run, in the one that does."""
        lifetime, pool = self._lifetimes.pop(loop, None), self._pools.pop(loop, None)
        if lifetime is not None and pool is not None:
            close_outside(loop, pool.wires())
            await _close(lifetime)

    def _leave_inherited(self) -> None:
        # Kept as they are: to close them here would end the parent's watch over its own connections.
        self._inherited += [dict(self._pools), dict(self._lifetimes)]
        self._pools.clear()
        self._lifetimes.clear()
        self._process = os.getpid()


async def _close(lifetime: AsyncGenerator[Pool]) -> None:
    await lifetime.aclose()


def close_outside(loop: asyncio.AbstractEventLoop, wires: Iterable[asyncio.Transport]) -> None:
    """Close connections whose event loop does not run, and may be closed."""
    # asyncio closes a connection by asking its loop to do it soon. Of what this one is asked for, it does here what
    # connections and protocols want; the tasks that wait for them are left to the loop.
    todo = deque[tuple[Callable[..., object], tuple[Any, ...], Any]]()
    left: list[tuple[Callable[..., object], tuple[Any, ...], Any]] = []

    def call_soon(callback: Callable[..., object], *args: Any, context: Any = None) -> None:
        todo.append((callback, args, context))

    vars(loop)["call_soon"] = call_soon
    try:
        for wire in list(wires):
            wire.abort()
        while todo:
            callback, args, context = todo.popleft()
            if isinstance(getattr(callback, "__self__", None), asyncio.BaseTransport | asyncio.BaseProtocol):
                callback(*args)
            else:
                left.append((callback, args, context))
    finally:
        del vars(loop)["call_soon"]
    if not loop.is_closed():
        for callback, args, context in left:
            loop.call_soon(callback, *args, context=context)


def end_of_life(loop: asyncio.AbstractEventLoop, max_age: float) -> float:
    """The loop's time from which a connection made now is not used any more.

    Somewhat before ``max_age``, so that neither many connections end at once nor the time that a look-up is kept adds
    to it.
    """
    return loop.time() + max_age * uniform(0.8, 0.95)


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


def forget_frames(error: BaseException) -> None:
    """Take the frames off an error and off those it comes from: they hold requests, and often the error itself."""
    seen: list[BaseException | None] = [None]
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and all(one is not other for other in seen):
            seen.append(one)
            one.__traceback__ = None
            todo += [one.__cause__, one.__context__]
