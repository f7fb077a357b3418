"""A connection to a Dask cluster, which is started where there is none."""

import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing import resource_tracker
from typing import Any

from norce_order_async.batch.starting import interrupts_held
from norce_order_async.core.errors import ConfigurationError

try:
    import distributed
    from distributed.deploy.cluster import Cluster
    from distributed.diagnostics.plugin import WorkerPlugin as WorkerPlugin
except ImportError:
    raise ConfigurationError('a cluster needs Dask: pip install "norce-order-async[dask]"') from None

AnyCluster = str | int | distributed.Client | Cluster
"""A scheduler's address, how many processes to start, or a cluster of which there is an object."""

get_worker = distributed.get_worker
KilledWorker, DroppedChunk = distributed.KilledWorker, distributed.CancelledError

SLOTS = 8
"""So many chunks are under way on a worker at most; one for each of its threads, which do nothing else."""

_CONNECT = 10.0


class _Nanny(distributed.Nanny):
    """Starts a worker, and another one where that is lost, that Ctrl-C never reaches, not even while it imports."""

    async def instantiate(self) -> Any:
        """Start the worker."""
        with interrupts_held():
            return await super().instantiate()


@asynccontextmanager
async def connect(cluster: AnyCluster, environment: Mapping[str, str] | None = None) -> AsyncGenerator[Any]:
    """A connection of our own to a cluster, which is started where there is none.

    Args:
        cluster: The cluster, or how many processes to start.
        environment: Environment variables of the processes that are started.
    """
    kinds: Any = distributed
    async with AsyncExitStack() as stack:
        address: Any = cluster
        security: Any = None
        if isinstance(cluster, int):
            local = kinds.LocalCluster(
                worker_class=_Nanny,
                n_workers=cluster,
                threads_per_worker=SLOTS,
                processes=True,
                env=dict(environment or {}),
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # where Dask tells of its health; there is no dashboard
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
                asynchronous=True,
            )
            if sys.platform != "win32":
                # Its start, which the first process brings about, would let Ctrl-C in.
                resource_tracker.ensure_running()
            address = await stack.enter_async_context(local)
        if isinstance(address, kinds.Client):
            address, security = address.scheduler.address, address.security
        elif not isinstance(address, str):
            address, security = address.scheduler_address, address.security
        client = kinds.Client(address, security=security, asynchronous=True, set_as_default=False, timeout=_CONNECT)
        stack.push_async_exit(client)  # one that cannot join would be left to the garbage collector, which cannot wait
        yield await client
