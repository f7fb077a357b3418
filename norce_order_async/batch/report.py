"""The account of a batch: its sums, and a line for every change that can be run again as it stands."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import attrs

from norce_order_async.batch.columns import COLUMNS, FREQUENT_COLUMNS, JSON_CELLS
from norce_order_async.batch.files.cells import TEXTS, marked_json, marked_note, text_cell
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.shown import shown_record
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON

ReportFormat = Literal["jsonl", "csv"]

_NOTES = (
    "_line",
    "_file",
    "_outcome",
    "_attempts",
    "_status",
    "_request_id",
    "_error",
    "_message",
    "_started",
    "_elapsed",
    "_waited",
    "_evidence",
    "_raw",
)
_COLUMNS: tuple[str, ...] = (*FREQUENT_COLUMNS, *_NOTES, *(name for name in COLUMNS if name not in FREQUENT_COLUMNS))


@attrs.define
class ErrorSummary:
    """One kind of error.

    Attributes:
        line: The first line that it ended.
        message: What was said there.
        file: The file of that line, when there are several.
        count: How many changes it ended.
    """

    line: int
    message: str
    file: str | None = None
    count: int = 0


@attrs.define
class Summary:
    """The sums of a batch; its size doesn't grow with it.

    Attributes:
        outcomes: How many changes ended in each outcome.
        problems: What went wrong, by the class of the error.
        operations: How many changes there are of each operation; lines that could not be read are of none.
        requests: How many requests were made.
        retried: How many changes took more than one request.
        in_flight: How many changes are under way and have no outcome yet.
        unfinished: How many an earlier run has left to the next one: unknown ones that were sent, and done ones to be
            made once more.
        not_again: How many of the unknown ones must not be made twice, so that no run makes them again.
        looked_at: How many of those were looked at, and what was seen did not tell.
        bad: How many of the unsent ones no run can send, because their lines have to be corrected.
        with_once: How many changes that were not made are made again with ``once`` only, by their outcome.
    """

    outcomes: Counter[OutcomeKind] = attrs.Factory(Counter[OutcomeKind])
    problems: dict[str, ErrorSummary] = attrs.Factory(dict[str, ErrorSummary])
    operations: Counter[str] = attrs.Factory(Counter[str])
    requests: int = 0
    retried: int = 0
    in_flight: int = 0
    unfinished: int = 0
    not_again: int = 0
    looked_at: int = 0
    bad: int = 0
    with_once: Counter[OutcomeKind] = attrs.Factory(Counter[OutcomeKind])

    @property
    def total(self) -> int:
        """How many changes have an outcome."""
        return self.outcomes.total()

    @property
    def done(self) -> int:
        """How many changes are on the server."""
        return sum(count for kind, count in self.outcomes.items() if kind.done)

    @property
    def failed(self) -> int:
        """How many changes are not on the server, or perhaps not."""
        return sum(count for kind, count in self.outcomes.items() if kind.failed)

    def to_make_again(self, kinds: Collection[OutcomeKind]) -> tuple[list[OutcomeKind], bool]:
        """Which of these outcomes have changes that a run makes again, and whether it takes ``once`` for that."""
        never = {OutcomeKind.UNKNOWN: self.not_again, OutcomeKind.NOT_SENT: self.bad}
        found = [kind for kind in kinds if self.outcomes[kind] > never.get(kind, 0)]
        return found, any(self.with_once[kind] for kind in found)

    def left_of(self, total: int | None) -> int:
        """How many of so many changes have no outcome and are not under way; 0 where their number is not known."""
        return 0 if total is None else max(0, total - self.total - self.in_flight)

    @property
    def accepted(self) -> int:
        """How many changes the server has taken in and not finished."""
        return self.outcomes[OutcomeKind.ACCEPTED]


@attrs.frozen(kw_only=True)
class JournalRow:
    """What a journal knows of one change; its members mean what they mean in :class:`Outcome`.

    Attributes:
        record: The change as a line of a batch file; ``attributes`` only if it is not done, or has an error. For a
            line that could not be understood, what was read.
        outcome: None while it is under way.
        attempts: How many requests it took in all runs together.
        evidence: What was seen of it when its outcome was looked for, if it was.
    """

    number: int
    line: int
    file: str | None
    record: JSON = attrs.field(repr=shown_record)
    outcome: OutcomeKind | None
    attempts: int
    started: float | None
    elapsed: float | None
    status: int | None
    request_id: str | None
    error: str | None
    message: str | None
    waited: float = 0.0
    evidence: str | None = None


def source_record(outcome: Outcome) -> JSON:
    """The change as a line of a batch file; what was read, for a line that could not be understood."""
    return outcome.source if outcome.change is None else outcome.change.record()


def report_record(row: JournalRow | Outcome) -> dict[str, JSON]:
    """A line of a report: the change as in the input, then what became of it.

    The notes' names begin with an underscore, so that the line is one of a batch file too. What is not known is left
    out. ``_raw`` is what was read where that isn't an object.
    """
    source = row.record if isinstance(row, JournalRow) else source_record(row)
    record: dict[str, JSON] = {}
    raw: JSON = source
    if isinstance(source, Mapping):
        record = {name: value for name, value in source.items() if not name.startswith("_")}
        raw = source.get("_raw")
    started = row.started
    notes: dict[str, JSON] = {
        "_line": row.line,
        "_file": row.file,
        "_outcome": row.outcome,
        "_attempts": row.attempts,
        "_status": row.status,
        "_request_id": row.request_id,
        "_error": row.error,
        "_message": row.message,
        "_started": None if started is None else moment_note(started),
        "_elapsed": None if started is None or row.elapsed is None else round(row.elapsed, 6),
        "_waited": round(row.waited, 3) if row.waited else None,
        "_evidence": row.evidence if isinstance(row, JournalRow) else None,
        "_raw": raw,
    }
    return record | {name: value for name, value in notes.items() if value is not None}


def moment_note(at: float) -> str:
    """A moment as a note has it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def encode_record(record: JSON) -> str:
    """A record as JSON in one line.

    Attributes can hold what JSON cannot: NaN, nesting without end. They were not sent for that very reason; ``_raw``
    shows them.
    """
    try:
        return encode_shown(record).decode()
    except InvalidRequestError:
        notes = _notes(record) if isinstance(record, Mapping) else {}
        return encode_shown(notes | {"_raw": _shown(record)}).decode()


