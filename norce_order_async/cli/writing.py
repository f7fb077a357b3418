"""Writing for a reader that may pause: in a thread of its own."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_STUCK = 1.0
"""Seconds after which nobody seems to read what is written."""


class Writing:
    """Writes in order, in one thread, which the first write begins; in that of whoever asks where none can be begun.

    It is one for all that a command writes while its event loop runs, so that nothing stands within something else.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._is_begun = False
        self._since: float | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether nobody seems to read what is written now."""
        since = self._since
        return since is not None and time.monotonic() - since > _STUCK

    def begin(self, write: Callable[..., None], *arguments: object) -> Future[None]:
        """Begin to write, or take a place behind what is written."""
        if not self._is_begun:
            self._is_begun, self._thread = True, _begin_thread()
        if self._thread is not None:
            return self._thread.submit(self._work, write, *arguments)
        write(*arguments)
        written = Future[None]()
        written.set_result(None)
        return written

    def _work(self, write: Callable[..., None], *arguments: object) -> None:
        self._since = time.monotonic()
        try:
            write(*arguments)
        finally:
            self._since = None

    async def write(self, write: Callable[..., None], *arguments: object) -> None:
        """Wait until it is written. Where the waiting is cancelled it is written nevertheless."""
        await asyncio.shield(asyncio.wrap_future(self.begin(write, *arguments)))

    async def aclose(self) -> None:
        """Wait until all is written."""
        if self._thread is not None:
            await self.write(_nothing)
            self._thread.shutdown()


def _begin_thread() -> ThreadPoolExecutor | None:
    thread = ThreadPoolExecutor(1)
    try:
        thread.submit(_nothing)
    except RuntimeError:  # the system has no memory for one, or allows no more
        return None
    return thread


def _nothing() -> None:
    """Take a place in the thread."""
