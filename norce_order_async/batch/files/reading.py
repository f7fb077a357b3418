"""Batch files, read as a stream: a bad line is an entry like any other. Each format has its own module."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from norce_order_async.batch.files import csv_table, json_lines
from norce_order_async.batch.files.entry import CutError, Entry, Format
from norce_order_async.batch.files.opening import is_stream, open_file, shown_name, unreadable
from norce_order_async.core.errors import ConfigurationError


class _FileFormat(Protocol):
    """What a format's module has."""

    def entries(self, stream: BinaryIO, file: str | None, checksums: bool) -> Iterator[Entry]:
        """The entries; ``checksums`` for what can be read only once, which may have been cut inside a line."""
        ...

    def unread(self, stream: BinaryIO, file: str | None) -> Iterator[Entry]:
        """The entries, those unread whose order can be told without reading all they mean."""
        ...

    def numbers(self, stream: BinaryIO) -> Iterator[int]:
        """The number of each line that is an entry, without what it means."""
        ...


_FORMATS: Mapping[Format, _FileFormat] = {"jsonl": json_lines, "csv": csv_table}


def format_of(path: Path | str) -> Format:
    """CSV for files named ``*.csv`` or ``*.csv.gz``, JSON Lines for any other."""
    return "csv" if os.fspath(path).lower().removesuffix(".gz").endswith(".csv") else "jsonl"


def read_changes(path: Path | str, format: Format | None = None) -> Iterator[Entry]:
    """The entries of a file, one after another; blank lines are passed over. UTF-8, with or without a BOM.

    The file may be compressed with gzip, whatever its name. ``-`` is standard input. What comes from standard input or
    a pipe and ends inside a line was cut: in CSV the last line needs a line end, in JSON Lines it has to be an object.

    Raises:
        ConfigurationError: The file cannot be read (the message names the last line that could be), is UTF-16 or a
            ZIP archive, is a CSV file whose first line doesn't name the columns, or was cut inside a line.
    """
    return read_file(os.fspath(path), format)


def read_file(
    path: str,
    format: Format | None = None,
    *,
    file: str | None = None,
    note: Callable[[bytes], object] | None = None,
    unread: bool = False,
) -> Iterator[Entry]:
    """:func:`read_changes`, with ``file`` in the entries; ``note`` gets all its bytes as they are stored.

    With ``unread`` what the lines of a file mean is left to whoever makes them; those of a stream are always read.
    """
    checksums = is_stream(path)
    lines = _FORMATS[format or format_of(path)]
    line = 0
    try:
        with open_file(path, note) as stream:
            found = lines.unread(stream, file) if unread and not checksums else lines.entries(stream, file, checksums)
            for entry in found:
                yield entry
                line = entry.line
    except CutError as error:
        raise ConfigurationError(
            f"{shown_name(path)} ended inside line {error}: nothing of that line is made. Give the whole input again"
        ) from None
    except OSError as error:
        raise unreadable(path, error, line) from None


def count_entries(path: str, format: Format | None, note: Callable[[bytes], object]) -> int:
    """How many entries a file has, without what they mean; ``note`` gets all its bytes as they are stored.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    line = count = 0
    try:
        with open_file(path, note) as stream:
            for number in _FORMATS[format or format_of(path)].numbers(stream):
                line, count = number, count + 1
    except OSError as error:
        raise unreadable(path, error, line) from None
    return count