def _shown(value: object) -> str:
    try:
        return ascii(value)
    except RecursionError:
        return "nested too deeply"


def _notes(record: Mapping[str, JSON]) -> dict[str, JSON]:
    return {name: record[name] for name in _NOTES if name in record and name != "_raw"}


def write_report(
    rows: Iterable[JournalRow | Outcome],
    stream: BinaryIO,
    format: ReportFormat = "jsonl",
    *,
    delimiter: str = ",",
    bom: bool = False,
) -> None:
    """Write a line for each row.

    In CSV, a line that its columns cannot hold as it is (a member that is none of them or of another type) stands
    in ``_raw`` as JSON, so that running the report never makes another change of it. A text that a spreadsheet would
    compute has an apostrophe before it, as OWASP advises (CSV Injection); read as a batch file, it is what it was.

    Args:
        rows: What is told of each change.
        stream: Where to write it.
        format: JSON Lines or CSV.
        delimiter: What separates the columns of CSV.
        bom: Whether CSV begins with a byte order mark, by which Excel knows UTF-8.
    """
    if format == "jsonl":
        for row in rows:
            stream.write(encode_record(report_record(row)).encode() + b"\n")
        return
    encoding = "utf-8-sig" if bom else "utf-8"
    text = io.TextIOWrapper(stream, encoding=encoding, errors="backslashreplace", newline="")
    try:
        lines = csv.DictWriter(text, _COLUMNS, delimiter=delimiter)
        lines.writeheader()
        lines.writerows(map(_cells, map(report_record, rows)))
    finally:
        text.detach()


def _cells(record: dict[str, JSON]) -> dict[str, JSON]:
    """The cells of a line of CSV; only what reads back as the same change stands in the columns of one."""
    noted = _notes(record)
    members = {name: value for name, value in record.items() if name not in noted}
    notes = {name: marked_note(value) if isinstance(value, str) else value for name, value in noted.items()}
    try:
        return {name: _cell(name, value) for name, value in members.items()} | notes
    except InvalidRequestError:
        return notes | {"_raw": marked_json(encode_record(members))}


def _cell(name: str, value: JSON) -> str:
    if name in TEXTS and isinstance(value, str) and value and value.isprintable():
        return text_cell(name, value)
    if name == "checked" and isinstance(value, bool):
        return "true" if value else "false"
    if name in JSON_CELLS and isinstance(value, Mapping | list):
        return marked_json(encode_shown(value).decode())
    if name == "_raw":
        return value if isinstance(value, str) else encode_record(value)
    raise InvalidRequestError(f"{name} cannot stand in a cell")


LEFT = "not begun, or to be tried again"
"""What is said of changes that are left, without an outcome."""
NOT_WRITTEN = (".gz", ".xlsx", ".xlsm", ".xls", ".parquet")
"""How names end that promise a format in which nothing is written."""


def check_report_name(path: Path) -> None:
    """See that a report's name does not promise what it is not.

    Raises:
        ConfigurationError: It says that the report is compressed, or of a format that none is written in.
    """
    if path.suffix.lower() == ".gz":
        raise ConfigurationError(f"the report {path} would not be compressed: leave out .gz")
    if path.suffix.lower() in NOT_WRITTEN:
        raise ConfigurationError(f"the report {path} would be JSON Lines or CSV: name it *.jsonl or *.csv")


def report_format_of(path: Path) -> ReportFormat:
    """CSV for ``*.csv`` and ``*.tsv``, JSON Lines for any other name."""
    return "csv" if path.suffix.lower() in (".csv", ".tsv") else "jsonl"


def save_report(
    rows: Iterable[JournalRow | Outcome],
    path: Path | str,
    format: ReportFormat | None = None,
    *,
    delimiter: str | None = None,
    bom: bool = False,
) -> None:
    """Write a report to a file, which appears complete or not at all; one that exists is replaced.

    Only its owner may read a new file; a replaced one keeps its permissions.

    Args:
        rows: What is told of each change.
        path: The file.
        format: JSON Lines or CSV; by default its name says it.
        delimiter: What separates the columns of CSV; by default a tab for ``*.tsv``, a comma for others.
        bom: As for :func:`write_report`.

    Raises:
        ConfigurationError: It cannot be written, or its name says that it is compressed or of another format.
    """
    path = Path(path)
    check_report_name(path)
    delimiter = delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    with replacing(path, "report") as stream:
        write_report(rows, stream, format or report_format_of(path), delimiter=delimiter, bom=bom)
