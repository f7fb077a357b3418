"""Running a batch in this process."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from functools import partial
from typing import Literal, cast

import attrs
from tenacity import retry_all

from norce_order_async.batch.blocks import Changes
from norce_order_async.batch.engine import Engine, Made
from norce_order_async.batch.items import Item
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.pace import Pace
from norce_order_async.client import OrderClient
from norce_order_async.core.call import Call, RetryRules
from norce_order_async.core.errors import (
    CallError,
    ClientStateError,
    ConfigurationError,
    InvalidRequestError,
    NorceOrderError,
)
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.settings import Unset
from norce_order_async.middleware.policy import RetryPolicy, last_attempt

LONGEST_PROBE = 5.0
"""Seconds that a server which was gone has for a probe, so that one which is silent does not hold it up for long."""


class Batch(Engine):
    """Makes changes, many at a time; iterate over it for their outcomes.

    ::

        async with Batch(client, changes, journal=journal) as batch:
            async for outcome in batch:
                print(outcome.line, outcome.outcome, batch.progress.rate)

    See :func:`run_batch`, which is this without the means to watch and to stop.

    Args:
        client: What to call with; for jobs, make it with ``retry=RetryPolicy.batch()`` and
            ``timeout=Timeout.batch()``.
        changes: Changes, or the entries of an :class:`Input`.
        concurrency: How many changes at once; ``"auto"`` finds out, up to the client's ``limit``.
        rate: How many requests a second at most.
        max_failures: Stop after so many changes that failed.
        patience: Seconds to wait for a server that cannot be reached.
        journal: Where every change is written down, so that the batch can be continued.
        only: With a journal, make those changes again that ended so: ``unknown`` includes changes whose end is not
            in the journal, ``not_sent`` includes those that it doesn't have at all. Later changes of the same
            resources that were done are made once more after them, so that the last one stays the last; those of
            classes of your own are not.
        options: Options of every call.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        client: OrderClient,
        changes: Changes,
        *,
        concurrency: int | Literal["auto"] = "auto",
        rate: float | None = None,
        max_failures: int | None = None,
        patience: float = 300.0,
        journal: Journal | None = None,
        only: Collection[OutcomeKind] | None = None,
        options: CallOptions | None = None,
    ) -> None:
        super().__init__(
            changes,
            clock=client.clock,
            pace=Pace(concurrency=concurrency, maximum=client.stats().slots, rate=rate, clock=client.clock),
            scope=(client.merchant, client.channel),
            max_failures=max_failures,
            patience=patience,
            journal=journal,
            only=only,
        )
        self._client = client
        options = options or CallOptions()
        if options.request_id is not None or options.on_attempt is not None:
            raise ConfigurationError("a batch has a request id and an on_attempt of its own for every change")
        if options.redelivered:
            raise ConfigurationError("redelivered is a matter of each change: see Entry")
        self._retry = _unless_throttled(client.retry if isinstance(options.retry, Unset) else options.retry)
        self._timeout = client.timeout if isinstance(options.timeout, Unset) else options.timeout
        self._probe_timeout = attrs.evolve(self._timeout, attempt=min(self._timeout.attempt, LONGEST_PROBE))
        self._options = partial(CallOptions, headers=options.headers, adapter_id=options.adapter_id, log_cut=False)

    async def _make(self, item: Item, *, probe: bool) -> Made:
        change, client = item.change, self._client
        item.started, begin = self._clock.wall(), self._clock.monotonic()
        try:
            if change.merchant is not None:
                client = client.scoped(merchant=change.merchant)
            if change.channel is not None:
                client = client.scoped(channel=change.channel)
            options = self._options(
                request_id=item.request_id,
                on_attempt=partial(self._observe, item),
                redelivered=item.maybe_applied,
                timeout=self._probe_timeout if probe else self._timeout,
                retry=None if probe else self._retry,
            )
            receipt = await change.apply(client, options)
        except Exception as error:
            outcome = _outcome_of(error, item)
            if isinstance(error, ClientStateError) or not isinstance(error, NorceOrderError):
                self._fail(error)
            failure = error if isinstance(error, CallError) and not isinstance(error, ClientStateError) else None
            return item.failed(outcome, error, self._clock.monotonic() - begin), failure
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: something that the change awaited was cancelled.
            return item.failed(_outcome_of(error, item), error, self._clock.monotonic() - begin), None
        self._outage.succeeded()
        return item.made(receipt, self._clock.monotonic() - begin), None

    def _observe(self, item: Item, call: Call, attempt: Attempt) -> None:
        item.observe(call, attempt)
        self._pace.observe(call, attempt)


