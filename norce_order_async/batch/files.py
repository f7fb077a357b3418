"""Batch files: JSON Lines and CSV, read as a stream; a bad line is an entry like any other."""

import csv
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, cast

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.columns import COLUMNS, IDS, JSON_CELLS
from norce_order_async.batch.lines import make_change, parse_change
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError, printable
from norce_order_async.wire import fastjson
from norce_order_async.wire.json import JSON
from norce_order_async.wire.strict import decode_unique

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Format = Literal["jsonl", "csv"]

MAX_LINE = 2 * 1024 * 1024
"""Bytes; a longer line is a bad one. Attributes may take 1 MiB."""

_STANDARD_INPUT = "-"
_CHUNK = 128 * 1024
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's number for gzip with its largest window
_OTHERS = {b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text", b"PK\3\4": "a ZIP archive or an Excel workbook"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_ONE_OBJECT = "each line is one object, without brackets around the lines or commas after them"

_NOT_CLOSED = "a quote is not closed"
_INNER = frozenset({dict, list})

_Meaning = tuple[Change | None, str | None, JSON]
"""What a line says: a change, or a problem and what was read."""


@attrs.frozen
class Entry:
    """One line of a batch file.

    Attributes:
        line: Its number in the file, from 1.
        change: What it means; None for a bad line.
        problem: What is wrong with a bad line.
        source: The line as it was read, for a bad one.
        file: The name of the file, when there are several.
        size: How long the line is, in bytes; in CSV, in characters.
        digest: A checksum of a line with a change, where the input can be read only once.
        request_id: What to send as ``x-request-id``; without it a random one is made.
        redelivered: Whether the change may have been applied before; see :class:`CallOptions`.
    """

    line: int
    change: Change | None = None
    problem: str | None = None
    source: JSON = None
    file: str | None = None
    size: int = 0
    digest: int | None = None
    request_id: str | None = None
    redelivered: bool = False


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
) -> Iterator[Entry]:
    """:func:`read_changes`, with ``file`` in the entries; ``note`` gets all its bytes as they are stored."""
    checksums = is_stream(path)
    line = 0
    try:
        with _open(path, note) as stream:
            read = _read_csv if (format or format_of(path)) == "csv" else _read_jsonl
            for entry in read(stream, file, checksums):
                yield entry
                line = entry.line
    except _Cut as error:
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
        with _open(path, note) as stream:
            lines = _Table(stream) if (format or format_of(path)) == "csv" else _lines(stream)
            for number, _ in lines:
                line, count = number, count + 1
    except OSError as error:
        raise unreadable(path, error, line) from None
    return count


def is_stream(path: str) -> bool:
    """Whether a file can be read only once, and reading it may wait: standard input, a pipe, a terminal.

    Raises:
        ConfigurationError: It is not there, or a folder.
    """
    if path == _STANDARD_INPUT:
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} cannot be read: it is a folder; name the files in it")
    return not stat.S_ISREG(mode)


def shown_name(path: str) -> str:
    """What people call a file."""
    return "standard input" if path == _STANDARD_INPUT else path


def unreadable(path: str, error: OSError | ValueError, line: int = 0) -> ConfigurationError:
    """The error of a file that cannot be read, beyond a line of it."""
    beyond = f" beyond line {line}" if line else ""
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return ConfigurationError(f"{shown_name(path)} cannot be read{beyond}: {reason}")


class _Cut(Exception):
    """What can be read only once ended inside this line."""


# From a file to its text


@contextmanager
def _open(path: str, note: Callable[[bytes], object] | None = None) -> Generator[BinaryIO]:
    with _open_stored(path) as stored:
        stream = io.BufferedReader(_Joined(_unpacked(_chunks(stored, note))), _CHUNK)
        head = stream.peek(4)
        for start, kind in _OTHERS.items():
            if head.startswith(start):
                raise ConfigurationError(f"{shown_name(path)} is {kind}: save it as JSON Lines or CSV in UTF-8")
        yield stream


def _open_stored(path: str) -> io.FileIO:
    # Not sys.stdin.buffer: Python cannot end while a thread waits for that.
    if path != _STANDARD_INPUT:
        return io.FileIO(path)
    try:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except (AttributeError, ValueError):
        raise OSError("there is none") from None


