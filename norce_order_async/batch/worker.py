"""A worker's side of a batch on a cluster: one client and one batch, for all the chunks that come."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import attrs

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.client_sender import ClientSender
from norce_order_async.batch.dask import WorkerPlugin, get_worker
from norce_order_async.batch.engine.endings import NOT_TRIED
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import BatchSettings
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.run import client_defaults
from norce_order_async.batch.travel import sendable
from norce_order_async.client import OrderClient
from norce_order_async.sending.pace import Pace


@attrs.frozen(kw_only=True)
class Chunk:
    """Changes for one worker. Nothing of it is shown where Dask writes about its tasks.

    Attributes:
        batch: The name of the batch, and of its plugin at each worker.
        name: The chunk's name.
        entries: The changes.
        rate: Requests per second that one worker may send.
    """

    batch: str
    name: str
    entries: list[InputLine] = attrs.field(repr=False)
    rate: float | None


@attrs.frozen
class Ending:
    """How a change ended at a worker.

    Attributes:
        outcome: Its outcome, without the change, which the driver has.
        final: Whether the worker is done with it; otherwise the worker has stopped before.
        lost: How many seconds ago its last request was given up whose answer never came; None without one.
    """

    outcome: Outcome
    final: bool
    lost: float | None = None


@attrs.frozen(kw_only=True)
class Reply:
    """What became of a chunk.

    Attributes:
        worker: The worker's address.
        endings: How each change ended; None for one that was not even looked at.
        redelivered: Whether a worker that is lost had begun this chunk before.
        worked: Whether the server has answered this worker anything.
        stopped: Why the worker takes no more.
        closed: The merchants and channels of which it makes nothing any more, and why.
        error: The error of a server that could not be reached, or refused it.
        failure: What must not happen and did.
    """

    worker: str
    endings: list[Ending | None]
    redelivered: bool = False
    worked: bool = False
    stopped: str | None = None
    closed: dict[Scope, str] = attrs.Factory(dict[Scope, str])
    error: Exception | None = None
    failure: Exception | None = None


Waiting = asyncio.Future[Ending | None]


class WorkerBatch:
    """The one batch of a worker. Its input is whatever chunks bring."""

    def __init__(self, client: OrderClient, *, concurrency: int | Literal["auto"], patience: float) -> None:
        self._clock = client.clock
        self._pace = Pace(concurrency=concurrency, maximum=client.stats().slots, clock=client.clock)
        self._sender = ClientSender(client, self._pace)
        self._engine = Engine(
            self._entries(),
            self,
            BatchSettings(concurrency=concurrency, patience=patience, once=True),
            clock=client.clock,
            pace=self._pace,
            scope=(client.merchant, client.channel),
            settle=0.0,  # the driver, which has the order of the changes, lets them settle
            journal=None,
        )
        self._incoming: asyncio.Queue[InputLine] = asyncio.Queue()
        self._replies: dict[int, Waiting] = {}
        self._lost: dict[int, float] = {}
        self._count = 0
        self._working = asyncio.create_task(self._work())

    def set_rate(self, rate: float | None) -> None:
        """Send so many requests a second at most."""
        self._pace.ceiling = rate

    async def make(self, entries: list[InputLine]) -> list[Ending | None]:
        """Make these changes, beside those of other chunks."""
        if self._working.done():
            return [None] * len(entries)
        replies: list[Waiting] = []
        for entry in entries:
            self._count += 1
            reply = self._replies[self._count] = asyncio.get_running_loop().create_future()
            replies.append(reply)
            self._incoming.put_nowait(entry)
        await asyncio.wait(replies)
        return [reply.result() for reply in replies]

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome:
        """Make a change, and keep when an answer of it was lost."""
        outcome = await self._sender.send(item, probe=probe)
        if item.lost_at is not None:
            self._lost[item.number] = item.lost_at
        return outcome

    def reply(self, address: str, endings: list[Ending | None], *, redelivered: bool) -> Reply:
        """What became of a chunk, and how the batch stands."""
        engine = self._engine
        return Reply(
            worker=address,
            endings=endings,
            redelivered=redelivered,
            worked=engine.worked,
            stopped=engine.stopped,
            closed=dict(engine.state.closed),
            error=None if engine.error is None else sendable(engine.error),
            failure=None if engine.failure is None else sendable(engine.failure),
        )

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way."""
        self._engine.stop(reason)

    async def leave(self) -> None:
        """End it at once, and let the chunks know."""
        await self._engine.aclose()
        await asyncio.wait([self._working])

    async def _entries(self) -> AsyncIterator[InputLine]:
        while True:
            yield await self._incoming.get()

    async def _work(self) -> None:
        told, accountant = 0, self._engine.accountant
        with suppress(Exception):  # the engine's failure, which replies tell
            async for outcome in self._engine:
                was_tried = outcome.error != NOT_TRIED
                told += was_tried  # of these, those that have ended come first, those that are left after them
                self._end(outcome, final=was_tried and told <= accountant.ended - accountant.left)
        while self._replies:
            self._replies.popitem()[1].set_result(None)

    def _end(self, outcome: Outcome, *, final: bool) -> None:
        lost_at = self._lost.pop(outcome.number, None)
        if reply := self._replies.pop(outcome.number, None):
            ago = None if lost_at is None else self._clock.monotonic() - lost_at
            reply.set_result(Ending(attrs.evolve(outcome, change=None), final, ago))


