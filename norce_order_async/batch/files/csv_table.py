"""CSV: the first line names the columns, each further row is a change."""

import csv
import io
import re
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import BinaryIO, TextIO

from norce_order_async.batch.changes import Order
from norce_order_async.batch.files.cells import row_meaning
from norce_order_async.batch.files.entry import (
    MAX_LINE,
    ContentError,
    CutError,
    InputLine,
    Meaning,
    Unread,
    named_order,
)
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.batch.files.source import Source
from norce_order_async.wire.json import JSON

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may separate columns, and what it is called."""
_NOT_CLOSED = "a quote is not closed"
_SEP = re.compile(r"sep=(.)\r?\n?$", re.IGNORECASE)


def entries(source: Source, layout: InputLayout) -> Iterator[InputLine]:
    """The entries of a file; unread ones where their order is in the row.

    Raises:
        ConfigurationError: It cannot be read, its first line doesn't name the columns, or it can be read only once and
            ended inside a row.
    """
    with source.open() as stream:
        table = _Table(stream, layout)
        header = _crc(",".join(table.header))
        meaning_of = partial(_meaning, layout)
        for source.line, row in table:
            number, file, text = source.line, source.file, table.text
            content = table.header, table.columns, row, text
            if source.unread and (order := _order(layout, table.columns, row)) is not None:
                yield Unread(line=number, file=file, size=len(text), order=order, content=content, meaning=meaning_of)
                continue
            is_open = isinstance(row, str) and row.endswith(_NOT_CLOSED)
            if source.checksums and (is_open or not text.endswith(("\n", "\r"))):
                raise CutError(number)
            meaning = meaning_of(number, content)
            digest = _crc(text.strip(), header) if source.checksums and meaning[0] is not None else None
            yield InputLine(number, *meaning, file, len(text), digest)


def numbers(stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
    """The number of the first line of each row that isn't blank."""
    return (number for number, _ in _Table(stream, layout))


def delimiter_of(stream: BinaryIO, layout: InputLayout) -> str:
    """What separates the columns of a file.

    Raises:
        ContentError: The first line doesn't name the columns.
    """
    return _Table(stream, layout).delimiter


def _order(layout: InputLayout, columns: tuple[str | None, ...], row: list[str] | str) -> Order | None:
    """The order that a row names, if it can be told without reading the whole row."""
    if isinstance(row, str) or len(row) != len(columns):
        return None
    cells = {name: cell or None for name, cell in zip(columns, row, strict=True) if name}
    if any((cells.get(name) or "").startswith("'") for name in ("order_id", "merchant", "channel")):
        return None
    return named_order({**cells, **layout.fill})


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
        ContentError: The first line doesn't name the columns.
    """

    def __init__(self, stream: BinaryIO, layout: InputLayout) -> None:
        # The limit is the csv module's, for the whole process; attributes may be longer than its default allows.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        self._lines = _Lines(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=""))
        try:
            first = next(self._lines, "")
            if sep := _SEP.match(first):
                self._lines.begin_row()
                first = next(self._lines, "")
            self.delimiter = layout.delimiter or (sep and sep[1]) or _delimiter(first, layout)
            rows = chain([first] if first else [], self._lines)
            self._rows = csv.reader(rows, strict=True, delimiter=self.delimiter)
            self.header = next(self._rows, list[str]())
        except csv.Error as error:
            raise ContentError(f"the first line is not CSV: {error}") from None
        self.columns = layout.members(self.header, _header_hint(self.header))

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


def _delimiter(line: str, layout: InputLayout) -> str:
    """What separates the columns of a first line: that which gives most names of columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([line], delimiter=delimiter), list[str]())
        return sum(map(layout.knows, names)), len(names)

    return max(DELIMITERS, key=fit)


def _header_hint(header: list[str]) -> str:
    first = header[0] if header else ""
    if first.lstrip().startswith("{"):
        return ": is it JSON Lines?"
    if "\0" in first:
        return ": is the file UTF-16?"
    if first.startswith("#TYPE"):
        return ": leave out the line that begins with #TYPE (Export-Csv -NoTypeInformation does)"
    is_name = first.isidentifier() and not re.search(r"\d", first)
    if len(header) == 1 and first and not is_name and not set(first) & set(DELIMITERS):
        return ": is it a list of ids (--format ids)?"
    return ""


def _crc(text: str, before: int = 0) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogateescape"), before)


def _meaning(
    layout: InputLayout, number: int, content: tuple[list[str], tuple[str | None, ...], list[str] | str, str]
) -> Meaning:
    header, columns, row, text = content
    raw: JSON = {"_raw": text.strip()}
    if isinstance(row, str):
        return None, row, raw if text else None
    if row == header:
        return None, "the columns are named once more", raw
    if len(row) != len(columns):
        return None, f"{len(row)} columns where the first line has {len(columns)}", raw
    change, problem, source = row_meaning(columns, row, raw, layout.fill)
    if problem is not None and "not UTF-8" not in problem and not _is_utf8(text):
        problem = "not UTF-8 text: save the file as UTF-8"
    return change, problem, source


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
