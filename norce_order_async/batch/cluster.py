"""Running a batch on the workers of a Dask cluster: other processes, on this machine or on others."""

import asyncio
import logging
import os
import signal
import sys
import uuid
from collections.abc import AsyncGenerator, Collection, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any, Literal

import attrs

from norce_order_async.batch.blocks import Changes
from norce_order_async.batch.engine import Engine, Made
from norce_order_async.batch.files import Entry
from norce_order_async.batch.items import NOT_TRIED, Item
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.pace import Pace
from norce_order_async.batch.worker import Chunk, Ending, Host, Reply, Waiting, make_chunk, stop_host
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import SystemClock
from norce_order_async.core.errors import CallError, ConfigurationError
from norce_order_async.core.outcome import OutcomeKind

try:
    import distributed
    from distributed.deploy.cluster import Cluster
except ImportError:
    raise ConfigurationError('a cluster needs Dask: pip install "norce-order-async[dask]"') from None

SLOTS = 8
"""So many chunks are under way on a worker at most; one for each of its threads, which do nothing else."""
CHUNK_SIZE = 1024 * 1024
"""Bytes of input in one chunk, unless a single change is longer."""

_CONNECT = 10.0
_LOOK = 1.0
_LINGER = 0.005
_FAREWELL = 15.0
_LOST = "WorkerLost"
_Parcel = list[tuple[Item, Waiting]]


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


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
        settings: Arguments of :meth:`OrderClient.from_env` at each worker, all but ``auth``.
        concurrency: How many changes at once on each worker; ``"auto"`` finds out.
        rate: How many requests a second at most, from all workers together.
        max_failures: Stop after so many changes that failed.
        patience: Seconds to wait for a server that cannot be reached, and for a first worker.
        journal: Where every change is written down, so that the batch can be continued.
        only: With a journal, make those changes again that ended so, and what was done to the same resources after
            them; see :func:`run_batch`.
        chunk: How many changes go to a worker at once, at most.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        cluster: str | int | distributed.Client | Cluster,
        settings: Mapping[str, Any],
        concurrency: int | Literal["auto"] = "auto",
        rate: float | None = None,
        max_failures: int | None = None,
        patience: float = 300.0,
        journal: Journal | None = None,
        only: Collection[OutcomeKind] | None = None,
        chunk: int = 100,
    ) -> None:
        if "auth" in settings:
            raise ConfigurationError("no token goes to the workers: set NORCE_TOKEN or NORCE_TOKEN_FILE there")
        if concurrency != "auto":
            check_count("concurrency", concurrency)
        if isinstance(cluster, int):
            check_count("cluster", cluster)
        self._chunk = check_count("chunk", chunk)
        clock = SystemClock()
        super().__init__(
            changes,
            clock=clock,
            pace=Pace(concurrency=self._chunk, rate=rate, clock=clock),
            scope=(settings.get("merchant"), settings.get("channel")),
            max_failures=max_failures,
            patience=patience,
            journal=journal,
            only=only,
        )
        self._cluster = cluster
        self._rate = rate
        parent = os.getpid() if isinstance(cluster, int) else None
        self._host = Host(settings, concurrency=concurrency, patience=patience, parent=parent)
        self._name = f"norce-order-{uuid.uuid4().hex}"
        self._client: Any = None
        self._workers = 0
        self._chunks = 0
        self._parcel: _Parcel = []
        self._parcel_size = 0
        self._parcel_due: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            try:
                self._client = await stack.enter_async_context(_connected(self._cluster))
                await self._client.register_plugin(self._host, name=self._name)
            except Exception as error:
                raise ConfigurationError(f"the cluster cannot be used: {_text(error)}") from error
            stack.push_async_callback(self._leave_cluster)
            watching = asyncio.create_task(self._watch())
            try:
                await super()._run()
            finally:
                watching.cancel()
                for task in self._sending:
                    task.cancel()
                await asyncio.wait([watching, *self._sending])

    async def _leave_cluster(self) -> None:
        """Close the workers' desks; those that do not answer are left to themselves."""
        with suppress(Exception):
            async with asyncio.timeout(_FAREWELL):
                await self._client.unregister_worker_plugin(self._name)

    async def _watch(self) -> None:
        """Follow the workers as they come and go, and let them know when the batch is stopped."""
        alone_since = self._clock.monotonic()
        try:
            while True:
                threads = await self._client.nthreads()
                self._workers = len(threads)
                now = self._clock.monotonic()
                if threads:
                    alone_since = now
                    self._pace.limit = self._chunk * sum(min(SLOTS, count) + 1 for count in threads.values())
                    self._wake.set()
                    self._make_room()
                elif self.stopped is not None or now - alone_since >= self._outage.patience:
                    self.abort(f"no worker for {now - alone_since:.0f} s")
                if self.stopped is None:
                    await self._pause(_LOOK, self._stopping)
                else:
                    await self._client.run(stop_host, self._name, self.stopped, on_error="ignore")
                    await self._clock.sleep(_LOOK)
        except Exception as error:
            self.abort(f"the cluster is out of reach: {_text(error)}")

    @property
    def _reason(self) -> str | None:
        return super()._reason if self._workers else "no worker has joined the cluster"

    async def _make(self, item: Item, *, probe: bool) -> Made:
        reply: Waiting = asyncio.get_running_loop().create_future()
        self._add(item, reply)
        ending = await reply
        if ending is None:
            item.last = item.left(NOT_TRIED, "not tried")
            raise asyncio.CancelledError
        entry = item.entry
        outcome = attrs.evolve(ending.outcome, number=item.number, line=entry.line, file=entry.file, change=item.change)
        if not ending.final:
            item.maybe_applied = outcome.outcome is OutcomeKind.UNKNOWN
            item.last = outcome
            raise asyncio.CancelledError
        return outcome, None

    def _add(self, item: Item, reply: Waiting) -> None:
        """Put a change into the parcel, which leaves when it is full or has waited a moment for more."""
        self._parcel.append((item, reply))
        self._parcel_size += item.entry.size
        if len(self._parcel) >= self._chunk or self._parcel_size >= CHUNK_SIZE:
            self._send()
        elif self._parcel_due is None:
            self._parcel_due = asyncio.get_running_loop().call_later(_LINGER, self._send)

    def _send(self) -> None:
        if self._parcel_due is not None:
            self._parcel_due.cancel()
            self._parcel_due = None
        parcel = [(item, reply) for item, reply in self._parcel if not reply.done()]
        self._parcel, self._parcel_size = [], 0
        if parcel:
            sending = asyncio.create_task(self._send_parcel(parcel))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send_parcel(self, parcel: _Parcel) -> None:
        self._chunks += 1
        chunk = Chunk(
            batch=self._name,
            name=f"{self._name}-{self._chunks}",
            entries=[_entry(item) for item, _ in parcel],
            rate=None if self._rate is None else self._rate / max(1, self._workers),
        )
        before = [item.maybe_applied for item, _ in parcel]
        for item, _ in parcel:
            item.maybe_applied = True  # until its outcome says otherwise
        try:
            answer = await self._answer(chunk)
        except distributed.KilledWorker:
            for item, reply in parcel:
                _settle(reply, Ending(_lost(item), final=True))
        except distributed.CancelledError:
            self.abort("the cluster has dropped the batch, or is gone")
        except Exception as error:
            self._fail(ConfigurationError(f"the cluster cannot make these changes: {_text(error)}"))
            for _, reply in parcel:
                reply.cancel()
        else:
            self._heed(answer)
            for (item, reply), ending, perhaps in zip(parcel, answer.endings, before, strict=True):
                if ending is None:
                    item.maybe_applied = perhaps or answer.redelivered
                _settle(reply, ending)

    async def _answer(self, chunk: Chunk) -> Reply:
        future: Any = self._client.submit(make_chunk, chunk, key=chunk.name, pure=False)
        try:
            reply: Reply = await future
            return reply
        finally:
            # At once, or the loss of the worker that has the result would let another one make the chunk again.
            future.release()
            with suppress(OSError):
                await self._client.scheduler.event_clear(name=chunk.name)

    def _heed(self, answer: Reply) -> None:
        """Take from a worker what concerns the whole batch."""
        if answer.worked:
            self._outage.succeeded()
        if isinstance(answer.failure, ConfigurationError):
            self._fail(ConfigurationError(f"worker {answer.worker}: {answer.failure}"))
        elif answer.failure is not None:
            self._fail(answer.failure)
        elif answer.stopped is not None and self.stopped is None:
            if isinstance(answer.error, CallError):
                self._outage.failed(answer.error)
            self.stop(f"{answer.stopped} (worker {answer.worker})")

    def _leave_the_rest(self) -> None:
        # What a worker gave back has its account already.
        self._put_back += [(0.0, item.number, item) for item in self._interrupted if item.last is not None]
        self._interrupted = [item for item in self._interrupted if item.last is None]
        super()._leave_the_rest()


