"""A task that waits: until something comes before its time, and whether somebody cancelled it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from norce_order_async.core.clock import Clock


def cancellations() -> int:
    """How often somebody cancelled the running task."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def is_cancelled(before: int = 0) -> bool:
    """Whether somebody cancelled the running task, and not only what it waits for.

    Args:
        before: How often that had happened when what is asked about began: a task that was cancelled may go on.
    """
    return asyncio.current_task() is None or cancellations() > before


async def wait_first(*coroutines: Coroutine[Any, Any, object], timeout: float | None = None) -> None:
    """Wait until one of them has ended, or so many seconds have passed; the others are cancelled."""
    waits: list[asyncio.Future[object]] = list(map(asyncio.ensure_future, coroutines))
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def pause(clock: Clock, delay: float, *until: asyncio.Event) -> None:
    """Wait until so many seconds have passed, or one of the events is set."""
    await wait_first(clock.sleep(delay), *(event.wait() for event in until))
