"""What stands in the tables of a journal, as values."""

from datetime import UTC, datetime
from typing import Any

from norce_order_async.batch.columns import BODIES
from norce_order_async.batch.journal.records import INTERRUPTED, UNTOLD
from norce_order_async.batch.report import JournalRow
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.json import JSON, decode_json

_FIRST, _END = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (1, 9999))


def plain(text: str) -> str:
    """Text that SQLite can hold: lone surrogates are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def text_or_none(value: object) -> str | None:
    """A text, or NULL."""
    return None if value is None else str(value)


def seconds(value: Any) -> float | None:
    """A number of seconds, or NULL."""
    return None if value is None else float(value)


def moment(value: Any) -> float:
    """Seconds since 1970-01-01 UTC, below 0 by a clock that was never set.

    Raises:
        ValueError: It is no such time.
    """
    if not _FIRST <= (at := float(value)) < _END:
        raise ValueError(f"{at} is not a time")
    return at


def count(value: Any) -> int | None:
    """A whole number, or NULL."""
    return None if value is None else int(value)


def row_of(values: tuple[Any, ...], is_running: bool) -> JournalRow:
    """A change; one whose outcome was never written is interrupted unless a run is under way."""
    number, line, file, is_open, outcome, attempts, started, elapsed, status, request_id, error, message = values[:12]
    if is_open:
        if is_running or outcome is not None or error is None:
            elapsed, status, error, message = None, None, None, None
        outcome = None
        if not is_running:
            outcome, error, message = OutcomeKind.UNKNOWN, error or INTERRUPTED, message or UNTOLD
    return JournalRow(
        number=number,
        line=int(line),
        file=text_or_none(file),
        record=_record(*values[12:14]),
        outcome=None if outcome is None else OutcomeKind(outcome),
        attempts=int(attempts),
        started=None if started is None else moment(started),
        elapsed=seconds(elapsed),
        status=count(status),
        request_id=text_or_none(request_id),
        error=text_or_none(error),
        message=text_or_none(message),
        waited=seconds(values[14]) or 0.0,
        evidence=text_or_none(values[15]),
    )


def _record(record: str | None, attributes: str | None) -> JSON:
    members = None if record is None else decode_json(str(record).encode())
    if attributes is not None and isinstance(members, dict):
        members[BODIES.get(str(members.get("op")), "attributes")] = decode_json(str(attributes).encode())
    return members
