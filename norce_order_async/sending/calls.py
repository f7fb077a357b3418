"""A call from its start to its end: its request, when it is cut short, what its end means, and who is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from logging import DEBUG, WARNING
from types import TracebackType
from typing import Any

import attrs

from norce_order_async.core.call import AttemptHook, Call, CallHook, RetryRules, TimedAttempts, own_copy
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    CallError,
    ClientClosedError,
    ClientStateError,
    DeadlineExceeded,
    NorceOrderError,
)
from norce_order_async.core.http import RawResponse, Request, Response, merge_headers
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.options import CallOptions, limits_of
from norce_order_async.core.outcome import APPLIED
from norce_order_async.core.random_source import RandomSource
from norce_order_async.core.settings import UNSET, Timeout
from norce_order_async.loops.per_loop import running_loop
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.sending.caller import Caller, set_adapter_id
from norce_order_async.sending.hooks import run_hook, run_hooks
from norce_order_async.sending.lifecycle import Lifecycle, LoopPlace
from norce_order_async.sending.log import log_cut
from norce_order_async.sending.shops import Shops
from norce_order_async.wire.codec import encode
from norce_order_async.wire.operation import Operation, QueryValue


@attrs.frozen(eq=False)
class CallDefaults:
    """What a call has that its options leave out.

    Attributes:
        timeout: Its limits.
        retry: When to try again; None is off.
        clock: Where its time comes from.
        random: Where its random waits and its request id come from.
    """

    timeout: Timeout
    retry: RetryRules | None
    clock: Clock
    random: RandomSource


def new_request(
    caller: Caller,
    operation: Operation[Any],
    ids: Mapping[str, str],
    query: Mapping[str, QueryValue | None] | None,
    body: object,
    options: CallOptions,
    defaults: CallDefaults,
    request_id: str | None = None,
) -> Request:
    """Make the request of a new call.

    Raises:
        InvalidRequestError: Something that cannot be sent as it stands.
        TypeError: An id is not a str.
    """
    timeout = defaults.timeout if options.timeout is UNSET else options.timeout
    if not isinstance(timeout, Timeout):
        timeout = limits_of(options, defaults.timeout)
    at = defaults.clock.wall()  # before the other clock, so that no attempt's time is later than the attempt
    target = operation.target(ids, query)
    payload = None if body is UNSET else body if isinstance(body, bytes) else encode(body)
    call = Call(
        operation.name,
        operation.repeat,
        request_id or options.request_id or defaults.random.randbytes(16).hex(),
        defaults.clock.monotonic(),
        timeout,
        defaults.retry if options.retry is UNSET else options.retry,
        operation.reads_body,
        operation.changes,
        operation.members,
        ids,
        operation.path,
        defaults.random,
    )
    call.on_attempt, call.redelivered, call.at = options.on_attempt, options.redelivered, at
    call.shop, call.tokens = caller.shop, caller.tokens
    # No local variable holds the headers, so that no traceback can show the token.
    return Request(
        call,
        operation.method,
        caller.base_url + target,
        _headers(caller, call.request_id, options, has_body=payload is not None),
        payload,
    )


def _headers(caller: Caller, request_id: str, options: CallOptions, *, has_body: bool) -> dict[str, str]:
    headers = dict(caller.headers)
    headers["x-request-id"] = request_id
    if has_body:
        headers["Content-Type"] = "application/json"
    if options.adapter_id is not UNSET:
        set_adapter_id(headers, options.adapter_id)
    return merge_headers(headers, options.headers) if options.headers else headers


def out_of_time(call: Call) -> DeadlineExceeded:
    """The error of a call whose total time is over."""
    return DeadlineExceeded(f"not ended within {call.timeout.total:g} s")


def too_late(call: Call, turn: str) -> DeadlineExceeded:
    """The error of a call whose turn comes with too little time left for an answer."""
    call.gave_up = f"{turn} comes too late"
    return DeadlineExceeded(f"no success possible within {call.timeout.total:g} s")


class RunningCall(TimeLimit):
    """One call from its start to its end: observed, and ended when its time is over or its client is closed.

    A context manager rather than a link of the chain: so it costs no frame on the stack of every call.

    Args:
        request: The call's request.
        options: What the call has otherwise than its client.
        lifecycle: The client's.
        ends: What is done at the end of the client's calls.
        place: The event loop that runs, and what the client has there, if they are known.

    Raises:
        ClientStateError: The client is closed, or no event loop of asyncio runs, or no task of it.

    Attributes:
        call: The call.
        response: What the chain returned.
    """

    __slots__ = ("__weakref__", "_ends", "_here", "_options", "call", "response")

    def __init__(
        self,
        request: Request,
        options: CallOptions,
        lifecycle: Lifecycle,
        ends: "CallEnds",
        place: LoopPlace | None = None,
    ) -> None:
        if lifecycle.closed:
            raise ClientStateError("the client is closed")
        if place is None:
            loop = running_loop()
            here = lifecycle.loops.of(loop)
        else:
            loop, here = place
        self._here = here
        self.call = call = request.call
        call.limiter = here.limiter
        TimeLimit.__init__(self, call.timeout.total, here.calls, loop)
        if self._cancelling:
            here.in_clean_ups.add(self)
        self.response: Response | None = None
        self._options = options
        self._ends = ends
        if ends.observers:
            try:
                run_hooks(call, [observer.call_started for observer in ends.observers], request)
            except BaseException as error:  # which ends the program, and the call before that
                ends.failed(call, None, error, options)
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self.finish(kind):
            error = out_of_time(self.call) if self.call.timed_out else ClientStateError("the client was closed")
            kind = None
        try:
            if error is None:
                self._ends.ended(self.call, self.response, None, self._options)
                return
            failure = self._ends.failed(self.call, self.response, error, self._options)
            if kind is not None and failure is error:
                return
            del error, traceback  # so that no traceback leads to their frames
            context = failure.__context__
            try:
                raise failure
            finally:
                failure.__context__ = context
                del failure, context  # they would refer to themselves through this frame
        finally:
            here = self._here
            if here.changed is not None and not here.calls.running:
                here.look_again()

    def check_success(self, response: Response, operation: Operation[Any]) -> Response:
        """Return what the chain returned, if it is a success, and note what it means.

        Raises:
            CallError: It is none.
        """
        self.response, call, options = response, self.call, self._options
        if options.on_response is not None:
            raw = RawResponse(response.status, dict(response.headers), response.body, response.truncated)
            run_hook(call, options.on_response, raw)
        success = operation.success(response)
        if success is None:
            raise operation.refused(response)
        # Before the response is read: what cannot be read is a success nevertheless.
        call.elapsed, call.outcome = self._ends.clock.monotonic() - call.started, success
        return response

    def expire(self) -> None:
        """End it because its time is over."""
        if not self._expired:
            self.call.timed_out = True
            if self.call.waiting is not None:
                self.call.gave_up = f"it waited for {self.call.waiting}"
            super().expire()

    def cut(self) -> None:
        """End it because its client is closed."""
        if not self._expired:
            super().expire()


@attrs.frozen(eq=False)
class BatchCalls:
    """Runs operations for a batch in one event loop. Its calls all have the same options, checked before."""

    caller: Caller
    defaults: CallDefaults
    lifecycle: Lifecycle
    place: LoopPlace
    ends: "CallEnds"
    once: Callable[[Request], Awaitable[Response]]
    retrying: Callable[[Request], Awaitable[Response]]

    async def run(
        self,
        operation: Operation[Any],
        ids: Mapping[str, str],
        body: object,
        options: CallOptions,
        *,
        request_id: str,
        on_attempt: AttemptHook,
        redelivered: bool,
    ) -> tuple[Call, int]:
        """Run an operation; its call and the status that it ends with. Raises what ``execute`` does.

        What is given by name stands in place of what the options say.
        """
        request = new_request(self.caller, operation, ids, None, body, options, self.defaults, request_id)
        call = request.call
        call.on_attempt, call.redelivered = on_attempt, redelivered
        handler = self.once if call.retry is None else self.retrying
        with RunningCall(request, options, self.lifecycle, self.ends, self.place) as running:
            response = running.check_success(await handler(request), operation)
            return response.request.call, response.status


def _own_error(error: BaseException, call: Call, response: Response | None) -> BaseException:
    """The error that ends a call: a copy of one that has ended another, or that a middleware may raise again.

    One that comes from an attempt of another call for the same counts for this call, too.
    """
    if not isinstance(error, NorceOrderError):
        return error
    needs_copy = "outcome" in vars(error)
    if isinstance(error, CallError):
        if error.operation in ("", call.operation):
            shared = tuple(one for one in error.attempts if all(one is not own for own in call.attempts))
            if shared:
                call.shared += shared
                return own_copy(error)
        # With the account of this call it would pass for the error of these attempts.
        needs_copy |= response is None and not error.attempts and bool(call.attempts)
    return own_copy(error).with_traceback(error.__traceback__) if needs_copy else error


@attrs.define(eq=False)
class CallEnds:
    """Where every call of a client and its views ends; it keeps their sums."""

    clock: Clock
    shops: Shops
    hooks: Sequence[CallHook] = ()
    observers: Sequence[CallObserver] = ()

    def failed(
        self, call: Call, response: Response | None, error: BaseException, options: CallOptions
    ) -> BaseException:
        """End a call with an error; the one to raise. A success that was read before stays one."""
        call.elapsed = self.clock.monotonic() - call.started
        error = _own_error(error, call, response)
        if call.outcome.failed:
            call.outcome = call.judged
        if isinstance(error, ClientStateError) and not isinstance(error, CallError):
            error = ClientClosedError(str(error))
        if isinstance(error, NorceOrderError):
            call.annotate(error)
            if isinstance(error, CallError):
                error.attempts = TimedAttempts(call.attempts, self.clock, call.started)
        late = isinstance(error, DeadlineExceeded)
        if late or (call.maybe_sent and isinstance(error, asyncio.CancelledError)):
            log_cut(call, WARNING if call.changes and options.log_cut else DEBUG, late=late)
        self.ended(call, response, error, options)
        return error

    def ended(self, call: Call, response: Response | None, error: BaseException | None, options: CallOptions) -> None:
        """Count a call that has ended, and tell the hooks."""
        call.ended = True
        shop = call.shop
        if call.outcome is APPLIED and len(call.attempts) == 1:  # nearly always
            shop.counts.applied += 1
        else:
            shop.counts.add(call.attempts, call.outcome)
        if shop is not self.shops.own:
            self.shops.scoped.add(call.attempts, call.outcome)
        budget = shop.budget
        if budget is not None and budget.left < budget.capacity and not call.outcome.failed:
            budget.give(call.paid)
        try:
            for hook in self.hooks:
                run_hook(call, hook, call, error)
            if options.on_call is not None:
                run_hook(call, options.on_call, call, error)
            if call.end_hooks:
                for hook in call.end_hooks:
                    run_hook(call, hook, call, error)
        finally:  # also where a hook ends the program
            if self.observers:
                run_hooks(call, [observer.call_ended for observer in reversed(self.observers)], call, response, error)
