"""An asynchronous input, read ahead and handed on in blocks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress

from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import InputLine

BLOCK_SIZE = 1024 * 1024
"""Bytes of input after which a block ends."""
Kept = type[InputLine] | tuple[()]
"""The class of items that are entries already."""
EntryOf = Callable[[int, object], InputLine]
"""Makes an entry of any other item, with its number."""


async def pumped(
    changes: AsyncIterable[Change | InputLine],
    size: Callable[[], int],
    rest: list[InputLine],
    kept: Kept,
    entry_of: EntryOf,
) -> AsyncGenerator[list[InputLine]]:
    """The entries of an asynchronous input in blocks of at most ``size()``; what has come makes a block at once.

    A task reads ahead, a block at most. What it has read when this is closed goes to ``rest``.
    """
    waiting: list[InputLine] = []
    number = weight = 0
    arrived, taken = asyncio.Event(), asyncio.Event()

    async def pump() -> None:
        nonlocal number, weight
        iterator = aiter(changes)
        try:
            async for item in iterator:
                number += 1
                entry = item if isinstance(item, kept) else entry_of(number, item)
                weight += entry.size
                waiting.append(entry)
                arrived.set()
                while len(waiting) >= size() or weight >= BLOCK_SIZE:
                    taken.clear()
                    await taken.wait()
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    pumping = asyncio.create_task(pump())
    pumping.add_done_callback(lambda _: arrived.set())
    try:
        while True:
            if not waiting and not pumping.done():
                arrived.clear()
                await arrived.wait()
            if waiting:
                block = waiting.copy()
                waiting.clear()
                weight = 0
                taken.set()
                yield block
            elif pumping.done():
                pumping.result()
                return
    finally:
        pumping.cancel()
        while not pumping.done():
            with suppress(asyncio.CancelledError):  # whoever cancels this waits for the input to close
                await asyncio.wait([pumping])
        rest += waiting
