"""Whether a CancelledError is for the task that meets it."""

import asyncio


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task, and not only what it waits for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
