"""What the apps beside this file share: how long a visitor waits, who has left, and what became of each call."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from norce_order_async import CallOptions
from norce_order_async.middleware import Call

LONGEST = 10.0
"""Seconds that a call has where the visitor does not say less."""

logger = logging.getLogger("shop")


def visitor_options(x_request_timeout: str | None) -> CallOptions:
    """The deadline that a visitor asks for in seconds, or the server's."""
    try:
        seconds = float(x_request_timeout or LONGEST)
    except ValueError:
        seconds = LONGEST
    return CallOptions(timeout=seconds if 0 < seconds < LONGEST else LONGEST)


def log_end(call: Call, error: BaseException | None) -> None:
    """One line for each call that ends, also when it was cancelled; for ``on_call``."""
    cause = f" ({type(error).__name__})" if error else ""
    logger.info("%s %s: %s%s", call.operation, call.request_id, call.outcome, cause)


class VisitorLeft(Exception):
    """The visitor left, and what was done for them was cancelled."""


@asynccontextmanager
async def cancel_on_disconnect(
    receive: Callable[[], Awaitable[Any]],
) -> AsyncGenerator[None, None]:
    """Cancel the block when the visitor leaves; for ASGI frameworks that do not do so themselves.

    The request's body must have been read: what is received in here is thrown away.

    Raises:
        VisitorLeft: The block was cancelled for that.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Another cancellation may have come as well; that one goes on.
        if left and task.uncancel() == 0:
            raise VisitorLeft from None
        raise
    finally:
        watcher.cancel()