def _chunks(stored: io.FileIO, note: Callable[[bytes], object] | None) -> Iterator[bytes]:
    while (chunk := cast(bytes | None, stored.read(_CHUNK))) != b"":
        if chunk is None:  # the other end made it non-blocking, and nothing is there yet
            select.select([stored], [], [])
            continue
        if note is not None:
            note(chunk)
        yield chunk


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    while len(head) < len(_GZIP) and (chunk := next(chunks, None)) is not None:
        head += chunk
    whole = chain([head], chunks)
    return _unzipped(whole) if head.startswith(_GZIP) else whole


def _unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if unzip.eof:
                    rest = rest.lstrip(b"\0")  # padding
                    if not rest:
                        break
                    unzip = zlib.decompressobj(_GZIP_WINDOW)
                yield unzip.decompress(rest, _CHUNK)
                rest = unzip.unconsumed_tail or unzip.unused_data
    except zlib.error as error:
        raise OSError(f"its gzip data is damaged ({error})") from None
    if not unzip.eof:
        raise OSError("its gzip data is cut off")


class _Joined(io.RawIOBase):
    """Chunks of bytes as one stream, each there as soon as it comes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._rest:
            if (chunk := next(self._chunks, None)) is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


# JSON Lines


def _read_jsonl(stream: BinaryIO, file: str | None, checksums: bool) -> Iterator[Entry]:
    for number, line in _lines(stream):
        if line is None:
            yield Entry(number, problem=f"the line is longer than {MAX_LINE} bytes", file=file)
            continue
        meaning = _line_meaning(number, line)
        if checksums and not line.endswith(b"\n") and isinstance(meaning[2], dict) and "_raw" in meaning[2]:
            raise _Cut(number)  # an object without a line end is whole, because it has its closing brace
        digest = zlib.crc32(line.strip()) if checksums and meaning[0] is not None else None
        yield Entry(number, *meaning, file, len(line), digest)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line that isn't blank, with its number; None for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            yield number, None
        elif not line.isspace():
            yield number, line


def _line_meaning(number: int, line: bytes) -> _Meaning:
    """What a line says; most lines are read by a faster reader, which cannot say what is wrong with the others."""
    read = fastjson.read(line)
    if type(read) is dict:
        record = cast(dict[str, JSON], read)
        change = make_change(record) if _has_each_member_once(record, line) else None
        if change is not None:
            return change, None, None
    return _checked_meaning(number, line)


def _has_each_member_once(record: dict[str, JSON], line: bytes) -> bool:
    """Whether no member can be in the line twice, of which a reader keeps one.

    There are as many colons in a line as members were written, and more if text holds some.
    """
    try:
        return _count_members(record) == line.count(b":")
    except RecursionError:
        return False


def _count_members(value: Any) -> int:
    """How many members the objects in a value have."""
    if type(value) is dict:
        members = cast(dict[str, Any], value)
        return len(members) + sum([_count_members(member) for member in members.values() if type(member) in _INNER])
    return sum([_count_members(element) for element in cast(list[Any], value) if type(element) in _INNER])


def _checked_meaning(number: int, line: bytes) -> _Meaning:
    try:
        record = decode_unique(line.rstrip())
    except InvalidRequestError as error:
        text = line.decode("utf-8", "replace").strip()
        return None, f"{error}{_hint(number, text)}", {"_raw": text}
    if not isinstance(record, dict):
        hint = f"; {_ONE_OBJECT}" if isinstance(record, list) else ""
        return None, f"not a JSON object{hint}", {"_raw": record}
    return _record_meaning(record)


def _record_meaning(record: Mapping[str, JSON]) -> _Meaning:
    try:
        return parse_change(record), None, None
    except InvalidRequestError as error:
        return None, str(error), record


def _hint(number: int, text: str) -> str:
    """What may be wrong with the whole file, when this line of it is not JSON."""
    if "\0" in text:
        hint = "is the file UTF-16, or damaged?"
    elif "\r" in text:
        hint = "lines end in LF or CRLF, not in CR alone"
    elif text.startswith(("[", "]")) or text.endswith(","):
        hint = _ONE_OBJECT
    elif text.startswith("{") and not text.endswith("}"):
        hint = "the object does not end in its line"
    elif number == 1 and "order_id" in text and not text.startswith("{"):
        hint = "is it CSV?"
    else:
        return ""
    return f"; {hint}"


# CSV


class _Lines:
    """The lines of a text, counted; one that is too long is an error instead of a line, and the next one follows."""

    def __init__(self, text: TextIO) -> None:
        self.number = 0
        self._readline = text.readline
        self._row: list[str] = []
        self._size = 0
        self._cut_at_cr = False

    @property
    def row(self) -> str:
        """The lines of the row that is being read."""
        return "".join(self._row)

    def begin_row(self) -> None:
        """Let go of the row before."""
        self._row.clear()
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._readline(MAX_LINE + 1)
        if line == "\n" and self._cut_at_cr:
            line = self._readline(MAX_LINE + 1)
        self._cut_at_cr = False
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(("\n", "\r")):
                line = self._readline(MAX_LINE)
            self._cut_at_cr = line.endswith("\r")  # an LF may belong to it
            raise csv.Error(f"the line is longer than {MAX_LINE} characters")
        self._size += len(line)
        if self._size > MAX_LINE:
            raise csv.Error(f"the row is longer than {MAX_LINE} characters; is a quote not closed?")
        self._row.append(line)
        return line


class _Table:
    """A CSV file: its header, and each row that isn't blank with the number of its first line.

    What is not CSV is its problem instead of a row.

    Raises:
        ConfigurationError: The first line doesn't name the columns.
    """

    def __init__(self, stream: BinaryIO) -> None:
        # The limit is the csv module's, for the whole process; attributes may be longer than its default allows.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        self._lines = _Lines(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=""))
        self._rows = csv.reader(self._lines, strict=True)
        try:
            self.header = next(self._rows, list[str]())
        except csv.Error as error:
            raise ConfigurationError(f"the first line is not CSV: {error}") from None
        _check_header(self.header)

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        lines = self._lines
        while True:
            first = lines.number + 1
            lines.begin_row()
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                span = f"lines {first} to {lines.number}: " if lines.number > first else ""
                reason = _NOT_CLOSED if str(error) == "unexpected end of data" else error
                yield first, f"not CSV: {span}{reason}"
                continue
            if "".join(row).strip():
                yield first, row

    @property
    def text(self) -> str:
        """The row as it was read."""
        return self._lines.row


def _check_header(header: list[str]) -> None:
    unknown = [name for name in header if name not in COLUMNS and not name.startswith("_")]
    if "op" not in header or "order_id" not in header or unknown or len(set(header)) < len(header):
        raise ConfigurationError(
            f"the first line of a CSV file names its columns, each once, some of {', '.join(COLUMNS)}; "
            f"got {printable(', '.join(header)[:200]) or 'none'}{_header_hint(header)}"
        )


def _header_hint(header: list[str]) -> str:
    first = header[0] if header else ""
    if first.lstrip().startswith("{"):
        return ": is it JSON Lines?"
    if "\0" in first:
        return ": is the file UTF-16?"
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if separator in first:
            return f": the columns are separated by {name}, and not by commas"
    return ""


def _read_csv(stream: BinaryIO, file: str | None, checksums: bool) -> Iterator[Entry]:
    table = _Table(stream)
    header = _crc(",".join(table.header))
    for number, row in table:
        text = table.text
        if checksums and (not text.endswith(("\n", "\r")) or (isinstance(row, str) and row.endswith(_NOT_CLOSED))):
            raise _Cut(number)
        meaning = _row_meaning(table.header, row, text)
        digest = _crc(text.strip(), header) if checksums and meaning[0] is not None else None
        yield Entry(number, *meaning, file, len(text), digest)


def _crc(text: str, before: int = 0) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogateescape"), before)


def _row_meaning(header: list[str], row: list[str] | str, text: str) -> _Meaning:
    if isinstance(row, str):
        return None, row, {"_raw": text.strip()} if text else None
    if row == header:
        return None, "the columns are named once more", {"_raw": text.strip()}
    if len(row) != len(header):
        return None, f"{len(row)} columns where the first line has {len(header)}", {"_raw": text.strip()}
    record: dict[str, JSON] = {name: cell for name, cell in zip(header, row, strict=True) if cell != ""}
    if isinstance(checked := record.get("checked"), str) and not checked.lstrip().startswith("{"):
        record["checked"] = _BOOLEANS.get(checked.strip().lower(), checked)
    for name in JSON_CELLS:
        cell = record.get(name)
        if isinstance(cell, str) and (name != "checked" or cell.lstrip().startswith("{")):
            try:
                record[name] = decode_unique(cell.encode("utf-8", "surrogateescape"))
            except InvalidRequestError as error:
                return None, f"{name}: {error}", record
    for name in IDS:
        given = record.get(name)
        if isinstance(given, str) and given != given.strip(" "):
            return None, f"{name} {given!r} has spaces around it", record  # a padded column
    change, problem, source = _record_meaning(record)
    if problem is not None and not _is_utf8(text):
        problem = "not UTF-8 text: save the file as UTF-8"
    return change, problem, source


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
