"""Connections of an event loop, whichever library makes them."""

import asyncio
import select
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from norce_order_async.core.random_source import RandomSource

T = TypeVar("T")
MOST_IDLE = 100
"""Idle connections of an event loop that are kept when another one is made, those in use not counted."""
_TURNS = 5
"""Turns of the event loop after which aborted connections are closed, TLS included."""


def end_of_life(loop: asyncio.AbstractEventLoop, max_age: float, random: RandomSource) -> float:
    """The loop's time from which a connection made now is not used any more.

    It is a random time before ``max_age``, so that connections do not all end at once, and the time for which a look-up
    is kept does not add to it.
    """
    return loop.time() + max_age * random.uniform(0.8, 0.95)


def take_surplus(
    idle: dict[Any, list[T]] | dict[Any, deque[T]], since: Callable[[T], float], is_open: Callable[[T], bool]
) -> T | None:
    """Before a connection is made: of too many idle ones, take out the one that is idle for the longest, to be closed.

    So at most ``MOST_IDLE`` more are open than are in use at once. Those that the server has closed are taken out, too,
    and so are the origins that have none: with thousands of hosts, to go through them takes longer than all else.

    Args:
        idle: The idle connections to each origin, the one that is idle for the longest first.
        since: When one became idle, in seconds.
        is_open: Whether one is open.
    """
    if sum(map(len, idle.values())) < MOST_IDLE:
        return None
    for origin, connections in list(idle.items()):
        still_open = list(filter(is_open, connections))
        connections.clear()
        connections.extend(still_open)
        if not still_open:
            del idle[origin]
    if sum(map(len, idle.values())) < MOST_IDLE:
        return None
    oldest = min(idle.values(), key=lambda connections: since(connections[0]))
    first = oldest[0]
    del oldest[0]
    return first


def unread_check(connection: asyncio.Transport) -> Callable[[], object]:
    """A function that tells whether a connection has unread data: bytes, or its end."""
    sock = connection.get_extra_info("socket")
    if sock is None:
        return lambda: False
    if hasattr(select, "poll"):  # select() knows no descriptor above 1023
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return partial(poll.poll, 0)
    return lambda: select.select([sock], [], [], 0)[0]


async def await_closed() -> None:
    """Let the event loop close connections that were aborted."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def close_outside(loop: asyncio.AbstractEventLoop, connections: Iterable[asyncio.Transport]) -> None:
    """Close connections of an event loop that no other thread runs, and that may be closed."""
    # asyncio closes a connection with callbacks that it schedules on the loop. Those of connections and protocols are
    # run here; those of tasks, which wait for them, are left to the loop.
    todo = deque[tuple[Callable[..., object], tuple[Any, ...], Any]]()
    left: list[tuple[Callable[..., object], tuple[Any, ...], Any]] = []

    def call_soon(callback: Callable[..., object], *args: Any, context: Any = None) -> None:
        todo.append((callback, args, context))

    vars(loop)["call_soon"] = call_soon
    try:
        for connection in list(connections):
            connection.abort()
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
