"""The input of a batch in blocks of entries, each with what tells it from another one."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import cast

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import digest_of
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.core.kinds import kind_of

Changes = Iterable[Change | InputLine] | AsyncIterable[Change | InputLine]
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
    return cast("Changes", changes)


@attrs.define
class Block:
    """Entries that follow each other.

    Attributes:
        first: The place of the first one in the whole input, from 1.
        entries: The entries.
    """

    first: int = 1
    entries: list[InputLine] = attrs.Factory(list[InputLine])


async def blocks(
    changes: Changes, size: Callable[[], int], rest: Block, journal: RunJournal | None
) -> AsyncGenerator[Block]:
    """The entries in blocks of at most ``size()``; a slow asynchronous input gives smaller ones at once.

    What the input raises is raised after the block of what came before it. What an asynchronous input has given
    when this is closed goes to ``rest``.
    """
    first = 1
    # The lines of files go on as they are.
    kept = () if journal is not None and not journal.has_inputs else InputLine
    entry_of = partial(as_entry, journal=journal)
    if isinstance(changes, AsyncIterable):
        source = _pumped(changes, size, rest.entries, kept, entry_of)
    else:
        source = _sliced(changes, size, kept, entry_of)
    try:
        async with aclosing(source):
            async for entries in source:
                block = Block(first, entries)
                first += len(entries)
                yield block
    finally:
        rest.first = first


def as_entry(number: int, item: object, journal: RunJournal | None) -> InputLine:
    """One item of an input as an entry; a change is one without a file, and its place is its line.

    With a journal it has a digest where nothing else says which change it is.

    Raises:
        TypeError: It is neither a change nor an entry.
    """
    if isinstance(item, Change):
        return InputLine(number, item, digest=None if journal is None else digest_of(item))
    if not isinstance(item, InputLine):
        raise TypeError(f"{_TAKES}, got {kind_of(item)}")
    if journal is None or journal.has_inputs or item.change is None or item.digest is not None:
        return item
    return attrs.evolve(item, digest=digest_of(item.change))


_Kept = type[InputLine] | tuple[()]
"""The class of items that are entries already."""
_EntryOf = Callable[[int, object], InputLine]


async def _sliced(
    changes: Iterable[Change | InputLine], size: Callable[[], int], kept: _Kept, entry_of: _EntryOf
) -> AsyncGenerator[list[InputLine]]:
    block: list[InputLine] = []
    most, weight = size(), 0
    try:
        for number, item in enumerate(changes, 1):
            entry = item if isinstance(item, kept) else entry_of(number, item)
            weight += entry.size
            block.append(entry)
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
    changes: AsyncIterable[Change | InputLine],
    size: Callable[[], int],
    rest: list[InputLine],
    kept: _Kept,
    entry_of: _EntryOf,
) -> AsyncGenerator[list[InputLine]]:
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
        await asyncio.wait([pumping])
        rest += waiting
