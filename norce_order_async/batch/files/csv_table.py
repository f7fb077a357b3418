"""CSV: the first line names the columns, each further row is a change."""

import csv
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from norce_order_async.batch.columns import COLUMNS, IDS, JSON_CELLS
from norce_order_async.batch.files.entry import MAX_LINE, CutError, Entry, Meaning, Unread, order_of, record_meaning
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError, printable
from norce_order_async.wire.json import JSON
from norce_order_async.wire.strict import decode_unique

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NOT_CLOSED = "a quote is not closed"


def entries(stream: BinaryIO, file: str | None, checksums: bool) -> Iterator[Entry]:
    """The entries of a file.

    Raises:
        ConfigurationError: The first line doesn't name the columns.
        CutError: It can be read only once, and ended inside a row.
    """
    table = _Table(stream)
    header = _crc(",".join(table.header))
    for number, row in table:
        text = table.text
        if checksums and (not text.endswith(("\n", "\r")) or (isinstance(row, str) and row.endswith(_NOT_CLOSED))):
            raise CutError(number)
        meaning = _content_meaning(number, (table.header, row, text))
        digest = _crc(text.strip(), header) if checksums and meaning[0] is not None else None
        yield Entry(number, *meaning, file, len(text), digest)


def unread(stream: BinaryIO, file: str | None) -> Iterator[Entry]:
    """The entries of a file, those unread whose order is in the row.

    Raises:
        ConfigurationError: The first line doesn't name the columns.
    """
    table = _Table(stream)
    for number, row in table:
        text = table.text
        content = table.header, row, text
        is_row = not isinstance(row, str) and len(row) == len(table.header)
        cells = {name: cell or None for name, cell in zip(table.header, row, strict=True)} if is_row else {}
        if (order := order_of(cells)) is None:
            yield Entry(number, *_content_meaning(number, content), file, len(text))
        else:
            yield Unread(line=number, file=file, size=len(text), order=order, content=content, meaning=_content_meaning)


def numbers(stream: BinaryIO) -> Iterator[int]:
    """The number of the first line of each row that isn't blank."""
    return (number for number, _ in _Table(stream))


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


def _crc(text: str, before: int = 0) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogateescape"), before)


def _content_meaning(number: int, content: tuple[list[str], list[str] | str, str]) -> Meaning:
    header, row, text = content
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
    change, problem, source = record_meaning(record)
    if problem is not None and not _is_utf8(text):
        problem = "not UTF-8 text: save the file as UTF-8"
    return change, problem, source


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
