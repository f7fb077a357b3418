"""The innermost link: one attempt, timed and written down."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from logging import DEBUG

import attrs

from norce_order_async.call import AttemptHook
from norce_order_async.clock import Clock
from norce_order_async.errors import ClientStateError, DeadlineExceeded, TransportError
from norce_order_async.http import Request, Response
from norce_order_async.middleware.log import log_attempt, logger, run_hook
from norce_order_async.outcome import Attempt
from norce_order_async.transport import Transport

_DELAY_SECONDS = re.compile(r"[0-9]+")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
)
"""The three forms of a date in HTTP: the usual one, RFC 850's, and asctime's."""


@attrs.frozen
class AttemptSender:
    """Hands each attempt to the transport, with the time it may take, and keeps its account on the call."""

    transport: Transport
    clock: Clock
    hooks: Sequence[AttemptHook] = ()

    async def __call__(self, request: Request) -> Response:
        """Make one request on the wire.

        Raises:
            DeadlineExceeded: The call's time was over before its turn came.
            TransportError: No complete answer came.
        """
        call = request.call
        slots = call.slots
        if not slots.take():
            await slots.wait()
        try:
            start = self.clock.monotonic()
            left = call.deadline - start
            if left <= 0:
                raise DeadlineExceeded(f"no success within {call.timeout.total:g} s")
            attempt = Attempt(len(call.attempts) + 1, start - call.started)
            call.attempts.append(attempt)
            try:
                response = await self.transport.send(request, timeout=min(call.timeout.attempt, left))
                attempt.sent = True
                attempt.status = response.status
                if not response.ok:
                    attempt.retry_after = retry_after(response.headers, self.clock)
                return response
            except TransportError as error:
                if error.status is not None and 200 <= error.status < 300 and not call.reads_body:
                    # The API said yes, and nobody needs what else it would have said.
                    attempt.sent = True
                    attempt.status = error.status
                    return Response(request, error.status, truncated=True)
                if error.sent is None:
                    error.sent = attempt.sent
                attempt.sent = error.sent
                attempt.error = f"{type(error).__name__}: {error}"
                raise
            except BaseException as error:
                if isinstance(error, ClientStateError):
                    attempt.sent = False
                attempt.error = type(error).__name__
                raise
            finally:
                attempt.elapsed = self.clock.monotonic() - start
                if logger.isEnabledFor(DEBUG):
                    log_attempt(call, attempt)
                for hook in self.hooks:
                    run_hook(hook, call, attempt)
                if call.on_attempt is not None:
                    run_hook(call.on_attempt, call, attempt)
        finally:
            slots.give()


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """The seconds that ``Retry-After`` asks to wait: digits, or one of the three HTTP dates.

    A date is taken relative to the answer's own ``Date`` header, without which the clock's time stands in.
    Anything else counts as absent.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if _DELAY_SECONDS.fullmatch(value):
        return float(value)
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
