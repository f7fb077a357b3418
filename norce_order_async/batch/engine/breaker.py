"""The circuit breaker of a batch: noticing that the server is out of reach, and when to look again."""

import asyncio
import math
from collections.abc import Sequence, Set

from norce_order_async.batch.changes import Order
from norce_order_async.batch.engine.schedule import LOOKAHEAD, WorkItem
from norce_order_async.batch.engine.settings import Shared
from norce_order_async.core.errors import (
    AuthenticationError,
    CallError,
    DeadlineExceeded,
    NotTheApiError,
    PermissionDeniedError,
    ReadTimeout,
    StatusError,
    TLSError,
    TokenError,
    TransportError,
)
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.statuses import RETRYABLE_STATUSES
from norce_order_async.loops.tasks import pause
from norce_order_async.wire.refusals import is_foreign

IN_A_ROW = 5
"""So many orders in a row whose changes fail are an outage."""
FIRST_PROBE = 0.5
"""Seconds."""
LAST_PROBE = 30.0
"""Seconds, the longest wait between two probes."""
_LATE = 1.0
"""Seconds by which a wait ends late only where this process stood still."""
_UNTIL_OTHERS = 3
"""So many probes are sent before others have been read ahead."""
FEW = 100
"""So many new changes, if they are the last ones, are all tried."""

ABOUT_US = (AuthenticationError, PermissionDeniedError, TLSError)
"""Refusals that may be about who we are, or of whom we accept a certificate, whatever the change."""
_OF_ONE_ORDER = frozenset({500, 504, 524})
"""Statuses that a single order may cause: the API failed over it, or a gateway waited for it in vain."""


def _says_nothing(error: CallError) -> bool:
    """Whether something else than the API answered, and not about who we are."""
    return is_foreign(error) and not isinstance(error, ABOUT_US)


def is_throttled(error: CallError) -> bool:
    """Whether the server asked for less."""
    return bool(error.attempts) and error.attempts[-1].throttled


