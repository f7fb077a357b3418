"""An input in blocks: as many entries as are there at once."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import cast

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import Entry
from norce_order_async.core.kinds import kind_of

Changes = Iterable[Change | Entry] | AsyncIterable[Change | Entry]
"""What a batch makes: changes, or the entries of a file."""
_TAKES = "a batch takes an iterable of changes, such as PatchConsent(...), or of entries"
BLOCK_SIZE = 1024 * 1024
"""Bytes of input after which a block ends."""


def check_changes(changes: object) -> Changes:
    """Return ``changes`` if a batch may read it.

    Raises:
        TypeError: It is text, a path, a record, or nothing that can be iterated over.
    """
    got = kind_of(changes)
    if isinstance(changes, str | bytes | os.PathLike):
        raise TypeError(f'{_TAKES}, got {got}: Input("changes.jsonl") reads a file')
    if isinstance(changes, Mapping) or not isinstance(changes, Iterable | AsyncIterable):
        raise TypeError(f"{_TAKES}, got {got}")
    return cast(Changes, changes)


@attrs.define
class Block:
    """Entries that follow each other.

    Attributes:
        first: The place of the first one in the whole input, from 1.
        entries: The entries.
    """

    first: int = 1
    entries: list[Entry] = attrs.Factory(list[Entry])


async def blocks(changes: Changes, size: Callable[[], int], rest: Block) -> AsyncGenerator[Block]:
    """The entries in blocks of at most ``size()``; a slow asynchronous input gives smaller ones at once.

    What the input raises is raised after the block of what came before it. What an asynchronous input has given
    when this is closed goes to ``rest``.
    """
    first = 1
    left: list[Change | Entry] = []
    source = _pumped(changes, size, left) if isinstance(changes, AsyncIterable) else _sliced(changes, size)
    try:
        async with aclosing(source):
            async for items in source:
                block = Block(first, _entries(first, items))
                first += len(items)
                yield block
    finally:
        rest.first, rest.entries = first, _entries(first, left)


def _entries(first: int, items: list[Change | Entry]) -> list[Entry]:
    return [item if isinstance(item, Entry) else Entry(place, item) for place, item in enumerate(items, first)]


def _check(item: object) -> None:
    if not isinstance(item, Change | Entry):
        raise TypeError(f"{_TAKES}, got {kind_of(item)}")


def _size_of(item: Change | Entry) -> int:
    return item.size if isinstance(item, Entry) else 0


async def _sliced(changes: Iterable[Change | Entry], size: Callable[[], int]) -> AsyncGenerator[list[Change | Entry]]:
    block: list[Change | Entry] = []
    most, weight = size(), 0
    try:
        for item in changes:
            _check(item)
            block.append(item)
            weight += _size_of(item)
            if len(block) == most or weight >= BLOCK_SIZE:
                yield block
                block, most, weight = [], size(), 0
    except (Exception, asyncio.CancelledError):
        if block:
            yield block
        raise
    if block:
        yield block


async def _pumped(
    changes: AsyncIterable[Change | Entry], size: Callable[[], int], rest: list[Change | Entry]
) -> AsyncGenerator[list[Change | Entry]]:
    waiting: deque[Change | Entry] = deque()
    arrived, taken = asyncio.Event(), asyncio.Event()

    async def pump() -> None:
        iterator = aiter(changes)
        try:
            async for item in iterator:
                _check(item)
                waiting.append(item)
                arrived.set()
                while len(waiting) >= size() or sum(map(_size_of, waiting)) >= BLOCK_SIZE:
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
                block = list(waiting)
                waiting.clear()
                taken.set()
                yield block
            elif pumping.done():
                pumping.result()
                return
    finally:
        pumping.cancel()
        await asyncio.wait([pumping])
        rest += waiting
