"""What a call's end means: its outcome, what the sums and the budget make of it, and who is told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from logging import DEBUG, WARNING

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
from norce_order_async.core.http import Response
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.stats import Stats
from norce_order_async.sending.budget import RetryBudget
from norce_order_async.sending.log import log_cut, run_hook


@attrs.define(eq=False)
class CallEnds:
    """Where every call of a client and its views ends; it keeps their sums."""

    clock: Clock
    budget: RetryBudget | None
    hooks: Sequence[CallHook] = ()
    observers: Sequence[CallObserver] = ()
    calls: int = attrs.field(default=0, init=False)
    _attempts: int = attrs.field(default=0, init=False)
    _retries: int = attrs.field(default=0, init=False)
    _applied: int = attrs.field(default=0, init=False)
    _others: Counter[OutcomeKind] = attrs.field(factory=Counter[OutcomeKind], init=False)

    def failed(
        self, call: Call, response: Response | None, error: BaseException, options: CallOptions
    ) -> BaseException:
        """End a call with an error; the one to raise. A success that was read before stays one."""
        call.end(self.clock.monotonic(), None if call.outcome.failed else call.outcome)
        if isinstance(error, ClientStateError) and not isinstance(error, CallError):
            error = ClientClosedError(str(error))
        if isinstance(error, NorceOrderError):
            call.annotate(error)
        if call.maybe_sent and isinstance(error, DeadlineExceeded | asyncio.CancelledError):
            log_cut(call, WARNING if call.changes and options.log_cut else DEBUG)
        self.ended(call, response, error, options)
        return error

    def ended(self, call: Call, response: Response | None, error: BaseException | None, options: CallOptions) -> None:
        """Count a call that has ended, and tell the hooks."""
        self.calls += 1
        self._attempts += len(call.attempts)
        if len(call.attempts) > 1:
            self._retries += sum(attempt.delay is not None for attempt in call.attempts)
        if call.outcome is OutcomeKind.APPLIED:
            self._applied += 1
        else:
            self._others[call.outcome] += 1
        budget = self.budget
        if budget is not None and budget.left < budget.capacity and not call.outcome.failed:
            budget.give(call.paid)
        for hook in self.hooks:
            run_hook(call, hook, call, error)
        if options.on_call is not None:
            run_hook(call, options.on_call, call, error)
        for observer in reversed(self.observers):
            run_hook(call, observer.call_ended, call, response, error)

    def stats(self, *, slots_used: int, slots: int) -> Stats:
        """The sums so far."""
        return Stats(
            calls=self.calls,
            attempts=self._attempts,
            retries=self._retries,
            outcomes=({OutcomeKind.APPLIED: self._applied} if self._applied else {}) | self._others,
            budget_left=None if self.budget is None else self.budget.left,
            slots_used=slots_used,
            slots=slots,
        )
