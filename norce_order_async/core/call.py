"""The state of one call."""

import copy
from collections.abc import Callable, Mapping, Sequence, Set
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar, cast, runtime_checkable

import attrs

from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, NorceOrderError
from norce_order_async.core.outcome import Attempt, OutcomeKind, outcome_of
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.core.settings import Timeout
from norce_order_async.core.shop import NO_SHOP, Shop
from norce_order_async.core.token_source import TokenSource

E = TypeVar("E", bound=NorceOrderError)


class Repeat(StrEnum):
    """Whether a second attempt of an operation does harm: a matter of its meaning, not of its verb."""

    SAFE = "safe"
    """Sending it twice leaves the same state as sending it once."""
    IF_UNSENT = "if_unsent"
    """Only tried again when no byte of it can have reached the server, or it was refused with 429 (say, the creation of
    an order)."""
    NEVER = "never"
    """Never tried again."""


@runtime_checkable
class RetryRules(Protocol):
    """When to try again, as :class:`RetryPolicy` has it; a Protocol, so that plain values need no tenacity."""

    @property
    def max_attempts(self) -> int:
        """How many attempts a call has at most."""
        ...

    @property
    def wait(self) -> Any:
        """Tenacity's strategy for the seconds before the next attempt."""
        ...

    @property
    def retry(self) -> Any:
        """Tenacity's strategy for whether a failure is worth another attempt."""
        ...

    @property
    def max_retry_after(self) -> float:
        """Seconds; a server that asks to wait longer ends the call at once."""
        ...


class Limiter(Protocol):
    """What the attempts of a call take their slots from."""

    def acquire_nowait(self, shop: Shop, now: float) -> Any:
        """Take a slot if there is one for this shop; what to give back, or None."""
        ...

    async def acquire(self, shop: Shop, now: float, deadline: float) -> Any:
        """Wait for a slot, and take it; what to give back, or None when it comes too late."""
        ...

    def release(self, taken: Any, since: float, now: float) -> None:
        """Give a slot back."""
        ...


@attrs.define(eq=False)
class Call:
    """The state of one call, shared by all its attempts. Made by the client; middlewares may read it.

    Attributes:
        operation: The API's operationId.
        repeat: Whether a second attempt does harm.
        request_id: Sent as ``x-request-id``, the same on every attempt.
        started: The clock's monotonic time at the start.
        at: The wall time at the start, in seconds since 1970-01-01 UTC; None where nobody took it.
        shop: The shop that it is for.
        tokens: Where its tokens come from; None where its token is fixed.
        limiter: What its attempts take their slots from, in its event loop.
        timeout: The limits that hold for this call.
        retry: The policy that holds for this call; None is off.
        reads_body: Whether the operation needs a response's body.
        changes: Whether the operation may change something on the server.
        members: The members of the object that the operation reads; None when that is not known.
        ids: The ids in the operation's path.
        path: The operation's path, with ``{placeholders}`` for the ids.
        random: Where the random part of its waits comes from.
        attempts: What was tried so far.
        shared: The attempts of other calls whose answer or error a middleware gave this one.
        elapsed: Seconds that it took; set when the call ends.
        outcome: What it amounts to; set when the call ends.
        paid: What the last retry took from the budget, which a success gives back; 1 without a retry.
        gave_up: Why no further attempt was made although the last one failed in a passing way, or there was none.
        on_attempt: Called after each of its attempts.
        waiting: What it waits for: a slot, a token, its turn in the pace or its next attempt, so that closing the
            client ends it at once; None while it does not wait.
        sending: Whether an attempt is under way; there is one at a time.
        timed_out: Whether its deadline has passed.
        ended: Whether it has ended, so that nothing more is sent for it.
        redelivered: Whether an earlier call of the same change may have been applied.
        end_hooks: Called at its end, as ``on_call`` is. A middleware may add its own: it does not see the end itself.
    """

    operation: str
    repeat: Repeat
    request_id: str
    started: float
    timeout: Timeout
    retry: RetryRules | None
    reads_body: bool = True
    changes: bool = True
    members: Set[str] | None = None
    ids: Mapping[str, str] = attrs.field(factory=dict[str, str])
    path: str = ""
    random: RandomSource = attrs.field(default=SYSTEM_RANDOM, repr=False)
    attempts: list[Attempt] = attrs.field(factory=cast("type[list[Attempt]]", list))
    elapsed: float = 0.0
    outcome: OutcomeKind = OutcomeKind.UNKNOWN
    paid: int = 1
    gave_up: str | None = None
    on_attempt: "AttemptHook | None" = None
    redelivered: bool = False
    waiting: str | None = None
    sending: bool = False
    timed_out: bool = False
    ended: bool = False
    at: float | None = None
    shop: Shop = NO_SHOP
    tokens: TokenSource | None = attrs.field(default=None, repr=False)
    limiter: Limiter = attrs.field(init=False, repr=False)
    shared: tuple[Attempt, ...] = ()
    end_hooks: "tuple[CallHook, ...]" = ()

    @property
    def deadline(self) -> float:
        """The monotonic time at which the call must have ended."""
        return self.started + self.timeout.total

    @property
    def maybe_sent(self) -> bool:
        """Whether the request of any attempt may have gone out."""
        return any(attempt.sent is not False for attempt in self.attempts)

    @property
    def judged(self) -> OutcomeKind:
        """What its attempts, and those that it shares, amount to."""
        return outcome_of((*self.attempts, *self.shared), redelivered=self.redelivered)

    def mark_sent(self, sent: bool = True) -> None:
        """Note whether the current attempt's request headers went out. Called by the transport."""
        self.attempts[-1].sent = sent

    def annotate(self, error: NorceOrderError) -> None:
        """Write its account on the error that ends it."""
        error.outcome = self.outcome
        if isinstance(error, CallError):
            error.operation = self.operation
            error.request_id = self.request_id
            error.attempts = tuple(self.attempts)
            error.elapsed = self.elapsed
            error.retry_after = self.attempts[-1].retry_after if self.attempts else None
            error.gave_up = self.gave_up
            error.redelivered = self.redelivered


class TimedAttempts(tuple[Attempt, ...]):
    """The attempts of a call that has ended, and when it began by the clock that timed it.

    In a pickle it is a plain tuple: another process has another clock.
    """

    _clock: Clock
    _began: float

    def __new__(cls, attempts: Sequence[Attempt], clock: Clock, began: float) -> Self:
        """The attempts of a call that began at this monotonic time."""
        timed = super().__new__(cls, attempts)
        timed._clock, timed._began = clock, began
        return timed

    @property
    def age(self) -> float:
        """How many seconds ago the call began, however the wall clock was set since."""
        return self._clock.monotonic() - self._began

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, ([*self],)


def own_copy(error: E) -> E:
    """A copy of an error that other calls may be given too, for the account of one; it has no frames.

    The error itself where its class, of the user's own, cannot be copied.
    """
    try:
        own = copy.copy(error)
    except Exception:
        return error
    own.__cause__, own.__context__ = error.__cause__, error.__context__
    own.__suppress_context__ = error.__suppress_context__  # which a cause sets
    if hasattr(own, "__notes__"):
        own.__notes__ = list(own.__notes__)
    for name in ("operation", "outcome"):  # what the end of another call has written
        vars(own).pop(name, None)
    return own


AttemptHook = Callable[[Call, Attempt], None]
"""Called after each attempt, with its call and its account. It runs in the event loop, so it must be quick."""

CallHook = Callable[[Call, BaseException | None], None]
"""Called at each call's end, however it ends, with its account and its error. It runs in the event loop, too."""
