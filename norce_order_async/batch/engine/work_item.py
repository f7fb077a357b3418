"""A change on its way through a batch, and the outcomes it can come to."""

from functools import lru_cache
from typing import Protocol

import attrs

from norce_order_async.batch.changes import Change, Scope, order_of
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.lines import KINDS
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.outcome import DONE, Attempt, OutcomeKind
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.sending.pace import Pace

NOT_TRIED = "NotTried"
"""The error of a change that was taken from the input, but not made before the batch was stopped."""

ALLOWED_BY_ONCE = "it is made with once (--once), at most once"
"""What is said of a change that was refused because nobody has allowed it."""

_ONE_CALL = frozenset(KINDS.values())
_SAFE, _NEVER = Repeat.SAFE, Repeat.NEVER
"""A member of an enumeration is looked up slowly."""
_GATEWAY_TIMEOUTS = frozenset({504, 524})
Path = tuple[str, ...]
"""A resource in an order, step by step from the order itself, which is the empty path."""


class WorkItem:
    """One line of the input from its entry to its outcome.

    Attributes:
        number: Its place in the input, from 1.
        entry: The line.
        change: The change.
        order: The order that it changes, or makes.
        resource: What in the order it changes.
        request_id: What is sent as ``x-request-id``.
        started: When it was taken in, then when its last call began, in seconds since 1970-01-01 UTC.
        is_marked: Whether the journal has its mark of this run.
        known: Its outcome in the journal, as an earlier run left it; None where there is none.
        maybe_applied: Whether a request of it may have been carried out, in this run or an earlier one.
        attempts: How many requests it took, over all rounds.
        call: Its last call, once that has made an attempt.
        pace: Told of its attempts, from its first round on.
        error: What its last round failed with, until that is dealt with.
        last: How its last round ended.
        sent_once: Whether a request was sent that must not be sent again.
        rounds: How often it failed in a way that passes, by its own fault as far as can be told.
        refusals: How often it was refused because of too many requests.
        failing: Whether it failed while others succeeded.
        since: When its first round began, or its last failure came, by the monotonic clock; None before.
        lost_at: The monotonic time at which its last request was given up whose answer never came; None without one.
        settles_at: The monotonic time until which the server may still carry out a request of it, once it has ended.
        waited: Seconds that it waited for an earlier change of its resource to settle.
        blockers: How many changes of its resource are before it.
        followers: The changes that it is before.
    """

    __slots__ = (
        "attempts", "blockers", "call", "change", "entry", "error", "failing", "followers", "is_marked", "known",
        "last", "lost_at", "maybe_applied", "number", "order", "pace", "refusals", "request_id", "resource",
        "rounds", "sent_once", "settles_at", "since", "started", "waited",
    )  # fmt: skip
    call: Call | None
    pace: Pace
    error: Exception | None
    last: Outcome | None
    known: OutcomeKind | None
    since: float | None
    lost_at: float | None
    followers: "list[WorkItem] | None"

    def __init__(
        self, number: int, entry: InputLine, change: Change, scope: Scope, random: RandomSource = SYSTEM_RANDOM
    ) -> None:
        self.number = number
        self.entry = entry
        self.change = change
        self.order = order_of(change, scope, number)
        self.resource = change.resource
        self.request_id = entry.request_id or random.randbytes(16).hex()
        self.maybe_applied = entry.redelivered
        self.sent_once = self.failing = self.is_marked = False
        self.attempts = self.rounds = self.refusals = self.blockers = 0
        self.started = self.settles_at = self.waited = 0.0
        self.call = self.error = self.last = self.since = self.lost_at = self.followers = self.known = None

    @property
    def path(self) -> Path:
        """What in the order it changes, step by step."""
        return path_of(self.resource)

    @property
    def is_withdrawn(self) -> bool:
        """Whether its mark is taken back when it is left: nothing was applied, or it had ended and was not begun."""
        return self.is_marked and (not self.maybe_applied or (self.known is not None and self.since is None))

    @property
    def confirmed(self) -> OutcomeKind | None:
        """What its call amounts to when the API said yes; None also for a change that may make several calls."""
        if self.call is None or self.call.outcome.failed or type(self.change) not in _ONE_CALL:
            return None
        return self.call.outcome

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Count an attempt. An ``on_attempt`` hook."""
        self.call = call
        self.attempts += 1
        if attempt.status == 200 and attempt.error is None and call.repeat is _SAFE:
            self.maybe_applied = True
        else:
            self._look_at(call, attempt)
            if attempt.throttled and self._is_refused_alone:
                return
        self.pace.observe(call, attempt, again=self.failing or self.rounds > 0)

    @property
    def _is_refused_alone(self) -> bool:
        """Whether it is refused again and again while others are accepted: that is no matter of the rate."""
        return self.refusals > 1 and self.since is not None and self.pace.holds.last_accepted > self.since

    def _look_at(self, call: Call, attempt: Attempt) -> None:
        """Note what an attempt may have done, or may still do after it was given up."""
        status = attempt.status
        if attempt.ambiguous or (status is not None and status < 300):
            self.maybe_applied = True
        if call.repeat is not _SAFE and not (attempt.sent is False if call.repeat is _NEVER else attempt.unserved):
            self.sent_once = True
        if attempt.ambiguous and (status is None or status in _GATEWAY_TIMEOUTS):
            self.lost_at = call.started + attempt.started + attempt.elapsed

    def repeatable(self, outcome: OutcomeKind) -> bool:
        """Whether it may be made again after it ended so; without a call, nobody knows what was sent."""
        return not self.sent_once and (self.call is not None or outcome is OutcomeKind.NOT_SENT)

    def made(self, outcome: OutcomeKind, status: int, request_id: str, attempts: int, elapsed: float) -> Outcome:
        """The outcome of a change that the server has carried out or taken in, in so many attempts."""
        # By position: with names it takes three times as long, and this is made for nearly every change.
        return Outcome(
            self.number, self.entry.line, self.change, outcome, self.entry.file, max(self.attempts, attempts),
            self.started, elapsed, status, request_id, None, None, None, self.waited,
        )  # fmt: skip

    def failed(self, outcome: OutcomeKind, error: BaseException, elapsed: float) -> Outcome:
        """The outcome of a change that ended in an error, which may have come after the server's yes."""
        attempts = error.attempts if isinstance(error, CallError) else ()
        if self.maybe_applied and outcome.failed:
            outcome = OutcomeKind.UNKNOWN  # an earlier request counts, too
        elif outcome is OutcomeKind.NOT_SENT and self.last is not None:
            outcome = self.last.outcome  # it was refused in an earlier round
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
            waited=self.waited,
        )

    def left(self, error: str | None, message: str | None) -> Outcome:
        """The outcome of a change that the batch ended before; what was done before and not begun again is unsent."""
        is_done = self.since is None and self.known in DONE
        return Outcome(
            number=self.number,
            line=self.entry.line,
            file=self.entry.file,
            change=self.change,
            outcome=OutcomeKind.UNKNOWN if self.maybe_applied and not is_done else OutcomeKind.NOT_SENT,
            attempts=self.attempts,
            started=None if self.since is None else self.started,
            request_id=self.request_id if self.attempts else None,
            error=error,
            message=message,
            waited=self.waited,
        )

    def left_waiting(self) -> Outcome:
        """The outcome of a change that the batch ended before its turn, or before its next round."""
        if (last := self.last) is None:
            return self.left(NOT_TRIED, "not tried")
        if last.error == NOT_TRIED or not self.is_withdrawn:
            return last
        message = f"to be continued: {last.message}"
        return attrs.evolve(last, outcome=OutcomeKind.NOT_SENT, error=NOT_TRIED, message=message)


@lru_cache(4096)
def path_of(resource: str) -> Path:
    """The steps of a resource; none of the whole order."""
    return tuple(resource.split("/")) if resource else ()


class Sender(Protocol):
    """What makes changes."""

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        """Make a change; what it fails with is also the item's ``error``.

        None where the sender was stopped and has not made it; the item's ``last`` tells how it stands.

        Args:
            item: What to send.
            probe: Whether it is only tried once, to see whether the server is back.

        Raises:
            asyncio.CancelledError: The batch ends it.
        """
        ...


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
