"""Running a batch on the workers of a Dask cluster: other processes, on this machine or on others."""

import os
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, Unpack

from norce_order_async.batch.cluster_sender import ClusterSender
from norce_order_async.batch.dask import AnyCluster, connect
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.feeding import Changes
from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
from norce_order_async.batch.journal import Journal, old_values
from norce_order_async.batch.journal.run_journal import JOURNAL
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.run import scope_and_settle
from norce_order_async.batch.starting import check_can_start_python
from norce_order_async.batch.worker import BatchPlugin
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import SystemClock
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.shapes import check_shape
from norce_order_async.sending.pace import Pace
from norce_order_async.telemetry.telemetry import Telemetry


class ClusterBatch(Engine):
    """Makes changes on the workers of a Dask cluster; iterate over it for their outcomes, as over a :class:`Batch`.

    ::

        settings = {"environment": "stage", "slug": "acme", "merchant": "acme", "channel": "1"}
        async with ClusterBatch(changes, cluster="tcp://scheduler:8786", settings=settings, journal=journal) as batch:
            async for outcome in batch:
                print(outcome.line, outcome.outcome)

    The input is read, the journal written, and the order of changes kept in this process; the workers send. They need
    this package, and the token in ``NORCE_TOKEN`` or ``NORCE_TOKEN_FILE`` of their own environment: it is never sent
    to them. Each finds its own pace. Changes of one resource take some 20 ms each, because each waits for the end of
    the one before.

    When a worker is lost, others make its chunks again, with the same request ids; nothing else is repeated. When this
    process is killed, what the workers have begun is finished; the journal leaves its outcomes open.

    With a number for ``cluster``, a script that runs a batch must guard its start with
    ``if __name__ == "__main__"``, as for everything that starts processes. A Dask scheduler obeys whoever reaches its
    port: keep it in a private network, or use TLS.

    Args:
        changes: Changes, or the entries of an :class:`Input`; classes of your own must be importable at the workers.
        cluster: A scheduler's address, a Dask client or cluster, which stays open, or how many processes to start on
            this machine.
        settings: Arguments of :meth:`OrderClient.from_env` at each worker, all but ``auth``. The workers of a cluster
            that was started elsewhere need ``merchant`` and ``channel`` here: their environment may have others.
        environment: Environment variables of the processes that are started here.
        journal: Where every change is written down, so that the batch can be continued.
        chunk: How many changes go to a worker at once, at most.
        telemetry: Makes metrics of its progress; the calls are the workers' own.
        **arguments: See :class:`BatchSettings`: ``concurrency``, for each worker, ``rate``, of all workers together,
            ``max_failures``, ``patience``, for a first worker, too, ``settle``, ``only`` and ``once``.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        cluster: AnyCluster,
        settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        journal: Journal | None = None,
        chunk: int = 100,
        telemetry: Telemetry | None = None,
        **arguments: Unpack[BatchArguments],
    ) -> None:
        if "auth" in settings:
            raise ConfigurationError("no token goes to the workers: set NORCE_TOKEN or NORCE_TOKEN_FILE there")
        if isinstance(cluster, int):
            check_count("cluster", cluster)
            check_can_start_python("a cluster of this machine")
            scope, settle = scope_and_settle(settings, {**os.environ, **(environment or {})})
        else:
            scope, settle = scope_and_settle(settings, {})
            if None in scope:
                raise ConfigurationError(
                    "give merchant and channel among the settings: workers elsewhere may have others"
                )
        check_count("chunk", chunk)
        if journal is not None:
            old_values.refuse(check_shape("journal", journal, JOURNAL).undo)
        batch = BatchSettings(**arguments)
        clock = SystemClock()
        pace = Pace(concurrency=chunk, rate=batch.rate, clock=clock)
        parent = os.getpid() if isinstance(cluster, int) else None
        plugin = BatchPlugin(settings, concurrency=batch.concurrency, patience=batch.patience, parent=parent)
        self._sender = ClusterSender(plugin, pace, chunk=chunk, rate=batch.rate)
        super().__init__(
            changes,
            self._sender,
            batch,
            clock=clock,
            pace=pace,
            scope=scope,
            settle=settle,
            journal=journal,
            around=partial(self._sender.connected, connect(cluster, environment), self),
            telemetry=telemetry,
        )

    @property
    def name(self) -> str:
        """What it is called on the cluster."""
        return self._sender.name

    @property
    def reason(self) -> str | None:
        """Why it is slower than it could be."""
        return super().reason if self._sender.workers else "no worker has joined the cluster"


async def run_batch_on_cluster(
    changes: Changes,
    *,
    cluster: AnyCluster,
    settings: Mapping[str, Any],
    journal: Journal | None = None,
    chunk: int = 100,
    telemetry: Telemetry | None = None,
    **arguments: Unpack[BatchArguments],
) -> AsyncGenerator[Outcome]:
    """Make changes on a cluster, and yield one :class:`Outcome` for each as it is known.

    See :class:`ClusterBatch`, whose arguments it takes and which it is without the means to watch and to stop.

    Raises:
        ConfigurationError: An argument that is wrong, a cluster that cannot be used, a worker without a token, or a
            journal that belongs to another input or cannot be written any more.
        Exception: Whatever the input itself raises, or a change that is not a :class:`CallError`.
    """
    async with ClusterBatch(
        changes, cluster=cluster, settings=settings, journal=journal, chunk=chunk, telemetry=telemetry, **arguments
    ) as batch:
        async for outcome in batch:
            yield outcome
