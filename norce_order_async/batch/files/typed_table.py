"""Tables whose cells have types: the first row names the columns, each further row is a change."""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from norce_order_async.batch.files.cells import row_meaning
from norce_order_async.batch.files.entry import InputLine, Meaning
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.batch.files.source import Source
from norce_order_async.wire.json import JSON

Rows = Iterator[tuple[int, Sequence[object]]]
"""Rows with their numbers; the first is the header."""
_CHECK_EVERY = 1_000


class TypedTable:
    """A format of such tables; it is read from a file only, which is sought in.

    Args:
        rows_of: Its rows.
    """

    def __init__(self, rows_of: Callable[[BinaryIO], Rows]) -> None:
        self._rows_of = rows_of

    def entries(self, source: Source, layout: InputLayout) -> Iterator[InputLine]:
        """The entries of a file.

        Raises:
            ConfigurationError: It cannot be read, is not of this format, its first row doesn't name the columns, or
                what reads the format is not installed.
        """
        with source.open() as stream:
            rows = self._rows_of(stream)
            columns = _columns(rows, layout)
            for count, (source.line, row) in enumerate(_filled(rows)):
                texts = [None if cell is None else str(cell) for cell in row]
                size = sum(len(text) for text in texts if text is not None)
                extra = any(cell not in (None, "") for cell in row[len(columns) :])
                fitted = [*row[: len(columns)], *[None] * (len(columns) - len(row))]
                raw: JSON = {"_raw": [*texts]}
                if extra:
                    meaning: Meaning = None, "a cell stands beyond the named columns", raw
                else:
                    meaning = row_meaning(columns, fitted, raw, layout.fill)
                if source.note is not None and count % _CHECK_EVERY == 0:
                    source.note(b"")  # all bytes were noted before: the file may change meanwhile
                yield InputLine(source.line, *meaning, source.file, size)

    def numbers(self, stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
        """The number of each row that isn't blank."""
        rows = self._rows_of(stream)
        _columns(rows, layout)
        return (number for number, _ in _filled(rows))


def _columns(rows: Rows, layout: InputLayout) -> tuple[str | None, ...]:
    _, header = next(rows, (1, ()))
    names = ["" if cell is None else str(cell) for cell in header]
    while names and not names[-1].strip():
        names.pop()
    return layout.members(names)


def _filled(rows: Rows) -> Rows:
    return ((number, row) for number, row in rows if any(cell is not None and str(cell).strip() for cell in row))
