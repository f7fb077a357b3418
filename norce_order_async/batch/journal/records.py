"""What a journal is told and tells, as values."""

import json
import zlib
from collections.abc import Collection
from decimal import Decimal

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import InputLine
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.codec import encode_shown

INTERRUPTED = "Interrupted"
"""The error of a change whose run ended before its outcome was known."""
UNTOLD = "the run ended before its outcome was known"
"""What is told of a change that was interrupted."""
MAX_MESSAGE = 1_000
"""Characters of an error's text that are kept."""


@attrs.frozen
class State:
    """Where a change stands that the journal knows.

    Attributes:
        outcome: Its outcome; None when it was marked and its outcome never written.
        digest: The checksum of its entry.
        reopened: Whether it was done, and is to be made once more.
        ended: When its last call ended, if a request before that may have had no answer, in seconds since 1970-01-01
            UTC.
        once: Whether it was sent at most once: as ``unknown`` it must not be sent again.
    """

    outcome: OutcomeKind | None
    digest: int | None
    reopened: bool = False
    ended: float | None = None
    once: bool = False

    @property
    def may_stand(self) -> bool:
        """Whether the change may be on the server."""
        return self.outcome not in (OutcomeKind.NOT_SENT, OutcomeKind.REJECTED)

    def settles_after(self, began: float, settle: float) -> float:
        """Seconds after ``began`` until which a request of an earlier run may still be carried out.

        Args:
            began: When this run began, in seconds since 1970-01-01 UTC.
            settle: Seconds for which that may be after a request was given up.
        """
        if self.ended is not None:
            return min(settle, self.ended + settle - began)
        # Where it may be, nobody knows when it was given up.
        return settle if self.outcome is None or self.outcome is OutcomeKind.UNKNOWN else 0.0


_SORTED = json.JSONEncoder(sort_keys=True)


def digest_of(change: Change) -> int | None:
    """A checksum of a change that is given as a value; None where JSON cannot hold it.

    It is the same in every process, and for members in any order.
    """
    try:
        members = json.loads(encode_shown(change.record()), parse_float=_number)
    except (InvalidRequestError, ValueError):  # a whole number with too many digits is one for JSON, not for Python
        return None
    return zlib.crc32(_SORTED.encode(members).encode())


def _number(text: str) -> float | str:
    """A number with a fraction or an exponent; one of more digits than a double holds is told by its text."""
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else f"number {text}"


def check_same(entry: InputLine, state: State) -> None:
    """See that an entry is the one that the journal knows, as far as both have a digest.

    Raises:
        ConfigurationError: The journal knows another line of this number.
    """
    if None not in (state.digest, entry.digest) and state.digest != entry.digest:
        raise ConfigurationError(
            f"line {entry.line} is not the one that the journal knows: choose another journal for another input"
        )


def is_wanted(only: Collection[OutcomeKind] | None, entry: InputLine, state: State | None, *, once: bool) -> bool:
    """Whether a change is made in this run; another run may have made it.

    Raises:
        ConfigurationError: The journal knows another line of this number.
    """
    if state is None:
        return only is None
    check_same(entry, state)
    outcome = state.outcome or OutcomeKind.UNKNOWN
    wanted = state.reopened or (state.outcome is None if only is None else outcome in only)
    # What is not made for lack of ``once`` keeps the outcome that it has.
    is_allowed = once or state.outcome is None or entry.change is None or entry.change.not_twice is None
    return wanted and is_allowed and not (state.once and state.may_stand)


@attrs.frozen
class JournalRun:
    """One run of a batch; times are seconds since 1970-01-01 UTC.

    Attributes:
        started: When it began.
        ended: When it ended; None while it goes on, or when it was killed.
        stopped: Why it ended before its input did.
    """

    started: float
    ended: float | None
    stopped: str | None


@attrs.frozen(kw_only=True)
class JournalSample:
    """How fast a batch was at one moment.

    Attributes:
        at: When, in seconds since 1970-01-01 UTC.
        concurrency: How many changes were allowed to be under way.
        rate: How many changes a second were allowed; None is no limit.
        in_flight: How many changes were under way.
        reason: Why it was no faster.
    """

    at: float
    concurrency: int
    rate: float | None
    in_flight: int
    reason: str | None
