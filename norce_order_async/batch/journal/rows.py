"""What is written down of changes, as the values of rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import attrs

from norce_order_async.batch.changes import FREQUENT, Change, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.columns import BODIES
from norce_order_async.batch.engine.work_item import WorkItem
from norce_order_async.batch.journal.records import MAX_MESSAGE
from norce_order_async.batch.journal.statements import NO_DIGEST, NO_FILE
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import encode_record, source_record
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.outcome import DONE, OutcomeKind
from norce_order_async.wire.codec import encode_shown

_OURS: frozenset[type[Change]] = frozenset(FREQUENT.values())
_VALUES = {kind: kind.value for kind in OutcomeKind}
"""An attribute of an enumeration's member takes three times as long."""
Values = tuple[Any, ...]


@attrs.frozen
class Rows:
    """What is written at once, as values of SQL.

    Attributes:
        marks: Changes that are about to be sent; the number comes first.
        done: Changes that are done; the number comes last.
        failed: Changes that are not done and have a mark; the number comes last.
        in_full: Lines that have no mark, or whose attributes cannot be written; the number comes first.
        waits: Numbers, and the seconds that their changes waited.
    """

    marks: list[Values]
    done: list[Values]
    failed: list[Values]
    in_full: list[Values]
    waits: list[tuple[int, float]]

    @property
    def ended(self) -> list[int]:
        """The numbers of what has ended."""
        return [row[-1] for row in self.done] + [row[-1] for row in self.failed] + [row[0] for row in self.in_full]

    @property
    def outcomes(self) -> dict[tuple[OutcomeKind, int], int]:
        """How many changes have ended with an outcome, in a number of requests."""
        counts = Counter((row[0], row[1]) for row in (*self.done, *self.failed))
        counts.update((row[4], row[5]) for row in self.in_full)
        return {(OutcomeKind(value), attempts): count for (value, attempts), count in counts.items()}

    def renumbered(self, numbers: Mapping[int, int]) -> "Rows":
        """The same of other numbers."""
        return Rows(
            [(numbers[row[0]], *row[1:]) for row in self.marks],
            [(*row[:-1], numbers[row[-1]]) for row in self.done],
            [(*row[:-1], numbers[row[-1]]) for row in self.failed],
            [(numbers[row[0]], *row[1:]) for row in self.in_full],
            [(numbers[number], waited) for number, waited in self.waits],
        )


def rows_of(marks: Sequence[WorkItem], outcomes: Sequence[Outcome]) -> Rows:
    """What is written of changes that are about to be sent, and of those that have ended."""
    waits = [(outcome.number, outcome.waited) for outcome in outcomes if outcome.waited]
    rows = Rows([mark(item) for item in marks], [], [], [], waits)
    for outcome in outcomes:
        if outcome.error is None and outcome.outcome in DONE:
            rows.done.append(done(outcome))
        elif outcome.change is not None and (row := failed(outcome)) is not None:
            rows.failed.append(row)
        else:
            rows.in_full.append(in_full(outcome))
    return rows


def plain(text: str) -> str:
    """Text that SQLite can hold: lone surrogates are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def mark(item: WorkItem) -> tuple[object, ...]:
    """What is written before a change is sent."""
    change, resource = item.change, item.resource
    try:  # costs nothing, unlike a look at its class
        if not resource.isascii():
            resource = plain(resource)
    except AttributeError:
        raise TypeError(f"resource of {type(change).__name__} must be a str, got {kind_of(resource)}") from None
    entry = item.entry
    file = NO_FILE if entry.file is None else plain(entry.file)
    digest = NO_DIGEST if entry.digest is None else entry.digest
    once = 0 if change.not_twice is None else 1  # sqlite3 looks for an adapter of a bool, too
    return (
        item.number, entry.line, file, digest, change.op, once, item.request_id, item.started, resource, _head(change),
    )  # fmt: skip


def done(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that is done."""
    return (
        _VALUES[outcome.outcome],
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.number,
    )


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
    return (
        _VALUES[outcome.outcome],
        *_course(outcome),
        outcome.error,
        _message(outcome),
        attributes,
        outcome.number,
    )


def in_full(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that has no mark, or whose attributes cannot be written."""
    change = outcome.change
    return (
        outcome.number,
        outcome.line,
        None if outcome.file is None else plain(outcome.file),
        None if change is None else change.op,
        _VALUES[outcome.outcome],
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
        return _head(change), _attributes(change)
    except InvalidRequestError:
        return encode_record(source_record(outcome)), None


def _attributes(change: Change | None) -> str | None:
    """What a change writes, its attributes say, as JSON: what may be long and hold personal data.

    Raises:
        InvalidRequestError: JSON cannot hold them.
    """
    if change is None or (type(change) is not PatchAttributes and type(change) in _OURS):
        return None
    if type(change) is PatchAttributes:
        return encode_shown(change.attributes).decode()
    attributes = change.record().get(BODIES.get(change.op, "attributes"))
    return None if attributes is None else encode_shown(attributes).decode()


def _head(change: Change) -> str:
    """The record of a change without its attributes."""
    kind = type(change)
    if kind not in _OURS:
        members = change.record()
        members.pop(BODIES.get(change.op, "attributes"), None)
        return encode_record(members)
    # By hand, because this is most of what a journal costs; ids hold no lone surrogates.
    text = f'{{"op":"{change.op}","order_id":{encode_basestring(change.order_id)}'
    if change.merchant is not None:
        text += f',"merchant":{encode_basestring(change.merchant)}'
    if change.channel is not None:
        text += f',"channel":{encode_basestring(change.channel)}'
    if type(change) is PatchConsent:
        checked = "true" if change.checked else "false"
        return f'{text},"consent_id":{encode_basestring(change.consent_id)},"checked":{checked}}}'
    if type(change) is DeleteConsent:
        return f'{text},"consent_id":{encode_basestring(change.consent_id)}}}'
    return text + "}"
