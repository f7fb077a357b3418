"""The innermost link: one attempt, timed and written down."""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from logging import DEBUG

import attrs

from norce_order_async.answers import not_the_api
from norce_order_async.call import AttemptHook, Call
from norce_order_async.clock import Clock
from norce_order_async.errors import (
    ClientStateError,
    DeadlineExceeded,
    InvalidRequestError,
    NorceOrderError,
    NotTheApiError,
    TransportError,
)
from norce_order_async.http import Request, Response
from norce_order_async.middleware.life import Life
from norce_order_async.middleware.log import log_attempt, log_body, logger, run_hook
from norce_order_async.outcome import Attempt
from norce_order_async.transport import Transport

_DELAY_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
)
"""The three forms of a date in HTTP: the usual one, RFC 850's, and asctime's."""

_SAME_MOMENT = 0.002
"""Seconds by which an event loop's timer may be early."""


@attrs.define(eq=False)
class AttemptSender:
    """Hands each attempt to the transport, with the time it may take, and keeps its account on the call."""

    transport: Transport
    clock: Clock
    life: Life
    hooks: Sequence[AttemptHook] = ()
    _told_of_a_body: bool = attrs.field(default=False, init=False)

    async def __call__(self, request: Request) -> Response:
        """Make one request on the wire.

        Raises:
            DeadlineExceeded: The call's time was over before its turn came.
            ClientStateError: The client is closed.
            TransportError: No complete answer came.
            NotTheApiError: A 2xx came that the API did not give.
        """
        call = request.call
        slots = self.life.here().slots
        if not slots.take():
            call.waiting = True
            try:
                await slots.wait()
            finally:
                call.waiting = False
        try:
            start = self.clock.monotonic()
            left = call.deadline - start
            if left <= 0:
                raise DeadlineExceeded(_late(call))
            attempt = Attempt(len(call.attempts) + 1, start - call.started)
            call.attempts.append(attempt)
            try:
                # The deadline ends what would be over at the same moment or later.
                limit = call.timeout.attempt if call.timeout.attempt < left else None
                response = await self.transport.send(request, timeout=limit)
                attempt.sent = True
                self._note(response, attempt)
                return response
            except BaseException as error:
                failure = self._failed(error, attempt, call)
                if failure is error:
                    raise
            finally:
                attempt.elapsed = self.clock.monotonic() - start
                if logger.isEnabledFor(DEBUG):
                    log_attempt(call, attempt)
                for hook in self.hooks:
                    run_hook(hook, call, attempt)
                if call.on_attempt is not None:
                    run_hook(call.on_attempt, call, attempt)
            if failure is None:
                return Response(request, attempt.status or 0, truncated=True)
            raise failure  # out here, so that it leads to nobody else's frames
        finally:
            slots.give()

    def _note(self, response: Response, attempt: Attempt) -> None:
        """Write down what came.

        Raises:
            NotTheApiError: A 2xx that the API did not give.
        """
        attempt.status = response.status
        if not response.ok:
            attempt.retry_after = retry_after(response.headers, self.clock)
        elif response.body:
            if (foreign := not_the_api(response)) is not None:
                raise foreign
            if not (response.request.call.reads_body or self._told_of_a_body):
                self._told_of_a_body = True
                log_body(response)

    def _failed(self, error: BaseException, attempt: Attempt, call: Call) -> BaseException | None:
        """Write down what went wrong; the error to raise, or None where the API said yes all the same."""
        match error:
            case TransportError():
                if error.status is not None and 200 <= error.status < 300 and _says_enough(error, call):
                    # The API said yes, and nobody needs what else it would have said.
                    attempt.sent, attempt.status = True, error.status
                    return None
                if error.sent is None:
                    error.sent = attempt.sent
                attempt.sent = error.sent
                if isinstance(error, TimeoutError) and self.clock.monotonic() > call.deadline - _SAME_MOMENT:
                    attempt.error = DeadlineExceeded.__name__
                    return DeadlineExceeded(_late(call))
                attempt.error = f"{type(error).__name__}: {error}"
            case ClientStateError() | InvalidRequestError():
                attempt.sent = False
                attempt.error = type(error).__name__
            case NotTheApiError():
                attempt.error = f"{type(error).__name__}: {error.reason}"
            case asyncio.CancelledError() if call.timed_out:
                attempt.error = DeadlineExceeded.__name__
            case _:
                attempt.error = type(error).__name__
                task = asyncio.current_task()
                asked_for = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
                if not asked_for and isinstance(error, Exception | asyncio.CancelledError) and not _is_ours(error):
                    # Its text and its frames may hold anything.
                    return TransportError(f"the transport failed with {attempt.error}", sent=attempt.sent)
        return error


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, NorceOrderError)


def _late(call: Call) -> str:
    return f"no success within {call.timeout.total:g} s"


def _says_enough(error: TransportError, call: Call) -> bool:
    """Whether a 2xx whose body was cut is the API's yes: nobody reads the body, and its head says that it is JSON."""
    kind = (error.content_type or "").partition(";")[0].strip().lower()
    return not call.reads_body and (kind == "application/json" or kind.endswith("+json"))


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """The seconds that ``Retry-After`` asks to wait: digits, or one of the three HTTP dates.

    Digits may have a fraction, which is rounded up. A date is taken relative to the answer's own ``Date`` header,
    without which the clock's time stands in. Anything else counts as absent.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if _DELAY_SECONDS.fullmatch(value.strip()):
        seconds = float(value)
        return float(math.ceil(seconds)) if math.isfinite(seconds) else seconds
    at = _http_date(value)
    if at is None:
        return None
    now = _http_date(headers.get("date", "")) or datetime.fromtimestamp(clock.wall(), UTC)
    return max(0.0, (at - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    if not _HTTP_DATE.fullmatch(value):
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
