"""Running a batch in this process."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal, Unpack

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.client_sender import ClientSender
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.feeding import Changes
from norce_order_async.batch.engine.sending import Sender
from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.undo.keeping import KeepingSender
from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.settings import Timeout, as_timeout
from norce_order_async.core.shapes import check_client
from norce_order_async.endpoints.resolve import settle_of
from norce_order_async.environ import scope_from
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.sending.pace import Pace

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

    Close the generator (``contextlib.aclosing``) to end early, before the journal: what is in flight is then cancelled;
    its outcomes are in the journal. :class:`Batch` as a context manager does the same.

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
