"""What a batch reads: files, one after another, or standard input."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import Condition, Thread

import attrs

from norce_order_async.batch.files import (
    PLAIN,
    Format,
    InputLayout,
    InputLine,
    check_reading,
    count_entries,
    delimiter_of,
    format_of,
    identity_of,
    is_stream,
    read_file,
    shown_name,
    unreadable,
)
from norce_order_async.batch.fingerprint import Fingerprint, Rereading
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.shapes import Shape, check_each, described

AHEAD = 1_000
"""So many entries are read ahead at most from what may wait."""
AHEAD_SIZE = 8 * 1024 * 1024
"""So large are they together at most, in bytes."""


@attrs.frozen
class InputFile:
    """A file that a batch reads.

    Attributes:
        name: What it is called.
        digest: The SHA-256 of its content, and of the layout if one is given, in hexadecimal; None where it can be
            read only once.
        changes: How many changes it holds; None where it can be read only once, and was not read to its end.
    """

    name: str
    digest: str | None
    changes: int | None


_FILE = Shape("an InputFile (Input(...).survey() gives them)", (), kind=InputFile)


def check_files(files: Sequence[InputFile]) -> tuple[InputFile, ...]:
    """Return what a batch reads.

    Raises:
        ConfigurationError: It is something else, such as an :class:`Input` that was not surveyed.
    """
    given: object = files
    if not isinstance(given, Sequence):
        raise ConfigurationError(
            f"inputs must be a sequence of what Input(...).survey() gives, got {described(given)}; [] for other changes"
        )
    return check_each("inputs", files, _FILE)


def total_of(files: Sequence[InputFile]) -> int | None:
    """How many changes these files hold together; None where that is not known, as of no files."""
    counts = [file.changes for file in files if file.changes is not None]
    return sum(counts) if files and len(counts) == len(files) else None


class Input:
    """The entries of batch files, one file after another.

    Iterating over it begins anew each time; standard input and pipes can be read only once. A file that was surveyed
    and has changed since is noticed while it is read, and at its end.

    Args:
        paths: The files; ``-`` is standard input.
        format: The format of all of them; by default their names say it.
        layout: How their columns or members become those of changes.

    Raises:
        ConfigurationError: No file, or one that is named twice; a format that there is not, or another layout than an
            :class:`InputLayout`. While iterating: as :func:`read_changes`, or a file has
            changed since the survey.
    """

    def __init__(self, *paths: Path | str, format: Format | None = None, layout: InputLayout = PLAIN) -> None:
        check_reading(format, layout)
        self._paths = tuple(os.fspath(path) for path in paths)
        self._format: Format | None = format
        self._layout = layout
        self._begun = False
        self._seen: dict[str, Fingerprint] = {}
        self._counts: dict[str, int] = {}
        if not paths:
            raise ConfigurationError("no file to read changes from")
        known: set[object] = set()
        for path in self._paths:
            if (identity := identity_of(path)) in known:
                raise ConfigurationError(f"{shown_name(path)} is named twice: its changes would be made twice")
            known.add(identity)

    def survey(self) -> tuple[InputFile, ...]:
        """Read every file once, without what its lines mean.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        streams = self._streams()
        return tuple(
            InputFile(shown_name(path), None, None) if path in streams else self._survey(path) for path in self._paths
        )

    def _survey(self, path: str) -> InputFile:
        try:
            seen = self._seen[path] = Fingerprint(path)
        except OSError as error:
            raise unreadable(path, error) from None
        changes = count_entries(path, self._format, seen.note, self._layout)
        digest = self._layout.digest(seen.digest, self._format or format_of(path, self._layout))
        return InputFile(path, digest, changes)

    @cached_property
    def delimiters(self) -> list[str]:
        """What separates the columns of the CSV files among them.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        found = (delimiter_of(path, self._format, self._layout) for path in self._paths)
        return [delimiter for delimiter in found if delimiter is not None]

    def __iter__(self) -> Iterator[InputLine]:
        return chain.from_iterable(self._files())

    def _files(self, *, unread: bool = False) -> Iterator[Iterator[InputLine]]:
        """The entries of each file; a file is whole when the next one is asked for."""
        if (streams := self._streams()) and self._begun:
            raise ConfigurationError(f"{shown_name(streams[0])} can be read only once")
        self._begun = True
        for path in self._paths:
            file = shown_name(path) if len(self._paths) > 1 else None
            again = Rereading(self._seen[path]) if path in self._seen else None
            entries = read_file(
                path, self._format, self._layout, file=file, note=None if again is None else again.note, unread=unread
            )
            yield self._counted(path, entries) if path in streams else entries
            if again is not None:
                again.end()

    def _counted(self, path: str, entries: Iterator[InputLine]) -> Iterator[InputLine]:
        count = 0
        for entry in entries:
            count += 1
            yield entry
        self._counts[path] = count

    @property
    def counts(self) -> list[int | None]:
        """How many changes each file holds that can be read only once; None for one that was not read to its end.

        :meta private:
        """
        return [self._counts.get(path) for path in self._paths]

    def entries(self) -> Iterator[InputLine] | AsyncIterator[InputLine]:
        """The entries for an event loop: what may wait for its other end is read in a thread.

        Raises:
            ConfigurationError: A file is not there.
        """
        return follow(iter(self)) if self._streams() else iter(self)

    def unread(self) -> Iterator[InputLine] | AsyncIterator[InputLine]:
        """:meth:`entries` for whoever hands them on: what a line of a file means may be left to be read.

        Raises:
            ConfigurationError: A file is not there.
        """
        return self.entries() if self._streams() else chain.from_iterable(self._files(unread=True))

    @property
    def has_streams(self) -> bool:
        """Whether part of it can be read only once."""
        return bool(self._streams())

    def _streams(self) -> list[str]:
        return [path for path in self._paths if is_stream(path)]


async def follow(entries: Iterator[InputLine]) -> AsyncGenerator[InputLine]:
    """The entries of an iterator that may block, as they come, while the event loop goes on.

    A thread reads ahead, ``AHEAD`` entries or ``AHEAD_SIZE`` bytes. Python doesn't wait for it at its end.
    """
    ahead = _Ahead(entries, asyncio.get_running_loop())
    Thread(target=ahead.read, name="norce-order input", daemon=True).start()
    try:
        while block := await ahead.take():
            for entry in block:
                yield entry
    finally:
        ahead.close()


class _Ahead:
    """What the thread has read and the event loop has not taken."""

    def __init__(self, entries: Iterator[InputLine], loop: asyncio.AbstractEventLoop) -> None:
        self._entries = entries
        self._loop = loop
        self._arrived = asyncio.Event()
        self._changed = Condition()
        self._waiting: list[InputLine] = []
        self._size = 0
        self._ended = self._closed = False
        self._error: Exception | None = None

    def read(self) -> None:
        """Read until the end, or until it is closed; runs in the thread."""
        try:
            for entry in self._entries:
                if not self._put(entry):
                    return
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._wake()

    def _put(self, entry: InputLine) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (len(self._waiting) < AHEAD and self._size < AHEAD_SIZE),
            )
            self._waiting.append(entry)
            self._size += entry.size
            if len(self._waiting) == 1:
                self._wake()
            return not self._closed

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[InputLine]:
        """All that has been read; none at the end. What the iterator raised is raised after all it gave."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            with self._changed:
                block, ended = self._waiting, self._ended
                self._waiting, self._size = [], 0
                self._changed.notify()
            if block:
                if ended:
                    self._arrived.set()
                return block
            if ended:
                if self._error is not None:
                    raise self._error
                return block

    def close(self) -> None:
        """Have the thread end when it has read what it waits for."""
        with self._changed:
            self._closed = True
            self._changed.notify()
