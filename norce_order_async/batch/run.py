"""Running a batch in this process."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal, Unpack

import attrs
from tenacity import retry_all

from norce_order_async.batch.changes import CALLS, Change, Scope
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.feeding import Changes
from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
from norce_order_async.batch.engine.work_item import Sender, WorkItem
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.undo.keeping import KeepingSender
from norce_order_async.client import OrderClient
from norce_order_async.core.call import AttemptHook, RetryRules
from norce_order_async.core.checks import check_header_value
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError, InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.options import CallOptions, options_of
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.settings import Timeout, Unset, as_timeout
from norce_order_async.core.shapes import check_client
from norce_order_async.endpoints.requested import scoped_to
from norce_order_async.endpoints.resolve import settle_of
from norce_order_async.environ import scope_from
from norce_order_async.loops.tasks import is_cancelled
from norce_order_async.middleware.policy import RetryPolicy, last_attempt
from norce_order_async.sending.pace import Pace
from norce_order_async.wire.operation import Operation

LONGEST_PROBE = 5.0
"""Seconds that a server which was gone has for a probe, so that one which is silent does not hold it up for long."""
_LIMIT = 100
"""Requests that a client of a job has under way, unless more changes are to be made at once."""


def client_defaults(concurrency: int | Literal["auto"]) -> dict[str, Any]:
    """Arguments of a client for a job that makes so many changes at once."""
    limit = _LIMIT if concurrency == "auto" else max(_LIMIT, concurrency)
    return {"retry": RetryPolicy.batch(), "timeout": Timeout.batch(), "limit": limit}


def scope_and_settle(settings: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[Scope, float]:
    """The merchant and channel of changes that name none, and the seconds that a resource needs to settle.

    They are those of clients that workers make with these arguments, and with these environment variables.
    """
    return scope_from(variables, settings), settle_of(as_timeout(settings.get("timeout", Timeout.batch())))


def pace_of(client: OrderClient, settings: BatchSettings) -> Pace:
    """The pace of a batch that this client makes."""
    return Pace(
        concurrency=settings.concurrency,
        maximum=check_client(client).stats().slots,
        rate=settings.rate,
        clock=client.clock,
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
        self._client, self._calls = client, client.for_batch()
        options = options_of(options)
        if options.request_id is not None or options.on_attempt is not None:
            raise ConfigurationError("a batch has a request id and an on_attempt of its own for every change")
        if options.redelivered:
            raise ConfigurationError("redelivered is a matter of each change: see InputLine")
        self.timeout = client.timeout if isinstance(options.timeout, Unset) else options.timeout
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
            timeout=attrs.evolve(self.timeout, attempt=min(self.timeout.attempt, LONGEST_PROBE)),
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
                check_header_value("request_id", item.request_id)
            if change.merchant is not None or change.channel is not None:
                client = scoped_to(client, change)
                calls = client.for_batch()
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
            return item.failed(outcome, error, now - begin)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            # Nobody cancelled this task: something that the change awaited was cancelled.
            return item.failed(_outcome_of(error, item), error, self._clock.monotonic() - begin)
        item.call = None  # which refers to the item: so both are let go at once, and not by the collector of cycles
        return item.made(outcome, status, request_id, attempts, elapsed)

    async def read(self, item: WorkItem, operation: Operation[Any], on_attempt: AttemptHook, /, *, probe: bool) -> Any:
        """Read the order of a change; see :class:`OrderSender`."""
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


class Batch(Engine):
    """Makes changes, many at a time; iterate over it for their outcomes.

    ::

        async with Batch(client, changes, journal=journal) as batch:
            async for outcome in batch:
                print(outcome.line, outcome.outcome, batch.progress.ended)

    See :func:`run_batch`, which is this without the means to watch and to stop, and takes the same arguments.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        client: OrderClient,
        changes: Changes,
        *,
        journal: RunJournal | None = None,
        options: CallOptions | None = None,
        **arguments: Unpack[BatchArguments],
    ) -> None:
        settings = BatchSettings(**arguments)
        pace = pace_of(client, settings)
        sender = ClientSender(client, pace, options)
        maker: Sender = sender
        if isinstance(journal, Journal) and (values := journal.undo) is not None:
            maker = KeepingSender(
                sender, values, pace=pace, clock=client.clock, fail=lambda error: self.state.fail(error)
            )
        super().__init__(
            changes,
            maker,
            settings,
            clock=client.clock,
            pace=pace,
            scope=(client.merchant, client.channel),
            settle=settle_of(sender.timeout),
            journal=journal,
            random=client.random,
            telemetry=client.telemetry,
        )


def run_batch(
    client: OrderClient,
    changes: Changes,
    *,
    journal: Journal | None = None,
    options: CallOptions | None = None,
    **arguments: Unpack[BatchArguments],
) -> AsyncGenerator[Outcome]:
    """Make changes, many at a time, and yield one :class:`Outcome` for each as it is known.

    Changes are pulled only as there is room, so the input may be endless and memory doesn't grow with it. Two
    changes of the same resource of the same order are never under way at once and are made in the order they came.
    A change that fails stops nothing. One that fails because the server cannot be reached, or has no time, is made
    again later; when those of five orders in a row do, the batch holds and sends only probes until the server is back.

    Close the generator (``contextlib.aclosing``) to end early: what is in flight is then cancelled; its outcomes are
    in the journal.

    Args:
        client: What to call with; for jobs, make it with ``retry=RetryPolicy.batch()`` and
            ``timeout=Timeout.batch()``.
        changes: Changes, or the entries of an :class:`Input`.
        journal: Where every change is written down, so that the batch can be continued. One that was opened with
            ``undo`` also keeps what was there before, for :func:`save_undo`.
        options: Options of every call.
        **arguments: See :class:`BatchSettings`: ``concurrency``, ``rate``, ``max_failures``, ``patience``, ``settle``,
            ``only`` and ``once``. ``"auto"`` finds out how many changes at once, up to the client's ``limit``.

    Raises:
        TypeError: ``changes`` is no iterable of changes or entries, or gives something else.
        ConfigurationError: An argument that is wrong, or a journal that belongs to another input or cannot be
            written any more.
        ClientStateError: The client was closed meanwhile.
        Exception: Whatever the input itself raises, or a change that is not a :class:`CallError` (a defect in a
            middleware, say). Nothing more is pulled then, and it is raised after the outcomes of what was under way.
    """
    return aiter(Batch(client, changes, journal=journal, options=options, **arguments))
