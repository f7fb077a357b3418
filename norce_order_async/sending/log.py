"""What the client writes to the log: the logger is ``norce_order_async``, and bodies and the token are never in it."""

import logging
import math

from norce_order_async.core.call import Call
from norce_order_async.core.http import Response
from norce_order_async.core.logger import is_enabled_for, lines_of, logger
from norce_order_async.core.outcome import Attempt


def log_attempt(call: Call, attempt: Attempt) -> None:
    """One line at DEBUG for each attempt."""
    logger.debug(
        "%s attempt %d: %s in %.3f s%s [request id %s]",
        call.operation,
        attempt.number,
        _result(attempt),
        attempt.elapsed,
        _time_left(call),
        call.request_id,
        extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "elapsed": attempt.elapsed},
    )


def log_retry(call: Call, delay: float) -> None:
    """One line at INFO for each retry, with its reason and the wait before it."""
    if is_enabled_for(logging.INFO):
        attempt = call.attempts[-1]
        logger.info(
            "%s: %s; trying again in %.2f s%s [request id %s]",
            call.operation,
            _result(attempt),
            delay,
            _time_left(call),
            call.request_id,
            extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "delay": delay},
        )


def log_give_up(call: Call) -> None:
    """One line at WARNING when a call that could be tried again is not."""
    attempt = call.attempts[-1]
    logger.warning(
        "%s: %s; giving up: %s%s [request id %s]",
        call.operation,
        _result(attempt),
        call.gave_up,
        _time_left(call),
        call.request_id,
        extra=_fields(call) | {"attempt": attempt.number, "status": attempt.status, "gave_up": call.gave_up},
    )


def log_body(response: Response) -> None:
    """One line at WARNING where a change has a body: its type and size, as its text may be personal data."""
    call = response.request.call
    logger.warning(
        "%s was answered with a body of %d bytes of %s, which is not expected; further ones are not told of "
        "[request id %s]",
        call.operation,
        len(response.body),
        response.headers.get("content-type", "no type"),
        call.request_id,
        extra=_fields(call) | {"status": response.status},
    )


def log_cut(call: Call, level: int, *, late: bool) -> None:
    """One line for a call that met its deadline (``late``), or was cancelled after its request went out."""
    logger.log(
        level,
        "%s %s %s its request went out%s: outcome %s [request id %s]",
        call.operation,
        _end_of(call) if late else "was cancelled",
        "after" if call.maybe_sent else "before",
        "" if late else _time_left(call),
        call.outcome,
        call.request_id,
        extra=_fields(call) | {"outcome": call.outcome.value, "attempts": len(call.attempts), "elapsed": call.elapsed},
    )


def log_fault(call: Call, error: BaseException) -> None:
    """One line at ERROR where a transport failed with an error that is none of ours."""
    logger.error(
        "%s: the transport failed: %s in %s [request id %s]",
        call.operation,
        type(error).__qualname__,
        lines_of(error),
        call.request_id,
        extra=_fields(call),
    )


def _end_of(call: Call) -> str:
    is_over = call.timed_out or call.elapsed >= call.timeout.total
    return f"{'met its deadline of' if is_over else 'could not end within'} {call.timeout.total:g} s"


def log_hook(call: Call) -> None:
    """One line at ERROR with a traceback where a hook failed."""
    logger.exception("a hook failed [request id %s]", call.request_id, extra=_fields(call))


def _result(attempt: Attempt) -> str:
    return attempt.error or f"HTTP {attempt.status}"


def _left(call: Call) -> float | None:
    """The seconds that a call has left until its deadline; None where it has none."""
    if math.isinf(call.timeout.total):
        return None
    last = call.attempts[-1] if call.attempts else None
    took = call.elapsed or (last.started + last.elapsed if last else 0.0)
    return max(0.0, call.timeout.total - took)


def _time_left(call: Call) -> str:
    left = _left(call)
    return "" if left is None else f", {left:.3g} s of {call.timeout.total:g} s left"


def _fields(call: Call) -> dict[str, object]:
    left = _left(call)
    total = None if left is None else call.timeout.total
    return {"operation": call.operation, "request_id": call.request_id, "total": total, "left": left}
