"""Writing for a reader that may pause: in a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Writing:
    """Writes in order, in a thread that is begun at once; where none can be begun, in the thread that asks for it."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = ThreadPoolExecutor(1)
        try:
            self._thread.submit(int)
        except RuntimeError:  # the system has no memory for one, or allows no more
            self._thread = None

    def begin(self, write: Callable[..., None], *arguments: object) -> Future[None]:
        """Begin to write, or take a place behind what is written."""
        if self._thread is not None:
            return self._thread.submit(write, *arguments)
        write(*arguments)
        written = Future[None]()
        written.set_result(None)
        return written

    async def write(self, write: Callable[..., None], *arguments: object) -> None:
        """Wait until it is written. Where the waiting is cancelled it is written nevertheless."""
        await asyncio.shield(asyncio.wrap_future(self.begin(write, *arguments)))

    def close(self) -> None:
        """Wait until all is written."""
        if self._thread is not None:
            self._thread.shutdown()
