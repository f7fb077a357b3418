"""Work for the event loops of other threads, which may end at any moment."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_LOOK = 0.01
"""Seconds after which to look again whether the other loop was closed: that wakes nobody."""
_under_way = set[asyncio.Task[None]]()
"""Kept, because event loops refer to their tasks weakly."""


async def run_elsewhere(loop: asyncio.AbstractEventLoop, make: Callable[[], Coroutine[Any, Any, None] | None]) -> None:
    """Run something in the loop of another thread; return when it has ended in any way, or that loop was closed.

    Args:
        loop: The other one.
        make: Makes the coroutine, if there is anything to do. It is called in the other loop: one made here would be
            left over where that loop runs no more.
    """
    here = asyncio.get_running_loop()
    ended: asyncio.Future[None] = here.create_future()

    def end() -> None:
        with suppress(RuntimeError):  # nobody waits any more
            here.call_soon_threadsafe(ended.set_result, None)

    def leave(task: asyncio.Task[None]) -> None:
        _under_way.discard(task)
        end()

    def start() -> None:
        work = make()
        if work is None:
            end()
            return
        task = loop.create_task(work)
        _under_way.add(task)
        task.add_done_callback(leave)

    try:
        loop.call_soon_threadsafe(start)
    except RuntimeError:
        return  # it is closed
    while not ended.done() and not loop.is_closed():
        await asyncio.wait([ended], timeout=_LOOK)