class CircuitBreaker:
    """Follows how changes end, and tells whether to go on, to send probes only, or to stop.

    An outage is what fails across orders, or is asked to wait beyond the patience: a change that fails while others
    succeed says something of itself, and nothing of the server. When few changes are left that were not tried, little
    can tell the two apart any more. Then what fails as a single order may (500, or no answer in time), after others
    have succeeded, is taken for such orders: each is tried, and nothing is held for it or given up with the patience.
    What cannot be reached stays an outage.

    Args:
        shared: What is left to try, the state of the batch, and the clock.
        patience: Seconds of an outage after which it is given up.
        has_worked: Whether anything was answered in an earlier run.
    """

    def __init__(self, shared: Shared, patience: float, *, has_worked: bool) -> None:
        self.patience = patience
        self._schedule, self._state, self._clock = shared.schedule, shared.state, shared.clock
        self._holds = shared.pace.holds
        self._has_worked = has_worked
        self.is_open = False
        """Whether nothing but probes should be sent."""
        self.answered_at = -math.inf
        """The monotonic time at which a change last ended with an answer."""
        self.in_a_row = 0
        """How many changes have failed since then; while none has, nothing is asked of the breaker."""
        self._unreached: set[Order] = set()
        self._refused = 0
        self._failing_since: float | None = None
        self._probes = 0
        self._last_probe = 0.0
        self._asked: dict[str | None, tuple[float, str]] = {}  # by merchant: until when to wait, and the refusal

    def recover(self) -> None:
        """What failed before counts no more: an answer came."""
        self.is_open = False
        self._unreached.clear()
        self.in_a_row = self._refused = 0
        self._failing_since = None
        self._probes = 0
        self._asked.clear()

    def is_transient(self, error: CallError) -> bool:
        """Whether the failure says nothing of the change: the API was not reached, or had no time for it.

        Nor does a page say anything, until the API has answered.
        """
        if not error.outcome.failed:
            return False
        if isinstance(error, TransportError):
            return error.retryable
        if isinstance(error, StatusError):
            return error.status in RETRYABLE_STATUSES or (not self._is_known and _says_nothing(error))
        return isinstance(error, DeadlineExceeded | TokenError | NotTheApiError)

    def is_asked_too_much(self, error: CallError) -> bool:
        """Whether the server asks to wait for longer than the patience."""
        return (error.retry_after or 0.0) > self.patience

    def rest(self) -> None:
        """There is nothing to send; time that passes so is none that the server is waited for."""
        self._failing_since = None

    async def pause(self, due: float, *until: asyncio.Event) -> None:
        """Wait until this monotonic time, or one of the events is set.

        Time for which this process stood still meanwhile is none that the server is waited for.
        """
        await pause(self._clock, due - self._clock.monotonic(), *until)
        if self._failing_since is not None and (late := (now := self._clock.monotonic()) - due) > _LATE:
            self._failing_since = min(self._failing_since + late, now)

    def failed(self, item: WorkItem, error: CallError) -> bool:
        """A change ended with this error; whether that counts among the times that it may fail."""
        now, last = self._clock.monotonic(), self._last
        refused = isinstance(error, ABOUT_US)
        if isinstance(error, PermissionDeniedError) or not (refused or self.is_transient(error)):
            if refused:
                self._state.error = error  # it says nothing of the change
            else:
                self._state.worked = True
            self.answered_at = now
            self.recover()
            return True
        others_succeed = item.since is not None and self.answered_at > item.since
        item.failing = item.failing or others_succeed
        item.since = now
        self._state.error = error
        self.in_a_row += 1
        if self._failing_since is None:
            self._failing_since = now
        self._refused += refused
        if not is_throttled(error) or self.is_asked_too_much(error):
            if not item.failing:
                self._unreached.add(item.order)
            if self._is_outage:
                was_open, self.is_open = self.is_open, last != 0 or not self._may_be_of_orders
                if self.is_open and not was_open:
                    self._failing_since = now
        if error.retry_after is not None:
            merchant, asked = item.order[0], (now + error.retry_after, error.reason)
            self._asked[merchant] = max(self._asked.get(merchant, asked), asked)
        return others_succeed or not self.is_open or self.tries_all

    @property
    def avoided(self) -> Sequence[Set[str | None]]:
        """The merchants whose orders count for the outage or that are asked to wait, and the latter alone."""
        return self._failing_merchants | self._asked.keys(), self._asked.keys()

    @property
    def _failing_merchants(self) -> set[str | None]:
        return {merchant for merchant, _, _ in self._unreached}

    @property
    def _last(self) -> int | None:
        """How many changes are left that were not tried, if no more will come."""
        return len(self._schedule.ready) if self._state.input_ended else None

    @property
    def tries_all(self) -> bool:
        """Whether all that is left is tried, although others fail: it is little, and its orders may be what fails."""
        last = self._last
        return last is not None and last <= FEW and self._may_be_of_orders

    def hopeless(self, others: int) -> str | None:
        """Why there is no point in going on, if there is none.

        Args:
            others: How many changes are under way: before anything has worked, each of them may be what does.
        """
        error, since = self._state.error, self._failing_since
        if error is None or since is None:
            return None
        has_worked = self._state.worked
        is_alike = self.is_open and not has_worked and others < 1 and self._never_reached(error)
        is_refused = self._refused >= IN_A_ROW and not (self._is_known and self._may_be_of_merchant)
        if is_refused or is_alike:
            what = f"{IN_A_ROW} changes in a row fail" if has_worked else "everything fails"
            return f"{what} alike: {error.reason}"
        now = self._clock.monotonic()
        if self._probes > IN_A_ROW:
            until, refusal = self._not_before
            if until - now > self.patience:
                return f"the server asks to wait {math.ceil(until - now)} s: {refusal}"
        is_outage = self._is_outage and not self.tries_all
        if (is_outage or is_throttled(error)) and now - since >= self.patience:
            return f"nothing went through for {self.patience:g} s: {error.reason}"
        return None

    def give_up(self, why: str) -> None:
        """Stop, or leave undone what was read where all of it is of merchants that are refused while others are not."""
        error, scopes = self._state.error, self._schedule.scopes()
        is_of_merchants = error is not None and is_throttled(error)
        if is_of_merchants and scopes and all(self._holds.holds(merchant) for merchant, _ in scopes):
            for scope in scopes:
                self._state.closed.setdefault(scope, why)
            self.recover()
            self._state.wake.set()
        else:
            self._state.stop(why)

    def next_probe(self) -> tuple[float, bool]:
        """The seconds to wait before the next probe, and whether it is a new change rather than one that failed.

        They are twice as many each time, up to 30, within the patience; new ones and others are probed in turn. When
        few new ones are left and no more will come, all are probed, one every half second if their orders may be what
        fails, and within the patience otherwise.
        """
        now, last = self._clock.monotonic(), self._last
        patience_left = self.patience - (now - (self._failing_since or now))
        delay = min(LAST_PROBE, FIRST_PROBE * 2 ** min(self._probes, 10), max(FIRST_PROBE, patience_left / 2))
        new = self._probes % 2 == 0
        if self.tries_all:
            new, delay = True, self._last_probe + FIRST_PROBE - now
        elif last is not None and 0 < last <= FEW:
            new, delay = True, min(delay, max(FIRST_PROBE, patience_left / 2 / last))
        self._probes += 1
        asked = self._not_before[0] - now
        delay = max(delay, asked if asked <= self.patience else 0.0, 0.0)
        self._last_probe = now + delay
        return delay, new

    @property
    def _is_outage(self) -> bool:
        return len(self._unreached) >= IN_A_ROW or self._refused >= IN_A_ROW

    @property
    def _is_known(self) -> bool:
        """Whether the API has answered anything, in this run or an earlier one."""
        return self._state.worked or self._has_worked

    @property
    def _may_be_of_orders(self) -> bool:
        """Whether the last failure is one that a single order may cause, where others have succeeded."""
        error = self._state.error
        is_answer = isinstance(error, StatusError) and error.status in _OF_ONE_ORDER
        return self._state.worked and (is_answer or isinstance(error, ReadTimeout))

    def _never_reached(self, error: CallError) -> bool:
        """Whether the failure is one that every change would end in."""
        if _says_nothing(error):
            return not self._may_be_of_merchant
        return error.outcome is OutcomeKind.NOT_SENT or isinstance(error, TokenError)

    @property
    def _may_be_of_merchant(self) -> bool:
        """Whether only one merchant has failed, and others can be tried, or may be."""
        merchants = self._failing_merchants
        return len(merchants) < 2 and not (self._is_read_ahead and self._merchants_left <= merchants)

    @property
    def _not_before(self) -> tuple[float, str]:
        """The monotonic time at which the first wait ends, where all that is left is asked to wait; and the refusal."""
        if not self._asked or not self._is_read_ahead:
            return 0.0, ""
        return min((self._asked.get(merchant, (0.0, "")) for merchant in self._merchants_left), default=(0.0, ""))

    @property
    def _merchants_left(self) -> set[str | None]:
        return {merchant for merchant, _ in self._schedule.scopes()}

    @property
    def _is_read_ahead(self) -> bool:
        """Whether as much was taken from the input as can be."""
        return self._state.input_ended or self._schedule.held >= LOOKAHEAD or self._probes > _UNTIL_OTHERS
