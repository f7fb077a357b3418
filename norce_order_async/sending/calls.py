"""A call from its start to its end: who is told, when it is cut short, and what its end means."""

import asyncio
from collections.abc import Sequence
from logging import DEBUG, WARNING
from types import TracebackType
from typing import Self

import attrs

from norce_order_async.core.call import Call, CallHook
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    CallError,
    ClientClosedError,
    ClientStateError,
    DeadlineExceeded,
    NorceOrderError,
)
from norce_order_async.core.http import Request, Response
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.options import CallOptions
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.sending.lifecycle import LoopState
from norce_order_async.sending.log import log_cut, run_hook
from norce_order_async.sending.shops import Shops


def out_of_time(call: Call) -> DeadlineExceeded:
    """The error of a call whose total time is over."""
    return DeadlineExceeded(f"no success within {call.timeout.total:g} s")


class RunningCall(TimeLimit):
    """One call from its start to its end: observed, and ended when its time is over or its client is closed.

    A context manager rather than a link of the chain: so it costs no frame on the stack of every call.

    Args:
        request: The call's request.
        options: What the call has otherwise than its client.
        here: What the client has in this event loop.
        ends: What is done at the end of the client's calls.

    Attributes:
        call: The call.
        response: What the chain returned.
    """

    __slots__ = ("_ends", "_here", "_options", "_request", "call", "response")

    def __init__(self, request: Request, options: CallOptions, here: LoopState, ends: "CallEnds") -> None:
        self.call = call = request.call
        call.limiter = here.limiter
        TimeLimit.__init__(self, call.timeout.total)
        self.response: Response | None = None
        self._request = request
        self._options = options
        self._here = here
        self._ends = ends

    def __enter__(self) -> Self:
        for observer in self._ends.observers:
            run_hook(self.call, observer.call_started, self._request)
        self._here.calls[self] = None
        TimeLimit.__enter__(self)
        return self

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
            try:
                raise failure
            finally:
                failure.__context__ = None
                del failure  # it would refer to itself through this frame
        finally:
            self._here.leave(self)

    def expire(self) -> None:
        """End it because its time is over."""
        if not self._expired:
            self.call.timed_out = True
            super().expire()

    def cut(self) -> None:
        """End it because its client is closed."""
        if not self._expired:
            super().expire()


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
        call.end(self.clock.monotonic(), None if call.outcome.failed else call.outcome)
        if isinstance(error, ClientStateError) and not isinstance(error, CallError):
            error = ClientClosedError(str(error))
        if isinstance(error, NorceOrderError):
            call.annotate(error)
        late = isinstance(error, DeadlineExceeded)
        if late or (call.maybe_sent and isinstance(error, asyncio.CancelledError)):
            log_cut(call, WARNING if call.changes and options.log_cut else DEBUG, late=late)
        self.ended(call, response, error, options)
        return error

    def ended(self, call: Call, response: Response | None, error: BaseException | None, options: CallOptions) -> None:
        """Count a call that has ended, and tell the hooks."""
        shop = call.shop
        shop.counts.add(call.attempts, call.outcome)
        if shop is not self.shops.own:
            self.shops.scoped.add(call.attempts, call.outcome)
        budget = shop.budget
        if budget is not None and budget.left < budget.capacity and not call.outcome.failed:
            budget.give(call.paid)
        for hook in self.hooks:
            run_hook(call, hook, call, error)
        if options.on_call is not None:
            run_hook(call, options.on_call, call, error)
        if call.end_hooks:
            for hook in call.end_hooks:
                run_hook(call, hook, call, error)
        for observer in reversed(self.observers):
            run_hook(call, observer.call_ended, call, response, error)
