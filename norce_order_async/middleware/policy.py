"""When a failed attempt is tried again, and after how long, in tenacity's terms."""

from typing import Any

import attrs
from tenacity import (
    RetryCallState,
    retry_all,
    retry_any,
    retry_if_exception,
    retry_if_not_result,
    retry_if_result,
)
from tenacity.retry import RetryBaseT
from tenacity.wait import WaitBaseT, wait_base

from norce_order_async.core.back_off import back_off, not_before
from norce_order_async.core.checks import positive_count, positive_seconds
from norce_order_async.core.errors import TransportError
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.shapes import HOOK, Shape, check_shape
from norce_order_async.core.statuses import RETRYABLE_STATUSES


def _retryable_error(error: BaseException) -> bool:
    return isinstance(error, TransportError) and error.retryable


def _retryable_response(response: Any) -> bool:
    return response.status in RETRYABLE_STATUSES


retry_if_transient = retry_if_exception(_retryable_error) | retry_if_result(_retryable_response)
"""Whether trying again can help: no complete response (except for a refused certificate), or a status of
408, 425, 429 or 5xx, except for 501, 505, 506, 508, 510 and 511."""


def last_attempt(state: RetryCallState) -> Attempt:
    """The attempt that a strategy has to judge; the client gives each strategy its call as ``state.args[0]``."""
    attempt: Attempt = state.args[0].attempts[-1]
    return attempt


@attrs.frozen
class BackOff(wait_base):
    """Exponential back-off with full jitter that never comes back earlier than ``Retry-After`` asks for.

    Before retry n it waits ``b``, drawn evenly from 0 to ``min(maximum, base * 2**(n-1))``; when the server asked
    for r seconds, ``max(b, r + a little)``, where the little (at most ``min(1, r / 10 + 0.05)``) spreads callers out.

    Attributes:
        base: Seconds, the widest first wait.
        throttled_base: The same after a 429, or after a 503 that asks for a second or more.
        maximum: Seconds, the widest wait of all.
    """

    base: float = attrs.field(default=0.2, validator=positive_seconds)
    throttled_base: float = attrs.field(default=1.0, validator=positive_seconds)
    maximum: float = attrs.field(default=20.0, validator=positive_seconds)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait after the attempt that just failed."""
        attempt = last_attempt(retry_state)
        base = self.throttled_base if attempt.throttled else self.base
        random = retry_state.args[0].random
        delay = back_off(retry_state.attempt_number, base=base, most=self.maximum, random=random)
        return not_before(attempt.retry_after, delay, random)


_STRATEGY = Shape("a tenacity strategy that is not async", awaited=False)


def _check_strategy(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """An attrs validator: a strategy, whose parts are seen as far as tenacity's own combinations and predicates go."""
    check_shape(attribute.name, value, _STRATEGY)
    match value:
        case retry_any() | retry_all():
            for part in value.retries:
                _check_strategy(instance, attribute, part)
        case retry_if_exception() | retry_if_result() | retry_if_not_result():
            check_shape(f"a predicate of {attribute.name}", value.predicate, HOOK)
        case _:
            pass


@attrs.frozen
class RetryPolicy:
    """When to try again. Its strategies are tenacity's, so those can be mixed in.

    They see the failed try as tenacity's ``RetryCallState``; its ``args[0]`` is the :class:`Call`.

    Attributes:
        max_attempts: How many attempts a call has at most, the first included.
        wait: Seconds before the next attempt; less than 0, and NaN, count as 0.
        retry: Whether a failure is worth another attempt.
        max_retry_after: Seconds; a server that asks to wait longer ends the call at once.

    Raises:
        ConfigurationError: A number that is not above zero, or a strategy that is async or cannot be called.
    """

    max_attempts: int = attrs.field(default=3, validator=positive_count)
    wait: WaitBaseT = attrs.field(factory=BackOff, validator=_check_strategy)
    retry: RetryBaseT = attrs.field(default=retry_if_transient, validator=_check_strategy)
    max_retry_after: float = attrs.field(default=60.0, validator=positive_seconds)

    @classmethod
    def interactive(cls) -> "RetryPolicy":
        """For a caller that waits: 3 attempts."""
        return cls()

    @classmethod
    def batch(cls) -> "RetryPolicy":
        """For jobs: 5 attempts."""
        return cls(max_attempts=5)