class BatchPlugin(WorkerPlugin):
    """Keeps a worker's batch and client from the first chunk to the end of the batch.

    Args:
        settings: Arguments of :meth:`OrderClient.from_env`.
        concurrency: How many changes at once.
        patience: Seconds to wait for a server that cannot be reached.
        parent: The process that started the workers for this batch alone, and that decides what Ctrl-C means to them;
            None for workers that others use too.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        concurrency: int | Literal["auto"],
        patience: float,
        parent: int | None,
    ) -> None:
        self._settings = dict(settings)
        self._parent = parent
        self._concurrency: int | Literal["auto"] = concurrency
        self._patience = patience
        self._client: OrderClient | None = None
        self._batch: WorkerBatch | None = None

    def setup(self, worker: Any) -> None:
        """Leave Ctrl-C to the process that started this one, also where it started it after another one was lost."""
        if self._parent == os.getppid():
            with suppress(ValueError):  # not the main thread: Python gives it no signals
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def make(self, chunk: Chunk, address: str, *, redelivered: bool) -> Reply:
        """Make the changes of a chunk; raises nothing."""
        try:
            batch = self._batch or self._open()
        except Exception as error:
            endings: list[Ending | None] = [None] * len(chunk.entries)
            return Reply(worker=address, endings=endings, redelivered=redelivered, failure=sendable(error))
        batch.set_rate(chunk.rate)
        entries = chunk.entries
        if redelivered:
            entries = [attrs.evolve(entry, redelivered=True) for entry in entries]
        endings = await batch.make(entries)
        return batch.reply(address, endings, redelivered=redelivered)

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way."""
        if self._batch is not None:
            self._batch.stop(reason)

    async def teardown(self, worker: Any) -> None:
        """Close the batch and its client."""
        if self._batch is not None:
            await self._batch.leave()
        if self._client is not None:
            await self._client.aclose()

    def _open(self) -> WorkerBatch:
        self._client = OrderClient.from_env(**client_defaults(self._concurrency) | self._settings)
        self._batch = WorkerBatch(self._client, concurrency=self._concurrency, patience=self._patience)
        return self._batch


async def make_chunk(chunk: Chunk) -> Reply:
    """The task that makes a chunk."""
    worker: Any = get_worker()
    plugin = worker.plugins.get(chunk.batch)
    # The scheduler knows whether a worker that is lost by now has begun this chunk before.
    redelivered = await worker.scheduler.event_is_set(name=chunk.name)
    if not isinstance(plugin, BatchPlugin):
        endings: list[Ending | None] = [None] * len(chunk.entries)
        return Reply(worker=worker.address, endings=endings, redelivered=redelivered, stopped="the batch has ended")
    await worker.scheduler.event_set(name=chunk.name)
    return await plugin.make(chunk, worker.address, redelivered=redelivered)


def stop_worker(batch: str, reason: str, *, dask_worker: Any) -> None:
    """Let a worker take no more of a batch."""
    plugin = dask_worker.plugins.get(batch)
    if isinstance(plugin, BatchPlugin):
        plugin.stop(reason)
