"""The state of one call."""

from collections.abc import Callable
from enum import StrEnum

import attrs

from norce_order_async.config import Timeout
from norce_order_async.inloop import Slots
from norce_order_async.outcome import Attempt, OutcomeKind, failed_outcome
from norce_order_async.policy import RetryPolicy


class Repeat(StrEnum):
    """Whether a second attempt of an operation does harm: a matter of its meaning, not of its verb."""

    SAFE = "safe"
    """Sending it twice leaves the same state as sending it once."""
    IF_UNSENT = "if_unsent"
    """Only tried again when no byte of it can have reached the server (say, the creation of an order)."""
    NEVER = "never"
    """Never tried again."""


@attrs.define(eq=False)
class Call:
    """The state of one call, shared by all its attempts. Made by the client; middlewares may read it.

    Attributes:
        operation: The API's operationId.
        repeat: Whether a second attempt does harm.
        request_id: Sent as ``x-request-id``, the same on every attempt.
        started: The clock's monotonic time at the start.
        timeout: The limits that hold for this call.
        retry: The policy that holds for this call; None is off.
        reads_body: Whether the operation needs an answer's body.
        slots: What its attempts take a slot of.
        attempts: What was tried so far.
        elapsed: Seconds that it took; set when the call ends.
        outcome: What it amounts to; set when the call ends.
        paid: What the last retry took from the budget, which a success gives back; 1 without a retry.
        gave_up: Why no further attempt was made although the last one failed in a passing way.
        on_attempt: Called after each of its attempts.
        redelivered: Whether an earlier call of the same change may have been applied.
    """

    operation: str
    repeat: Repeat
    request_id: str
    started: float
    timeout: Timeout
    retry: RetryPolicy | None
    reads_body: bool = True
    slots: Slots = attrs.field(factory=lambda: Slots(1), repr=False)
    attempts: list[Attempt] = attrs.Factory(lambda: [])  # noqa: PIE807 (pyright has no type for the other)
    elapsed: float = 0.0
    outcome: OutcomeKind = OutcomeKind.UNKNOWN
    paid: int = 1
    gave_up: str | None = None
    on_attempt: "AttemptHook | None" = None
    redelivered: bool = False

    @property
    def deadline(self) -> float:
        """The monotonic time at which the call must have ended."""
        return self.started + self.timeout.total

    @property
    def failed_outcome(self) -> OutcomeKind:
        """What it amounts to without a 2xx."""
        return OutcomeKind.UNKNOWN if self.redelivered else failed_outcome(self.attempts)

    def mark_sent(self, sent: bool = True) -> None:
        """Note whether the current attempt's request headers went out. Called by the transport."""
        self.attempts[-1].sent = sent


AttemptHook = Callable[[Call, Attempt], None]
"""Called after each attempt, with its call and its account. It runs in the event loop, so it must be quick."""
