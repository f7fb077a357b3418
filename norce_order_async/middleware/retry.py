"""Trying again, with back-off, never past the call's deadline."""

import math
from typing import Any

import attrs
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt

from norce_order_async.core.call import Call, Repeat, RetryRules
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import TransportError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.shapes import check_not_awaitable
from norce_order_async.core.wording import counted
from norce_order_async.middleware import Handler
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.log import log_give_up, log_retry

_RETRYING = AsyncRetrying()


@attrs.frozen
class Retry:
    """Hands a request to ``attempt``, and again as the call's :class:`RetryPolicy` says.

    Tenacity's strategies judge one call's own state, which is only made after a first failure. When it stops,
    the last response is returned or the last error raised, and ``call.gave_up`` says why there was no other attempt.
    """

    attempt: Handler
    clock: Clock
    lifecycle: Lifecycle

    async def __call__(self, request: Request) -> Response:
        """Send until an attempt needs no other, or none may follow."""
        request.call.gave_up = None  # a middleware may hand the same call in again
        call, attempt = request.call, self.attempt
        policy = call.retry
        state: RetryCallState | None = None
        last: Response | TransportError | None = None
        try:
            while True:
                made = len(call.attempts)
                try:
                    last = await attempt(request)
                    if 200 <= last.status < 300:
                        return last
                except TransportError as error:
                    last = error
                # A middleware that answers without an attempt has decided for itself.
                if policy is None or len(call.attempts) == made:
                    return _end(last)
                state = state or RetryCallState(_RETRYING, None, (call,), {})
                if isinstance(last, Response):
                    state.set_result(last)
                else:
                    state.set_exception((type(last), last, last.__traceback__))
                delay = self._delay(call, policy, state)
                if delay is None:
                    if call.gave_up is not None:
                        log_give_up(call)
                    return _end(last)
                log_retry(call, delay)
                call.waiting = "its next attempt"
                try:
                    await self.clock.sleep(delay)
                finally:
                    call.waiting = None
                call.attempts[-1].delay = delay
                state.prepare_for_next_attempt()
        finally:
            del last, state  # an error's traceback holds this frame, so this frame must not hold the error

    def _delay(self, call: Call, policy: RetryRules, state: RetryCallState) -> float | None:
        """Seconds to wait before the next attempt; None when there is to be none.

        Raises:
            TypeError: A strategy is async, or gives no seconds.
        """
        wanted: object = policy.retry(state)
        check_not_awaitable("retry", wanted)
        if not wanted:
            return None
        if self.lifecycle.closed:
            call.gave_up = "the client was closed"
            return None
        attempt = call.attempts[-1]
        if call.repeat is Repeat.NEVER or (call.repeat is Repeat.IF_UNSENT and not attempt.unserved):
            call.gave_up = "sending this operation again could do it twice"
            return None
        if attempt.retry_after is not None and attempt.retry_after > policy.max_retry_after:
            call.gave_up = f"the server asks to wait {math.ceil(attempt.retry_after)} s"
            return None
        if stop_after_attempt(policy.max_attempts)(state):
            call.gave_up = f"the limit is {counted(policy.max_attempts, 'attempt')}"
            return None
        delay = _seconds(policy.wait(state))
        if self.clock.monotonic() + delay >= call.deadline:
            call.gave_up = f"the next wait of {delay:.2f} s would pass the deadline"
            return None
        if (budget := call.shop.budget) is not None:
            cost = budget.take(throttled=attempt.throttled)
            if cost is None:
                call.gave_up = "the retry budget is empty: too many calls fail"
                return None
            call.paid = cost
        return delay


def _seconds(told: Any) -> float:
    check_not_awaitable("wait", told)
    try:
        return max(0.0, float(told))  # 0 also of NaN
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"wait must return seconds, got {kind_of(told)}") from None


def _end(last: Response | TransportError) -> Response:
    if isinstance(last, Response):
        return last
    try:
        raise last
    finally:
        del last  # it would refer to itself through this frame
