"""Making the changes of a batch with a client."""

import asyncio
from typing import Any

import attrs
from tenacity import retry_all

from norce_order_async.batch.changes import CALLS, Change
from norce_order_async.batch.engine.endings import failed_as
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.client import OrderClient
from norce_order_async.core.call import AttemptHook, RetryRules
from norce_order_async.core.checks import check_header_value
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError, InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.options import CallOptions, limits_of, options_of
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.settings import Unset
from norce_order_async.endpoints.requested import scoped_to
from norce_order_async.loops.tasks import is_cancelled
from norce_order_async.middleware.policy import RetryPolicy, last_attempt
from norce_order_async.sending.calls import BatchCalls
from norce_order_async.sending.pace import Pace
from norce_order_async.wire.operation import Operation

_LONGEST_PROBE = 5.0
"""Seconds that a server which was gone has for a probe, so that one which is silent does not hold it up for long."""
_PASSED_BY = (
    "the client's own execute does not see a change that names a merchant or a channel, which a view makes, a plain "
    "OrderClient: do in a middleware what execute does"
)


class ClientSender:
    """Makes changes with a client.

    Args:
        client: What to call with.
        pace: Told of every attempt.
        options: Options of every call.

    Raises:
        ConfigurationError: Options that are a matter of each change.
    """

    def __init__(self, client: OrderClient, pace: Pace, options: CallOptions | None = None) -> None:
        self._client = client
        self._calls: BatchCalls | None = None
        options = options_of(options)
        if options.request_id is not None or options.on_attempt is not None:
            raise ConfigurationError("a batch has a request id and an on_attempt of its own for every change")
        if options.redelivered:
            raise ConfigurationError("redelivered is a matter of each change: see InputLine")
        self.timeout = limits_of(options, client.timeout)
        self._clock = client.clock
        self._pace = pace
        self._options = attrs.evolve(
            options,
            timeout=self.timeout,
            retry=_unless_asked_to_wait(client.retry if isinstance(options.retry, Unset) else options.retry),
            log_cut=False,
        )
        self._probe_options = attrs.evolve(
            self._options,
            timeout=attrs.evolve(self.timeout, attempt=min(self.timeout.attempt, _LONGEST_PROBE)),
            retry=None,
        )

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome:
        """Make a change; see :class:`Sender`."""
        change, client, calls = item.change, self._client, self._calls
        options = self._probe_options if probe else self._options
        item.pace = self._pace
        item.started, begin = self._clock.wall(), self._clock.monotonic()
        try:
            if item.entry.request_id is not None:  # otherwise it is one of ours
                item.request_id = check_header_value("request_id", item.request_id)
            if calls is None:
                calls = self._calls = client.for_batch()
            if change.merchant is not None or change.channel is not None:
                client, calls = self._view_for(change, calls)
        except Exception as error:  # nothing can have been sent
            item.error = error
            return failed_as(item, OutcomeKind.NOT_SENT, error, self._clock.monotonic() - begin)
        try:
            if calls is None or (call_of := CALLS.get(type(change).apply)) is None:
                options = options.for_call(item.request_id, item.observe, redelivered=item.maybe_applied)
                receipt = await change.apply(client, options)
                try:  # costs nothing, unlike a look at its class
                    outcome, status, request_id = receipt.outcome, receipt.status, receipt.request_id
                    attempts = receipt.attempts
                except AttributeError:
                    raise _no_receipt(change, receipt) from None
                elapsed = self._clock.monotonic() - begin
            else:
                operation, ids, body = call_of(change)
                call, status = await calls.run(
                    operation,
                    ids,
                    body,
                    options,
                    request_id=item.request_id,
                    on_attempt=item.observe,
                    redelivered=item.maybe_applied,
                )
                outcome, request_id, attempts, elapsed = call.outcome, call.request_id, len(call.attempts), call.elapsed
        except Exception as error:
            item.error, outcome = error, _outcome_of(error, item)
            now = self._clock.monotonic()
            if item.call is None and outcome is OutcomeKind.UNKNOWN:
                item.lost_at = now
            return failed_as(item, outcome, error, now - begin)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            # Nobody cancelled this task: something that the change awaited was cancelled.
            return failed_as(item, _outcome_of(error, item), error, self._clock.monotonic() - begin)
        item.call = None  # which refers to the item: so both are let go at once, and not by the collector of cycles
        return item.made(outcome, status, request_id, attempts, elapsed)

    def _view_for(self, change: Change, calls: BatchCalls | None) -> tuple[OrderClient, BatchCalls | None]:
        """The view that makes a change which names a merchant or a channel, and its calls.

        Raises:
            ClientStateError: The client itself has no calls for batches, as its own ``execute`` sees each call.
        """
        view = scoped_to(self._client, change)
        of_view = view.for_batch()
        if calls is None and of_view is not None:
            raise ClientStateError(_PASSED_BY)
        return view, of_view

    async def read(self, item: WorkItem, operation: Operation[Any], on_attempt: AttemptHook, /, *, probe: bool) -> Any:
        """Read the order of a change, as the change itself is made; ``on_attempt`` is called after each attempt."""
        options = self.read_options(item, on_attempt, probe=probe)
        client = scoped_to(self._client, item.change)
        return await client.execute(operation, options=options, order_id=item.change.order_id)

    def read_options(self, item: WorkItem, on_attempt: AttemptHook, *, probe: bool) -> CallOptions:
        """Options of a read for a change."""
        options = self._probe_options if probe else self._options
        check_header_value("request_id", item.request_id)
        return options.for_call(item.request_id, on_attempt, redelivered=False)


def _unless_asked_to_wait(policy: RetryRules | None) -> RetryPolicy | None:
    """The policy without what is to be sent later: that goes back to the schedule, and others go meanwhile."""
    if policy is None:
        return None
    return RetryPolicy(
        max_attempts=policy.max_attempts,
        wait=policy.wait,
        retry=retry_all(policy.retry, lambda state: not _asks_to_wait(last_attempt(state))),
        max_retry_after=policy.max_retry_after,
    )


def _asks_to_wait(attempt: Attempt) -> bool:
    return attempt.throttled or attempt.retry_after is not None


def _no_receipt(change: Change, returned: object) -> TypeError:
    return TypeError(f"apply of {type(change).__name__} must return a Receipt, got {kind_of(returned)}")


def _outcome_of(error: BaseException, item: WorkItem) -> OutcomeKind:
    if isinstance(error, CallError):
        return error.outcome
    if item.confirmed is not None:
        return item.confirmed  # whatever failed after the API's yes
    sent_nothing = isinstance(error, InvalidRequestError | ClientStateError)
    return OutcomeKind.NOT_SENT if sent_nothing else OutcomeKind.UNKNOWN