def _unless_throttled(policy: RetryRules | None) -> RetryRules | None:
    """The policy without throttled requests: those go back to the schedule, so that the next one has a place in it."""
    if policy is None:
        return None
    return attrs.evolve(
        cast(RetryPolicy, policy), retry=retry_all(policy.retry, lambda state: not last_attempt(state).throttled)
    )


def _outcome_of(error: BaseException, item: Item) -> OutcomeKind:
    if isinstance(error, CallError):
        return error.outcome
    if item.confirmed is not None:
        return item.confirmed  # whatever failed after the API's yes
    sent_nothing = isinstance(error, InvalidRequestError | ClientStateError)
    return OutcomeKind.NOT_SENT if sent_nothing else OutcomeKind.UNKNOWN


async def run_batch(
    client: OrderClient,
    changes: Changes,
    *,
    concurrency: int | Literal["auto"] = "auto",
    rate: float | None = None,
    max_failures: int | None = None,
    patience: float = 300.0,
    journal: Journal | None = None,
    only: Collection[OutcomeKind] | None = None,
    options: CallOptions | None = None,
) -> AsyncGenerator[Outcome]:
    """Make changes, many at a time, and yield one :class:`Outcome` for each as it is known.

    Changes are pulled only as there is room, so the input may be endless and memory doesn't grow with it. Two
    changes of the same resource of the same order are never under way at once and are made in the order they came.
    A change that fails stops nothing. One that fails because the server cannot be reached, or has no time, is made
    again later; when five in a row do, the batch holds and sends only probes until the server is back.

    Close the generator (``contextlib.aclosing``) to end early: what is in flight is then cancelled; its outcomes are
    in the journal.

    Args:
        client: What to call with; for jobs, make it with ``retry=RetryPolicy.batch()`` and
            ``timeout=Timeout.batch()``.
        changes: Changes, or the entries of an :class:`Input`.
        concurrency: How many changes at once; ``"auto"`` finds out, up to the client's ``limit``.
        rate: How many requests a second at most.
        max_failures: Stop after so many changes that failed.
        patience: Seconds to wait for a server that cannot be reached.
        journal: Where every change is written down, so that the batch can be continued.
        only: With a journal, make those changes again that ended so: ``unknown`` includes changes whose end is not
            in the journal, ``not_sent`` includes those that it doesn't have at all. Later changes of the same
            resources that were done are made once more after them, so that the last one stays the last; those of
            classes of your own are not.
        options: Options of every call.

    Raises:
        TypeError: ``changes`` is no iterable of changes or entries, or gives something else.
        ConfigurationError: An argument that is wrong, or a journal that belongs to another input or cannot be
            written any more.
        ClientStateError: The client was closed meanwhile.
        Exception: Whatever the input itself raises, or a change that is not a :class:`CallError` (a defect in a
            middleware, say). Nothing more is pulled then, and it is raised after the outcomes of what was under way.
    """
    batch = Batch(
        client,
        changes,
        concurrency=concurrency,
        rate=rate,
        max_failures=max_failures,
        patience=patience,
        journal=journal,
        only=only,
        options=options,
    )
    async with aclosing(aiter(batch)) as outcomes:
        async for outcome in outcomes:
            yield outcome
