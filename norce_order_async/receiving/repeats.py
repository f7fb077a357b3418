"""Which messages were handled already."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class Repeats:
    """Remembers the keys of the latest messages that were handled, in this process.

    Args:
        most: How many keys.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._seen: dict[Hashable, None] = {}
        self._running: dict[Hashable, asyncio.Event] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[object]]) -> bool:
        """Do the work, unless work of the same key succeeded before or is under way: then wait until that ends.

        Returns:
            Whether the work is done. It is not where the other one has failed: then this one, which has waited, is
            not begun, as it would have only what is left of its time.
        """
        if (running := self._running.get(key)) is not None:
            await running.wait()
            return key in self._seen
        if key in self._seen:
            return True
        ended = self._running[key] = asyncio.Event()
        try:
            await work()
            self._seen[key] = None
            if len(self._seen) > self._most:
                del self._seen[next(iter(self._seen))]
        finally:
            del self._running[key]
            ended.set()
        return True
