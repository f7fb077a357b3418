"""What was tried, and the one outcome it amounts to."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import attrs


class OutcomeKind(StrEnum):
    """The one way in which a call ended."""

    APPLIED = "applied"
    """A 2xx of the API was read."""
    ACCEPTED = "accepted"
    """202: taken in, unfinished, and a later request may supersede it. Not done, and never sent again."""
    APPLIED_INFERRED = "applied_inferred"
    """An earlier attempt of a DELETE was ambiguous, and a later one found nothing left; so it is gone."""
    REJECTED = "rejected"
    """The API said no, and no earlier attempt can have been applied."""
    NOT_SENT = "not_sent"
    """No byte of it can have reached the server."""
    UNKNOWN = "unknown"
    """It may or may not have been applied."""

    @property
    def done(self) -> bool:
        """Whether the change is on the server."""
        return self in DONE

    @property
    def failed(self) -> bool:
        """Whether it is one of ``rejected``, ``not_sent`` and ``unknown``."""
        return self in _FAILED

    @property
    def meaning(self) -> str:
        """The outcome in words."""
        return _MEANINGS[self]


OutcomeName = Literal["applied", "accepted", "applied_inferred", "rejected", "not_sent", "unknown"]
"""The text of an outcome."""
APPLIED, ACCEPTED = OutcomeKind.APPLIED, OutcomeKind.ACCEPTED
"""What is asked for in every call: a member of an enumeration is looked up slowly."""
DONE = (APPLIED, OutcomeKind.APPLIED_INFERRED)
"""The outcomes of what is on the server."""
_FAILED = (OutcomeKind.REJECTED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN)
_MEANINGS = {
    OutcomeKind.APPLIED: "done",
    OutcomeKind.ACCEPTED: "taken in, not finished yet",
    OutcomeKind.APPLIED_INFERRED: "done: gone after an attempt whose answer was lost",
    OutcomeKind.REJECTED: "the API said no",
    OutcomeKind.NOT_SENT: "nothing reached the server",
    OutcomeKind.UNKNOWN: "may or may not be done; safe to run again",
}


@attrs.define
class Attempt:
    """One request on the wire, or the failed try to make it.

    Attributes:
        number: 1 for the first.
        started: Seconds after the start of the call.
        elapsed: Seconds that it took.
        sent: Whether the request's headers went out; None where the transport cannot tell.
        status: The response's HTTP status; None without a complete response.
        error: What went wrong, as ``ErrorClass: text``; beside a status, why the response is not the API's.
        retry_after: The seconds that a response other than a 2xx asked to wait.
        delay: The seconds that the client waited afterwards before it tried again.
        at: When it began, in seconds since 1970-01-01 UTC by the client's clock; None where that is not known.
    """

    number: int
    started: float
    elapsed: float = 0.0
    sent: bool | None = None
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    delay: float | None = None
    at: float | None = None

    @property
    def throttled(self) -> bool:
        """Whether the server asked for less: a 429, or a 503 that asks to wait for a second or more."""
        return self.status == 429 or (self.status == 503 and self.retry_after is not None and self.retry_after >= 1)

    @property
    def unserved(self) -> bool:
        """Whether the server has surely not begun with it: nothing was sent, or it was refused with 429."""
        return self.sent is False or self.status == 429

    @property
    def success(self) -> OutcomeKind | None:
        """What a 2xx of the API means; None without one."""
        if self.status is None or self.error is not None or not 200 <= self.status < 300:
            return None
        return OutcomeKind.ACCEPTED if self.status == 202 else OutcomeKind.APPLIED

    @property
    def ambiguous(self) -> bool:
        """Whether the server may have applied it although no response says so.

        Only a 4xx, or a 2xx of the API, is clear.
        """
        if self.status is None:
            return self.sent is not False
        return self.success is None and not 400 <= self.status < 500


def outcome_of(attempts: Sequence[Attempt], *, redelivered: bool = False) -> OutcomeKind:
    """What these attempts amount to.

    A 2xx of the API stays what it means, and an ambiguous attempt is never cleared by a later refusal. An earlier
    call that may have been applied (``redelivered``) counts as an ambiguous attempt.
    """
    successes = [success for attempt in attempts if (success := attempt.success) is not None]
    if successes:
        return OutcomeKind.APPLIED if OutcomeKind.APPLIED in successes else OutcomeKind.ACCEPTED
    if redelivered or any(attempt.ambiguous for attempt in attempts):
        return OutcomeKind.UNKNOWN
    if any(attempt.status is not None for attempt in attempts):
        return OutcomeKind.REJECTED
    return OutcomeKind.NOT_SENT