def _entry(item: Item) -> Entry:
    return Entry(
        item.number,
        item.change,
        size=item.entry.size,
        request_id=item.request_id,
        redelivered=item.maybe_applied,
    )


def _settle(reply: Waiting, ending: Ending | None) -> None:
    if not reply.done():
        reply.set_result(ending)


def _lost(item: Item) -> Outcome:
    outcome = item.left(_LOST, "one worker after another was lost while it made this change or those beside it")
    return attrs.evolve(outcome, request_id=item.request_id)


@asynccontextmanager
async def _connected(
    cluster: str | int | distributed.Client | Cluster,
) -> AsyncGenerator[Any]:
    """A connection of our own to a cluster, which is started where there is none."""
    kinds: Any = distributed
    async with AsyncExitStack() as stack:
        address: Any = cluster
        security: Any = None
        if isinstance(cluster, int):
            local = kinds.LocalCluster(
                n_workers=cluster,
                threads_per_worker=SLOTS,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # where Dask tells of its health; there is no dashboard
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
                asynchronous=True,
            )
            with _interrupts_held():
                address = await stack.enter_async_context(local)
        if isinstance(address, kinds.Client):
            address, security = address.scheduler.address, address.security
        elif not isinstance(address, str):
            address, security = address.scheduler_address, address.security
        yield await stack.enter_async_context(
            kinds.Client(address, security=security, asynchronous=True, set_as_default=False, timeout=_CONNECT)
        )


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Hold Ctrl-C back: a process that starts meanwhile never gets it, and ends when this one ends it."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # its start, which the first process brings about, would let Ctrl-C in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def run_batch_on_cluster(
    changes: Changes,
    *,
    cluster: str | int | distributed.Client | Cluster,
    settings: Mapping[str, Any],
    concurrency: int | Literal["auto"] = "auto",
    rate: float | None = None,
    max_failures: int | None = None,
    patience: float = 300.0,
    journal: Journal | None = None,
    only: Collection[OutcomeKind] | None = None,
    chunk: int = 100,
) -> AsyncGenerator[Outcome]:
    """Make changes on a cluster, and yield one :class:`Outcome` for each as it is known.

    See :class:`ClusterBatch`, whose arguments it takes and which it is without the means to watch and to stop.

    Raises:
        ConfigurationError: An argument that is wrong, a cluster that cannot be used, a worker without a token, or a
            journal that belongs to another input or cannot be written any more.
        Exception: Whatever the input itself raises, or a change that is not a :class:`CallError`.
    """
    async with ClusterBatch(
        changes,
        cluster=cluster,
        settings=settings,
        concurrency=concurrency,
        rate=rate,
        max_failures=max_failures,
        patience=patience,
        journal=journal,
        only=only,
        chunk=chunk,
    ) as batch:
        async for outcome in batch:
            yield outcome
