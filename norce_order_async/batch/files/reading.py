"""Batch files, read as a stream: a bad line is an entry like any other."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import attrs

from norce_order_async.batch.files import csv_table
from norce_order_async.batch.files.entry import Format, InputLine
from norce_order_async.batch.files.formats import FORMATS, check_reading, format_of
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.opening import is_stream
from norce_order_async.batch.files.source import Note, Source


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
    # Nothing of the file is touched before its first entry is asked for.
    return (entry for name in (os.fspath(path),) for entry in read_file(name, format, layout))


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

    Raises:
        ConfigurationError: The file is not there, or a folder. While iterating: as :func:`read_changes`.
    """
    checksums = is_stream(path)
    kind = format or format_of(path, layout)
    entries = FORMATS[kind].entries(Source(path, kind, note, file, checksums, unread and not checksums), layout)
    if checksums and not layout.is_plain:
        return _with_layout(entries, layout.digest("", kind).encode())
    return entries


def _with_layout(entries: Iterator[InputLine], layout: bytes) -> Iterator[InputLine]:
    """The entries of a stream, whose checksums tell one layout from another."""
    for entry in entries:
        yield entry if entry.digest is None else attrs.evolve(entry, digest=zlib.crc32(layout, entry.digest))


def count_entries(path: str, format: Format | None, note: Note, layout: InputLayout = PLAIN) -> int:
    """How many entries a file has, without what they mean; ``note`` gets all its bytes as they are stored.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    source = Source(path, format or format_of(path, layout), note)
    with source.open() as stream:
        return sum(1 for source.line in FORMATS[source.format].numbers(stream, layout))


def delimiter_of(path: str, format: Format | None = None, layout: InputLayout = PLAIN) -> str | None:
    """What separates the columns of a CSV file; None for other formats, and for what can be read only once.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    if is_stream(path) or (format or format_of(path, layout)) != "csv":
        return None
    with Source(path, "csv").open() as stream:
        return csv_table.delimiter_of(stream, layout)
