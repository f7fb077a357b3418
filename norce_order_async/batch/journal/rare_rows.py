"""The rows of changes that are not merely done: those that failed, have no mark, or are to be continued."""

from norce_order_async.batch.changes import Change, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.columns import BODIES
from norce_order_async.batch.journal.records import MAX_MESSAGE
from norce_order_async.batch.journal.statements import OUTCOMES
from norce_order_async.batch.journal.tables import plain
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import encode_record, source_record
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.codec import encode_shown


def stands(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that was sent and is to be continued."""
    return *_course(outcome), outcome.error, _message(outcome), outcome.number


def _course(outcome: Outcome) -> tuple[object, ...]:
    return outcome.attempts, outcome.started, outcome.elapsed, outcome.status, outcome.request_id


def _message(outcome: Outcome) -> str | None:
    message = outcome.message
    return None if message is None else plain(message[:MAX_MESSAGE])


def failed(outcome: Outcome) -> tuple[object, ...] | None:
    """What is written of a change with a mark that is not merely done; None where its attributes cannot be written."""
    try:
        attributes = _attributes(outcome.change)
    except InvalidRequestError:
        return None
    course, message = _course(outcome), _message(outcome)
    return OUTCOMES[outcome.outcome], *course, outcome.error, message, attributes, outcome.number


def in_full(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that has no mark, or whose attributes cannot be written."""
    change = outcome.change
    return (
        outcome.number,
        outcome.line,
        None if outcome.file is None else plain(outcome.file),
        None if change is None else change.op,
        OUTCOMES[outcome.outcome],
        *_course(outcome),
        None if change is None else plain(change.resource),
        outcome.error,
        _message(outcome),
        *_full_record(outcome),
    )


def _full_record(outcome: Outcome) -> tuple[str, str | None]:
    """All that is needed to make the change again: its record, and its attributes apart, to be dropped once made."""
    change = outcome.change
    if change is None:
        return encode_record(source_record(outcome)), None
    try:
        return head_of(change), _attributes(change)
    except InvalidRequestError:
        return encode_record(source_record(outcome)), None


def _attributes(change: Change | None) -> str | None:
    """What a change writes, its attributes say, as JSON: what may be long and hold personal data.

    Raises:
        InvalidRequestError: JSON cannot hold them.
    """
    if change is None or type(change) in (DeleteConsent, PatchConsent):
        return None
    if type(change) is PatchAttributes:
        return encode_shown(change.attributes).decode()
    attributes = change.record().get(BODIES.get(change.op, "attributes"))
    return None if attributes is None else encode_shown(attributes).decode()


def head_of(change: Change) -> str:
    """The record of a change without its attributes."""
    members = change.record()
    members.pop(BODIES.get(change.op, "attributes"), None)
    return encode_record(members)
