"""Batch files, read as a stream: a bad line is an entry like any other."""

import os
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import attrs

from norce_order_async.batch.files import csv_table
from norce_order_async.batch.files.entry import ContentError, CutError, Format, InputLine
from norce_order_async.batch.files.formats import FORMATS, SOUGHT_IN, UNREAD, check_reading, format_of
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.opening import is_stream, open_file, open_seekable, shown_name, unreadable
from norce_order_async.core.errors import ConfigurationError

Note = Callable[[bytes], object]
_CHECK_EVERY = 1_000


def _open(path: str, format: Format, note: Note | None) -> AbstractContextManager[BinaryIO]:
    return (open_seekable if format in SOUGHT_IN else open_file)(path, note)


@contextmanager
def _naming(path: str, last: Callable[[], int] = int) -> Generator[None]:
    """Name the file in the error of one that cannot be read, and the ``last`` line that could be.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        yield
    except CutError as error:
        raise ConfigurationError(
            f"{shown_name(path)} ended inside line {error}: nothing of that line is made. Give the whole input again"
        ) from None
    except ContentError as error:
        raise ConfigurationError(f"{shown_name(path)}: {error}") from None
    except OSError as error:
        raise unreadable(path, error, last()) from None


def read_changes(path: Path | str, format: Format | None = None, layout: InputLayout = PLAIN) -> Iterator[InputLine]:
    """The entries of a file, one after another; blank lines are passed over. UTF-8, or UTF-16 with a BOM.

    The file may be compressed with gzip, whatever its name. ``-`` is standard input. What comes from standard input or
    a pipe and ends inside a line was cut: in CSV the last line needs a line end, in JSON Lines it has to be an object.

    Raises:
        ConfigurationError: There is no such format, or the layout is none. While iterating: the file cannot be read
            (the message names the last line that could be), is not of its format, is a table whose first line doesn't
            name the columns, or was cut inside a line.
    """
    check_reading(format, layout)
    return read_file(os.fspath(path), format, layout)


def read_file(
    path: str,
    format: Format | None = None,
    layout: InputLayout = PLAIN,
    *,
    file: str | None = None,
    note: Note | None = None,
    unread: bool = False,
) -> Iterator[InputLine]:
    """:func:`read_changes`, with ``file`` in the entries; ``note`` gets all its bytes as they are stored.

    With ``unread`` what the lines of a file mean is left to whoever makes them; those of a stream are always read.
    """
    checksums = is_stream(path)
    kind = format or format_of(path, layout)
    unread_of = UNREAD.get(kind) if unread and not checksums else None
    line = 0
    with _naming(path, lambda: line), _open(path, kind, note) as stream:
        if unread_of is None:
            found = FORMATS[kind].entries(stream, file, checksums, layout)
        else:
            found = unread_of(stream, file, layout)
        if note is not None and kind in SOUGHT_IN:
            found = _watched(found, note)
        if checksums and not layout.is_plain:
            found = _with_layout(found, layout.digest("", kind).encode())
        for entry in found:
            yield entry
            line = entry.line


def _watched(entries: Iterator[InputLine], note: Note) -> Iterator[InputLine]:
    """The entries of a file whose bytes were all noted before, looked at again and again: it may change meanwhile."""
    for count, entry in enumerate(entries):
        if count % _CHECK_EVERY == 0:
            note(b"")
        yield entry


def _with_layout(entries: Iterator[InputLine], layout: bytes) -> Iterator[InputLine]:
    """The entries of a stream, whose checksums tell one layout from another."""
    for entry in entries:
        yield entry if entry.digest is None else attrs.evolve(entry, digest=zlib.crc32(layout, entry.digest))


def count_entries(path: str, format: Format | None, note: Note, layout: InputLayout = PLAIN) -> int:
    """How many entries a file has, without what they mean; ``note`` gets all its bytes as they are stored.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    line = count = 0
    kind = format or format_of(path, layout)
    with _naming(path, lambda: line), _open(path, kind, note) as stream:
        for number in FORMATS[kind].numbers(stream, layout):
            line, count = number, count + 1
    return count


def delimiter_of(path: str, format: Format | None = None, layout: InputLayout = PLAIN) -> str | None:
    """What separates the columns of a CSV file; None for other formats, and for what can be read only once.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    if is_stream(path) or (format or format_of(path, layout)) != "csv":
        return None
    with _naming(path), open_file(path) as stream:
        return csv_table.delimiter_of(stream, layout)
