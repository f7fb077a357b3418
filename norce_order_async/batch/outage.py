"""Noticing that the server is out of reach, and when to look again."""

from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    AuthenticationError,
    AuthError,
    CallError,
    DeadlineExceeded,
    NotTheApiError,
    PermissionDeniedError,
    StatusError,
    TLSError,
    TransportError,
)
from norce_order_async.core.statuses import RETRYABLE_STATUSES

IN_A_ROW = 5
"""So many changes in a row that fail alike are an outage."""
FIRST_PROBE = 0.5
"""Seconds."""
LAST_PROBE = 30.0
"""Seconds, the longest wait between two probes."""

_REFUSED = (AuthenticationError, PermissionDeniedError, TLSError)


def passes(error: CallError) -> bool:
    """Whether the failure says nothing of the change: the API was not reached, or had no time for it."""
    if not error.outcome.failed:
        return False
    if isinstance(error, TransportError):
        return error.retryable
    if isinstance(error, StatusError):
        return error.status in RETRYABLE_STATUSES
    return isinstance(error, DeadlineExceeded | AuthError | NotTheApiError)


def throttled(error: CallError) -> bool:
    """Whether the server asked for less."""
    return bool(error.attempts) and error.attempts[-1].throttled


class Outage:
    """Follows how changes end, and tells whether to go on, to hold, or to stop.

    Args:
        clock: Where time comes from.
        patience: Seconds without any success, after which it is given up.
    """

    def __init__(self, clock: Clock, patience: float) -> None:
        self.patience = patience
        self.worked = False
        """Whether anything has ever been answered."""
        self.holding = False
        """Whether nothing but probes should be sent."""
        self.error: CallError | None = None
        """The last failure that is the server's."""
        self._clock = clock
        self._row = self._unreached = self._refused = 0
        self._failing_since: float | None = None
        self._delay = FIRST_PROBE
        self._not_before = 0.0

    def succeeded(self) -> None:
        """A change ended with an answer that is about the change."""
        self.worked = True
        self.holding = False
        self._row = self._unreached = self._refused = 0
        self._failing_since = None
        self._delay = FIRST_PROBE
        self._not_before = 0.0

    def rest(self) -> None:
        """There is nothing to send; time that passes so is none that the server is waited for."""
        self._failing_since = None

    def failed(self, error: CallError) -> None:
        """A change ended with this error."""
        refused = isinstance(error, _REFUSED) and not (self.worked and isinstance(error, PermissionDeniedError))
        if not refused and not passes(error):
            self.succeeded()
            return
        now = self._clock.monotonic()
        self.error = error
        self._row += 1
        if self._failing_since is None:
            self._failing_since = now
        if refused:
            self._refused += 1
        elif not throttled(error):
            self._unreached += 1
            self.holding = self.holding or self._unreached >= IN_A_ROW
        if error.retry_after is not None:
            self._not_before = max(self._not_before, now + error.retry_after)

    @property
    def hopeless(self) -> str | None:
        """Why there is no point in going on, if there is none."""
        if self.error is None or self._failing_since is None:
            return None
        reason = self.error.reason
        if self._refused >= IN_A_ROW or (self.holding and not self.worked and not isinstance(self.error, StatusError)):
            return f"everything fails alike: {reason}"
        now = self._clock.monotonic()
        if self._row >= IN_A_ROW and self._not_before - now > self.patience:
            return f"the server asks to wait {self._not_before - now:.0f} s: {reason}"
        if now - self._failing_since >= self.patience:
            return f"nothing went through for {self.patience:g} s: {reason}"
        return None

    def next_probe(self) -> float:
        """Seconds to wait before the next probe: each time twice as long, up to 30 s, within the patience."""
        now = self._clock.monotonic()
        patience_left = self.patience - (now - (self._failing_since or now))
        delay = max(min(self._delay, patience_left), self._not_before - now, 0.0)
        self._delay = min(LAST_PROBE, 2 * self._delay)
        return delay
