"""Batch files: JSON Lines and CSV, read as a stream; a bad line is an entry like any other."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

import attrs

from norce_order_async.batch.changes import Change, parse_change
from norce_order_async.errors import ConfigurationError, InvalidRequestError
from norce_order_async.wire import JSON, decode_json

Format = Literal["jsonl", "csv"]

MAX_LINE = 2 * 1024 * 1024
"""Bytes; a longer line is a bad one. Attributes may take 1 MiB."""

_COLUMNS = ("op", "order_id", "consent_id", "checked", "attributes")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@attrs.frozen
class Entry:
    """One line of a batch file.

    Attributes:
        line: Its number in the file, from 1.
        change: What it means; None for a bad line.
        problem: What is wrong with a bad line.
        source: The line as it was read, for a bad one.
    """

    line: int
    change: Change | None = None
    problem: str | None = None
    source: JSON = None


def format_of(path: Path) -> Format:
    """CSV for files named ``*.csv``, JSON Lines for any other."""
    return "csv" if path.suffix.lower() == ".csv" else "jsonl"


def read_changes(path: Path, format: Format | None = None) -> Iterator[Entry]:
    """The entries of a file, one after another; blank lines are passed over. UTF-8, with or without a BOM.

    Raises:
        ConfigurationError: The file cannot be read, or is a CSV file whose first line doesn't name the columns.
    """
    try:
        if (format or format_of(path)) == "csv":
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield from _read_csv(text)
        else:
            with path.open("rb") as stream:
                yield from _read_jsonl(stream)
    except OSError as error:
        raise _unreadable(path, error) from None


def count_changes(path: Path, format: Format | None = None) -> int:
    """How many entries :func:`read_changes` gives for a file; lines of JSON are not parsed for it.

    Raises:
        ConfigurationError: As :func:`read_changes`.
    """
    if (format or format_of(path)) == "csv":
        return sum(1 for _ in read_changes(path, format))
    try:
        with path.open("rb") as stream:
            return sum(1 for _ in _lines_of(stream))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be read: {error.strerror or error}")


def _read_jsonl(stream: BinaryIO) -> Iterator[Entry]:
    for number, line in _lines_of(stream):
        if line is None:
            yield Entry(number, problem=f"the line is longer than {MAX_LINE} bytes")
        else:
            yield _parse_line(number, line)


def _lines_of(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line that isn't blank, with its number; None for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            yield number, None
        elif line.strip():
            yield number, line


def _parse_line(number: int, line: bytes) -> Entry:
    try:
        record = decode_json(line)
    except ValueError as error:
        return Entry(number, problem=f"not JSON: {error}", source={"_raw": line.decode("utf-8", "replace").strip()})
    if not isinstance(record, dict):
        return Entry(number, problem="not a JSON object", source={"_raw": record})
    return _parse_record(number, record)


def _parse_record(number: int, record: Mapping[str, JSON]) -> Entry:
    try:
        return Entry(number, change=parse_change(record))
    except InvalidRequestError as error:
        return Entry(number, problem=str(error), source=record)


class _Lines:
    """The lines of a text, counted; one that is too long is an error instead of a line, and the next one follows."""

    def __init__(self, text: TextIO) -> None:
        self.number = 0
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith("\n"):
                line = self._text.readline(MAX_LINE)
            raise csv.Error(f"the line is longer than {MAX_LINE} characters")
        return line


def _read_csv(text: TextIO) -> Iterator[Entry]:
    # The limit is the csv module's, for the whole process; attributes may be longer than its default allows.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    lines = _Lines(text)
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, list[str]())
    except csv.Error as error:
        raise ConfigurationError(f"the first line is not CSV: {error}") from None
    _check_header(header)
    while True:
        first = lines.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            span = f"lines {first} to {lines.number}: " if lines.number > first else ""
            yield Entry(first, problem=f"not CSV: {span}{error}")
            continue
        if any(row):
            yield _parse_row(first, header, row)


def _check_header(header: list[str]) -> None:
    unknown = [name for name in header if name not in _COLUMNS and not name.startswith("_")]
    if "op" not in header or "order_id" not in header or unknown or len(set(header)) < len(header):
        raise ConfigurationError(
            f"the first line of a CSV file names its columns, each once, some of {', '.join(_COLUMNS)}; "
            f"got {', '.join(header) or 'none'}"
        )


def _parse_row(number: int, header: list[str], row: list[str]) -> Entry:
    if len(row) != len(header):
        problem = f"{len(row)} columns where the first line has {len(header)}"
        return Entry(number, problem=problem, source={"_raw": ",".join(row)})
    record: dict[str, JSON] = {name: cell for name, cell in zip(header, row, strict=True) if cell != ""}
    checked, attributes = record.get("checked"), record.get("attributes")
    if isinstance(checked, str):
        record["checked"] = _BOOLEANS.get(checked.strip().lower(), checked)
    if isinstance(attributes, str):
        try:
            record["attributes"] = decode_json(attributes.encode("utf-8", "surrogateescape"))
        except ValueError as error:
            return Entry(number, problem=f"attributes is not JSON: {error}", source=record)
    return _parse_record(number, record)
