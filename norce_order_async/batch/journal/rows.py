"""Between values and the rows of a journal."""

from datetime import UTC, datetime
from typing import Any, cast

from norce_order_async.batch.engine.work_item import WorkItem
from norce_order_async.batch.journal.records import INTERRUPTED, MAX_MESSAGE, Mark
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import Row, encode_record, source_record
from norce_order_async.codec import encode_shown
from norce_order_async.errors import InvalidRequestError
from norce_order_async.outcome import OutcomeKind
from norce_order_async.wire import JSON, decode_json

UNTOLD = "the run ended before its outcome was known"
"""What is told of a change that was interrupted."""

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


# Reading


def text_or_none(value: object) -> str | None:
    """A text, or NULL."""
    return None if value is None else str(value)


def seconds(value: Any) -> float | None:
    """A number of seconds, or NULL."""
    return None if value is None else float(value)


def moment(value: Any) -> float:
    """Seconds since 1970-01-01 UTC.

    Raises:
        ValueError: It is no such time.
    """
    if not 0 <= (at := float(value)) < _END_OF_TIME:
        raise ValueError(f"{at} is not a time")
    return at


def count(value: Any) -> int | None:
    """A whole number, or NULL."""
    return None if value is None else int(value)


def row_of(values: tuple[Any, ...], is_running: bool) -> Row:
    """A change; one whose outcome was never written is interrupted unless a run is under way."""
    number, line, file, is_open, outcome, attempts, started, elapsed, status, request_id, error, message = values[:12]
    if is_open:
        if is_running or outcome is not None or error is None:
            elapsed, status, error, message = None, None, None, None
        outcome = None
        if not is_running:
            outcome, error, message = OutcomeKind.UNKNOWN, error or INTERRUPTED, message or UNTOLD
    return Row(
        number=number,
        line=int(line),
        file=text_or_none(file),
        record=_record(*values[12:]),
        outcome=None if outcome is None else OutcomeKind(outcome),
        attempts=int(attempts),
        started=None if started is None else moment(started),
        elapsed=seconds(elapsed),
        status=count(status),
        request_id=text_or_none(request_id),
        error=text_or_none(error),
        message=text_or_none(message),
    )


def _record(record: str | None, attributes: str | None) -> JSON:
    members = None if record is None else decode_json(str(record).encode())
    if attributes is not None and isinstance(members, dict):
        members["attributes"] = decode_json(str(attributes).encode())
    return members


# Writing


def plain(text: str) -> str:
    """Text that SQLite can hold: lone surrogates are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def marked(mark: Mark | WorkItem) -> tuple[object, ...]:
    """What is written before a change is sent."""
    change, op, resource, record = mark.change, None, None, None
    if change is not None:
        op, resource, members = change.op, plain(change.resource), change.record()
        members.pop("attributes", None)
        record = encode_record(members)
    file = None if mark.file is None else plain(mark.file)
    return mark.number, mark.line, file, mark.digest, op, mark.request_id, mark.started, resource, record


def done(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that is done."""
    return (
        outcome.outcome.value,
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.number,
    )


def stands(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that was sent and is to be continued."""
    return (
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.error,
        None if outcome.message is None else plain(outcome.message[:MAX_MESSAGE]),
        outcome.number,
    )


def in_full(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that is not done, or has an error."""
    change = outcome.change
    return (
        outcome.number,
        outcome.line,
        None if outcome.file is None else plain(outcome.file),
        None if change is None else change.op,
        outcome.outcome.value,
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        None if change is None else plain(change.resource),
        outcome.error,
        None if outcome.message is None else plain(outcome.message[:MAX_MESSAGE]),
        *_full_record(outcome),
    )


def _full_record(outcome: Outcome) -> tuple[str, str | None]:
    """All that is needed to make the change again: its record, and its attributes apart, to be dropped once made."""
    record = source_record(outcome)
    if outcome.change is None:
        return encode_record(record), None
    members = dict(cast(dict[str, JSON], record))
    attributes = members.pop("attributes", None)
    try:
        return encode_record(members), None if attributes is None else encode_shown(attributes).decode()
    except InvalidRequestError:
        return encode_record(record), None
