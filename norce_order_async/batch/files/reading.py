"""Batch files, read as a stream: a bad line is an entry like any other. Each format has its own module."""

import codecs
import os
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import attrs

from norce_order_async.batch.files import csv_table, id_list, json_array, json_lines, parquet, workbook
from norce_order_async.batch.files.entry import ContentError, CutError, Format, InputLine
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.opening import is_stream, open_file, open_seekable, shown_name, unreadable
from norce_order_async.batch.files.typed_table import TypedTable
from norce_order_async.core.checks import check_choice
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.shapes import Shape, check_shape

Note = Callable[[bytes], object]


class _FileFormat(Protocol):
    """What a format's module has."""

    def entries(self, stream: BinaryIO, file: str | None, checksums: bool, layout: InputLayout) -> Iterator[InputLine]:
        """The entries; ``checksums`` for what can be read only once, which may have been cut inside a line."""
        ...

    def numbers(self, stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
        """The number of each line that is an entry, without what it means."""
        ...


_FORMATS: Mapping[Format, _FileFormat] = {
    "jsonl": json_lines,
    "csv": csv_table,
    "json": json_array,
    "ids": id_list,
    "xlsx": TypedTable(workbook.rows_of),
    "parquet": TypedTable(parquet.rows_of),
}
_UNREAD: Mapping[Format, Callable[[BinaryIO, str | None, InputLayout], Iterator[InputLine]]] = {
    "jsonl": json_lines.unread,
    "csv": csv_table.unread,
}
"""The formats whose lines tell their order without being read as a whole."""
_SOUGHT_IN = frozenset({"xlsx", "parquet"})
_ENDINGS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
}
_CHECK_EVERY = 1_000


_LAYOUT = Shape("an InputLayout", (), kind=InputLayout)


def check_reading(format: Format | None, layout: InputLayout) -> None:
    """See that files can be read so.

    Raises:
        ConfigurationError: There is no such format, or ``layout`` is none.
    """
    if format is not None:
        check_choice("format", format, _FORMATS)
    check_shape("layout", layout, _LAYOUT)


def format_of(path: Path | str, layout: InputLayout = PLAIN) -> Format:
    """The format that a file's name says, gzip aside: CSV, a workbook, Parquet, and JSON Lines for any other.

    ``*.json`` is one array where it begins with a bracket. ``*.txt`` is a list of ids where the layout says what to do
    with them.
    """
    name = os.fspath(path)
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending == ".txt" and "op" in layout.fill and not layout.columns:
        return "ids"
    if ending == ".json" and _begins_an_array(name):
        return "json"
    return _ENDINGS.get(ending, "jsonl")


def _begins_an_array(path: str) -> bool:
    """Whether the first character of a file is a bracket; what cannot be read is told by whoever reads it."""
    try:
        if is_stream(path):
            return False
        with open_file(path) as stream:
            return stream.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    except (OSError, ConfigurationError):
        return False


def _open(path: str, format: Format, note: Note | None) -> AbstractContextManager[BinaryIO]:
    return (open_seekable if format in _SOUGHT_IN else open_file)(path, note)


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
    unread_of = _UNREAD.get(kind) if unread and not checksums else None
    line = 0
    with _naming(path, lambda: line), _open(path, kind, note) as stream:
        if unread_of is None:
            found = _FORMATS[kind].entries(stream, file, checksums, layout)
        else:
            found = unread_of(stream, file, layout)
        if note is not None and kind in _SOUGHT_IN:
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
        for number in _FORMATS[kind].numbers(stream, layout):
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
