"""What an attempt that failed amounts to: its account, and the error to raise."""

import asyncio

from norce_order_async.core.call import Call, own_copy
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    ClientStateError,
    DeadlineExceeded,
    InvalidRequestError,
    NorceOrderError,
    NotTheApiError,
    TransportError,
)
from norce_order_async.core.outcome import Attempt
from norce_order_async.sending.calls import out_of_time
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.log import log_fault
from norce_order_async.wire.refusals import is_json

_SAME_MOMENT = 0.002
"""Seconds by which an event loop's timer may be early."""


def failure_of(
    error: BaseException, attempt: Attempt, call: Call, clock: Clock, lifecycle: Lifecycle
) -> BaseException | None:
    """Write down what went wrong; the error to raise, or None where the API said yes all the same."""
    match error:
        case TransportError():
            if (status := _yes_of(error, call)) is not None:
                # The API said yes, and nobody needs what else it would have said.
                attempt.sent, attempt.status = True, status
                return None
            if error.sent is None or error.attempts:  # the same one may be raised for other attempts too
                raised, error = error, own_copy(error).with_traceback(error.__traceback__)
                if error.sent is None and error is not raised:
                    error.sent = attempt.sent
            if error.sent is not None:
                attempt.sent = error.sent
            if isinstance(error, TimeoutError) and clock.monotonic() > call.deadline - _SAME_MOMENT:
                attempt.error = DeadlineExceeded.__name__
                return out_of_time(call)
            attempt.error = f"{type(error).__name__}: {error.reason}"
        case ClientStateError() | InvalidRequestError():
            attempt.sent = attempt.sent is True
            attempt.error = type(error).__name__
        case NotTheApiError():
            attempt.error = f"{type(error).__name__}: {error.reason}"
        case asyncio.CancelledError() if lifecycle.is_cancelled(call) and (status := _yes_of(error, call)) is not None:
            attempt.sent, attempt.status = True, status
        case asyncio.CancelledError() if call.timed_out:
            attempt.error = DeadlineExceeded.__name__
        case _:
            attempt.error = type(error).__name__
            if not isinstance(error, NorceOrderError) and (
                isinstance(error, Exception)
                or (isinstance(error, asyncio.CancelledError) and not lifecycle.is_cancelled(call))
            ):
                log_fault(call, error)
                # Its text and its frames may hold anything.
                return TransportError(f"the transport failed with {attempt.error}", sent=attempt.sent)
    return error


def _yes_of(error: BaseException, call: Call) -> int | None:
    """The status of the API's yes whose body was cut: nobody reads the body, and its head says that it is JSON."""
    head = vars(error)
    status: int | None = head.get("status")
    if status is None or not 200 <= status < 300 or call.reads_body or not is_json(head.get("content_type") or ""):
        return None
    return status
