"""The outcomes of changes that failed, or were not made."""

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.outcome import DONE, OutcomeKind

NOT_TRIED = "NotTried"
"""The error of a change that was taken from the input, but not made before the batch was stopped."""

ALLOWED_BY_ONCE = "it is made with once (--once), at most once"
"""What is said of a change that was refused because nobody has allowed it."""


def failed_as(item: WorkItem, outcome: OutcomeKind, error: BaseException, elapsed: float) -> Outcome:
    """The outcome of a change that ended in an error, which may have come after the server's yes."""
    attempts = error.attempts if isinstance(error, CallError) else ()
    if item.maybe_applied and outcome.failed:
        outcome = OutcomeKind.UNKNOWN  # an earlier request counts, too
    elif outcome is OutcomeKind.NOT_SENT and item.last is not None:
        outcome = item.last.outcome  # it was refused in an earlier round
    return Outcome(
        number=item.number,
        line=item.entry.line,
        file=item.entry.file,
        change=item.change,
        outcome=outcome,
        attempts=max(item.attempts, len(attempts)),
        started=item.started,
        elapsed=elapsed,
        status=attempts[-1].status if attempts else None,
        request_id=item.request_id if item.attempts else None,
        error=type(error).__name__,
        message=error.reason if isinstance(error, CallError) else str(error),
        waited=item.waited,
    )


def left_as(item: WorkItem, error: str | None, message: str | None) -> Outcome:
    """The outcome of a change that the batch ended before; what was done before and not begun again is unsent."""
    is_done = item.since is None and item.known in DONE
    return Outcome(
        number=item.number,
        line=item.entry.line,
        file=item.entry.file,
        change=item.change,
        outcome=OutcomeKind.UNKNOWN if item.maybe_applied and not is_done else OutcomeKind.NOT_SENT,
        attempts=item.attempts,
        started=None if item.since is None else item.started,
        request_id=item.request_id if item.attempts else None,
        error=error,
        message=message,
        waited=item.waited,
    )


def left_waiting(item: WorkItem) -> Outcome:
    """The outcome of a change that the batch ended before its turn, or before its next round."""
    if (last := item.last) is None:
        return left_as(item, NOT_TRIED, "not tried")
    if last.error == NOT_TRIED or not item.is_withdrawn:
        return last
    message = f"to be continued: {last.message}"
    return attrs.evolve(last, outcome=OutcomeKind.NOT_SENT, error=NOT_TRIED, message=message)


def bad_line(number: int, entry: InputLine) -> Outcome:
    """The outcome of a line that could not be read, or whose change is not made."""
    source = entry.source if entry.source is not None or entry.change is None else entry.change.record()
    return Outcome(
        number=number,
        line=entry.line,
        file=entry.file,
        change=None,
        outcome=OutcomeKind.NOT_SENT,
        error=InvalidRequestError.__name__,
        message=entry.problem,
        source=source,
    )


def must_be_once(change: Change) -> str:
    """What is said of a change that must not be made twice, where nobody has allowed that it is made once."""
    return f"{change.op} is not safe to repeat ({change.not_twice}): {ALLOWED_BY_ONCE}"
