"""The innermost link: one attempt, timed and written down."""

import math
from collections.abc import Sequence
from logging import DEBUG
from typing import Any

import attrs

from norce_order_async.core.call import AttemptHook, Call
from norce_order_async.core.checks import check_header, check_named
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, ClientStateError
from norce_order_async.core.http import Request, Response, merge_headers, replace_headers
from norce_order_async.core.logger import is_enabled_for
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.retry_after import retry_after
from norce_order_async.sending.calls import out_of_time, too_late
from norce_order_async.sending.failures import failure_of
from norce_order_async.sending.hooks import check_not_async, run_hook, run_hooks
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.log import log_attempt, log_body
from norce_order_async.transport import Transport
from norce_order_async.wire.refusals import not_the_api

_SLOT = "a slot"


@attrs.define(eq=False)
class AttemptSender:
    """Hands each attempt to the transport, with the time it may take, and keeps its account on the call."""

    transport: Transport
    clock: Clock
    lifecycle: Lifecycle
    hooks: Sequence[AttemptHook] = ()
    observers: Sequence[CallObserver] = ()
    _told_of_a_body: bool = attrs.field(default=False, init=False)

    async def __call__(self, request: Request) -> Response:
        """Make one request on the wire.

        Raises:
            DeadlineExceeded: The call's time was over, or it had ended otherwise, before its turn came.
            ClientStateError: The client is closed, or an attempt of this call is under way.
            TransportError: No complete response came.
            NotTheApiError: A 2xx came that the API did not give.
        """
        call = request.call
        if self.lifecycle.closed:
            raise ClientStateError("the client is closed")
        start = ended = self.clock.monotonic()
        turns = None if call.sending else call.limiter.acquire_nowait(call.shop, start)
        if turns is None:
            turns, start = await _wait_for_slot(call, self.clock, start)
            ended = start
        call.sending = True
        try:
            timeout, started = call.timeout, start - call.started
            left = timeout.total - started
            if left <= 0.0 or call.ended:  # it has ended, and a middleware goes on nevertheless
                start = -math.inf
                raise out_of_time(call)
            attempt = Attempt(len(call.attempts) + 1, started)
            attempt.at = None if call.at is None else call.at + started
            call.attempts.append(attempt)
            try:
                limit = timeout.attempt if timeout.attempt < left else None  # else the deadline ends it
                if self.observers:
                    request = self._started(request, attempt)
                response = await self.transport.send(request, timeout=limit)
                attempt.sent, attempt.status = True, response.status
                if response.body or not 200 <= response.status < 300:
                    self._note(response, attempt)
                return response
            except BaseException as error:
                failure = failure_of(error, attempt, call, self.clock, self.lifecycle)
                if isinstance(failure, CallError):
                    failure.attempts = tuple(call.attempts)  # by these, another call that it reaches is judged
                if failure is error:
                    del failure  # it would refer to itself through this frame
                    raise
            finally:
                ended = self._end(call, attempt, start)
            if failure is None:
                return Response(request, attempt.status or 0, truncated=True)
            try:
                raise failure  # out here, so that it leads to nobody else's frames
            finally:
                del failure
        finally:
            call.sending = False
            call.limiter.release(turns, start, ended)

    def _started(self, request: Request, attempt: Attempt) -> Request:
        """Tell the observers; the request with the headers that they add."""
        for observer in self.observers:
            request = run_hook(request.call, _observed, observer, request, attempt) or request
        return request

    def _end(self, call: Call, attempt: Attempt, start: float) -> float:
        """Note when an attempt ended, and tell the log, observers and hooks; the time."""
        ended = self.clock.monotonic()
        attempt.elapsed = ended - start
        if is_enabled_for(DEBUG):
            log_attempt(call, attempt)
        # Before the hooks, which make requests of their own, or start tasks: those are not part of the attempt.
        if self.observers:
            run_hooks(call, [observer.attempt_ended for observer in reversed(self.observers)], call, attempt)
        for hook in self.hooks:
            run_hook(call, hook, call, attempt)
        if call.on_attempt is not None:
            run_hook(call, call.on_attempt, call, attempt)
        return ended

    def _note(self, response: Response, attempt: Attempt) -> None:
        """Look at a response that has a body, or is no 2xx.

        Raises:
            NotTheApiError: A 2xx that the API did not give.
        """
        if not response.ok:
            attempt.retry_after = retry_after(response.headers, self.clock)
            return
        if (foreign := not_the_api(response)) is not None:
            try:
                raise foreign
            finally:
                del foreign
        if not (response.request.call.reads_body or self._told_of_a_body):
            self._told_of_a_body = True
            log_body(response)


def _observed(observer: CallObserver, request: Request, attempt: Attempt) -> Request:
    """Tell an observer; the request with the headers that it adds, as far as they can be sent.

    Raises:
        TypeError: What it returns is no mapping.
    """
    headers: object = observer.attempt_started(request, attempt)
    if not headers:
        return request
    check_not_async(headers)
    named = check_named(headers)
    given = (run_hook(request.call, check_header, name, value) for name, value in named.items() if value != "")
    fit = dict(header for header in given if header is not None)
    return replace_headers(request, merge_headers(request.headers, fit))


async def _wait_for_slot(call: Call, clock: Clock, now: float) -> tuple[Any, float]:
    """Take a slot when one is free; what to give back, and the time.

    Raises:
        DeadlineExceeded: It came too late for an answer.
        ClientStateError: An attempt of this call is under way.
    """
    if call.sending:
        raise _twice()
    call.waiting = _SLOT
    try:
        turns = await call.limiter.acquire(call.shop, now, call.deadline)
    finally:
        call.waiting = None
    if turns is None:
        raise too_late(call, _SLOT)
    try:
        if call.sending:
            raise _twice()
        return turns, clock.monotonic()
    except BaseException:
        call.limiter.release(turns, -math.inf, now)
        raise


def _twice() -> ClientStateError:
    return ClientStateError("an attempt of this call is under way: an attempt middleware makes two at once")
