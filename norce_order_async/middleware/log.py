"""What the client writes to the log: the logger is ``norce_order_async``, and bodies and the token are never in it."""

import logging

from norce_order_async.call import AttemptHook, Call
from norce_order_async.outcome import Attempt

logger = logging.getLogger("norce_order_async")
logger.addHandler(logging.NullHandler())


def log_attempt(call: Call, attempt: Attempt) -> None:
    """One line at DEBUG for each attempt."""
    logger.debug(
        "%s attempt %d: %s in %.3f s",
        call.operation,
        attempt.number,
        _result(attempt),
        attempt.elapsed,
        extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "elapsed": attempt.elapsed},
    )


def log_retry(call: Call, delay: float) -> None:
    """One line at INFO for each retry, with its reason and the wait before it."""
    if logger.isEnabledFor(logging.INFO):
        attempt = call.attempts[-1]
        logger.info(
            "%s: %s; trying again in %.2f s",
            call.operation,
            _result(attempt),
            delay,
            extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "delay": delay},
        )


def log_give_up(call: Call) -> None:
    """One line at WARNING when a call that could be tried again is not."""
    attempt = call.attempts[-1]
    logger.warning(
        "%s: %s; giving up: %s",
        call.operation,
        _result(attempt),
        call.gave_up,
        extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "gave_up": call.gave_up},
    )


def run_hook(hook: AttemptHook, call: Call, attempt: Attempt) -> None:
    """Call a hook; one that fails is logged at ERROR and does not change what becomes of the call."""
    try:
        hook(call, attempt)
    except Exception:
        logger.exception("an on_attempt hook failed", extra=_fields(call))


def _result(attempt: Attempt) -> str:
    return attempt.error or f"HTTP {attempt.status}"


def _fields(call: Call) -> dict[str, object]:
    return {"operation": call.operation, "request_id": call.request_id}
