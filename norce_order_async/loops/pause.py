"""Waiting for a time to pass, or for something that comes before."""

import asyncio
from typing import Any

from norce_order_async.core.clock import Clock


async def pause(clock: Clock, delay: float, *until: asyncio.Event) -> None:
    """Wait until so many seconds have passed, or one of the events is set."""
    coroutines = (clock.sleep(delay), *(event.wait() for event in until))
    waits: list[asyncio.Future[Any]] = list(map(asyncio.ensure_future, coroutines))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
