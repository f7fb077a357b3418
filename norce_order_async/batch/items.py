"""A change on its way through a batch, and the outcomes it can come to."""

from random import randbytes

import attrs

from norce_order_async.batch.changes import Change, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.files import Entry
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.wire.decoders import Receipt

NOT_TRIED = "NotTried"
"""The error of a change that was taken from the input, but not made before the batch was stopped."""
INTERRUPTED = "Interrupted"
"""The error of a change that was ended while it was made."""

_ONE_CALL = (DeleteConsent, PatchAttributes, PatchConsent)
Scope = tuple[str | None, str | None]
Key = tuple[str | None, str | None, str, str]


@attrs.define(eq=False, kw_only=True)
class Item:
    """A change that a batch has taken from its input.

    Attributes:
        number: Its place in the input, from 1.
        entry: The entry that it came in.
        change: The change.
        scope: The merchant and channel that are sent when the change names none, as far as they are known.
        request_id: What is sent as ``x-request-id``.
        maybe_applied: Whether a request of it may have been carried out, in this run or an earlier one.
        rounds: How often it failed in a way that passes and was put back.
        refusals: How often it was put back because of too many requests.
        attempts: How many requests it took, over all rounds.
        started: When its call began, in seconds since 1970-01-01 UTC.
        call: Its last call, once that has made an attempt.
        last: How its last round ended.
        once: Whether a request was sent that must not be sent again.
    """

    number: int
    entry: Entry
    change: Change
    scope: Scope = (None, None)
    request_id: str = attrs.field(factory=lambda: randbytes(16).hex())
    maybe_applied: bool = False
    rounds: int = 0
    refusals: int = 0
    attempts: int = 0
    started: float | None = None
    call: Call | None = None
    last: Outcome | None = None
    once: bool = False

    @property
    def key(self) -> Key:
        """What no other change under way may have in common with it."""
        change, (merchant, channel) = self.change, self.scope
        return (change.merchant or merchant, change.channel or channel, change.order_id, change.resource)

    @property
    def confirmed(self) -> OutcomeKind | None:
        """What its call amounts to when the API said yes; None also for a change that may make several calls."""
        if self.call is None or self.call.outcome.failed or type(self.change) not in _ONE_CALL:
            return None
        return self.call.outcome

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Count an attempt."""
        self.call = call
        self.attempts += 1
        if attempt.ambiguous or (attempt.status is not None and attempt.status < 300):
            self.maybe_applied = True
        if call.repeat is not Repeat.SAFE and attempt.sent is not False:
            self.once = True

    def repeatable(self, outcome: OutcomeKind) -> bool:
        """Whether it may be made again after it ended so; without a call, nobody knows what was sent."""
        return not self.once and (self.call is not None or outcome is OutcomeKind.NOT_SENT)

    def made(self, receipt: Receipt, elapsed: float) -> Outcome:
        """The outcome of a change that the server has carried out or taken in."""
        return Outcome(
            number=self.number,
            line=self.entry.line,
            file=self.entry.file,
            change=self.change,
            outcome=receipt.outcome,
            attempts=max(self.attempts, receipt.attempts),
            started=self.started,
            elapsed=elapsed,
            status=receipt.status,
            request_id=receipt.request_id,
        )

    def failed(self, outcome: OutcomeKind, error: BaseException, elapsed: float) -> Outcome:
        """The outcome of a change that ended in an error, which may have come after the server's yes."""
        attempts = error.attempts if isinstance(error, CallError) else ()
        if self.maybe_applied and outcome.failed:
            outcome = OutcomeKind.UNKNOWN  # an earlier request counts, too
        return Outcome(
            number=self.number,
            line=self.entry.line,
            file=self.entry.file,
            change=self.change,
            outcome=outcome,
            attempts=max(self.attempts, len(attempts)),
            started=self.started,
            elapsed=elapsed,
            status=attempts[-1].status if attempts else None,
            request_id=self.request_id if self.attempts else None,
            error=type(error).__name__,
            message=error.reason if isinstance(error, CallError) else str(error),
        )

    def left(self, error: str, message: str) -> Outcome:
        """The outcome of a change that the batch ended before."""
        return Outcome(
            number=self.number,
            line=self.entry.line,
            file=self.entry.file,
            change=self.change,
            outcome=OutcomeKind.UNKNOWN if self.maybe_applied else OutcomeKind.NOT_SENT,
            attempts=self.attempts,
            started=self.started,
            request_id=self.request_id if self.attempts else None,
            error=error,
            message=message,
        )


def bad_line(number: int, entry: Entry) -> Outcome:
    """The outcome of a line that could not be read."""
    return Outcome(
        number=number,
        line=entry.line,
        file=entry.file,
        change=None,
        outcome=OutcomeKind.NOT_SENT,
        error=InvalidRequestError.__name__,
        message=entry.problem,
        source=entry.source,
    )
