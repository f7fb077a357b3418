"""Sending changes to the workers of a Dask cluster, many at once."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import attrs

from norce_order_async.batch.dask import SLOTS, DroppedChunk, KilledWorker
from norce_order_async.batch.engine.endings import left_as
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.worker import BatchPlugin, Chunk, Ending, Reply, Waiting, make_chunk, stop_worker
from norce_order_async.core.clock import SystemClock
from norce_order_async.core.errors import CallError, ConfigurationError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import text_of
from norce_order_async.sending.pace import Pace

CHUNK_SIZE = 1024 * 1024
"""Bytes of input in one chunk, unless a single change is longer."""

_LOOK = 1.0
_LINGER = 0.005
_GRACE = 15.0
_LOST = "WorkerLost"
_Pending = list[tuple[WorkItem, Waiting]]


class ClusterSender:
    """Makes changes on the workers of a cluster, many in one chunk.

    Args:
        plugin: What each worker gets.
        pace: Told how many changes may be under way, as workers come and go.
        chunk: How many changes go to a worker at once, at most.
        rate: How many requests a second at most, from all workers together.

    Attributes:
        name: The name of the batch on the cluster.
        workers: How many workers there are.
    """

    def __init__(self, plugin: BatchPlugin, pace: Pace, *, chunk: int, rate: float | None) -> None:
        self.name = f"norce-order-{uuid.uuid4().hex}"
        self.workers = 0
        self._plugin = plugin
        self._pace = pace
        self._chunk = chunk
        self._rate = rate
        self._engine: Engine
        self._client: Any = None
        self._chunks = 0
        self._pending: _Pending = []
        self._pending_size = 0
        self._due: asyncio.TimerHandle | None = None
        self._sending: dict[asyncio.Task[None], None] = {}

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        """Make a change; see :class:`Sender`."""
        reply: Waiting = asyncio.get_running_loop().create_future()
        self._add(item, reply)
        ending = await reply
        if ending is None:
            return None
        outcome = attrs.evolve(
            ending.outcome,
            number=item.number,
            line=item.entry.line,
            file=item.entry.file,
            change=item.change,
            waited=item.waited,
        )
        if ending.lost is not None:
            item.lost_at = SystemClock().monotonic() - ending.lost
        if not ending.final:
            item.maybe_applied = outcome.outcome is OutcomeKind.UNKNOWN
            item.last = outcome
            return None
        return outcome

    @asynccontextmanager
    async def connected(self, connection: AbstractAsyncContextManager[Any], engine: Engine) -> AsyncGenerator[None]:
        """Join the cluster for the time of a batch.

        Raises:
            ConfigurationError: The cluster cannot be used.
        """
        self._engine = engine
        async with AsyncExitStack() as stack:
            try:
                self._client = await stack.enter_async_context(connection)
                await self._client.register_plugin(self._plugin, name=self.name)
            except Exception as error:
                # What is no scheduler seems to announce gigabytes.
                is_other = isinstance(error, MemoryError)
                why = "what answers at its address is no Dask scheduler" if is_other else text_of(error)
                raise ConfigurationError(f"the cluster cannot be used: {why}") from error
            stack.push_async_callback(self._leave_cluster)
            watching = asyncio.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()
                for task in self._sending:
                    task.cancel()
                await asyncio.wait([watching, *self._sending])

    async def _leave_cluster(self) -> None:
        """Close the workers' batches; those that do not answer are left to themselves."""
        with suppress(Exception):
            async with asyncio.timeout(_GRACE):
                await self._client.unregister_worker_plugin(self.name)

    async def _watch(self) -> None:
        """Follow the workers as they come and go, and let them know when the batch is stopped."""
        engine, state, clock = self._engine, self._engine.state, SystemClock()
        alone_since = clock.monotonic()
        try:
            while True:
                threads = await self._client.nthreads()
                self.workers = len(threads)
                now = clock.monotonic()
                if threads:
                    alone_since = now
                    self._pace.limit = self._chunk * sum(min(SLOTS, count) + 1 for count in threads.values())
                    state.wake.set()
                    state.room.set()
                elif state.stopped is not None or now - alone_since >= engine.breaker.patience:
                    engine.abort(f"no worker for {now - alone_since:.0f} s")
                if state.stopped is None:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK):
                            await state.stopping.wait()
                else:
                    await self._client.run(stop_worker, self.name, state.stopped, on_error="ignore")
                    await clock.sleep(_LOOK)
        except Exception as error:
            engine.abort(f"the cluster is out of reach: {text_of(error)}")

    def _add(self, item: WorkItem, reply: Waiting) -> None:
        """Put a change into the next chunk, which leaves when it is full or has waited a moment for more."""
        self._pending.append((item, reply))
        self._pending_size += item.entry.size
        if len(self._pending) >= self._chunk or self._pending_size >= CHUNK_SIZE:
            self._flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_LINGER, self._flush)

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        pending = [(item, reply) for item, reply in self._pending if not reply.done()]
        self._pending, self._pending_size = [], 0
        if pending:
            sending = asyncio.create_task(self._send_chunk(pending))
            self._sending[sending] = None
            sending.add_done_callback(self._sending.pop)

    async def _send_chunk(self, pending: _Pending) -> None:
        self._chunks += 1
        chunk = Chunk(
            batch=self.name,
            name=f"{self.name}-{self._chunks}",
            entries=[_entry(item) for item, _ in pending],
            rate=None if self._rate is None else self._rate / max(1, self.workers),
        )
        before = [item.maybe_applied for item, _ in pending]
        for item, _ in pending:
            item.maybe_applied = True  # until its outcome says otherwise
        try:
            answer = await self._answer(chunk)
        except KilledWorker:
            for item, reply in pending:
                _resolve(reply, Ending(_lost(item), final=True, lost=0.0))
        except DroppedChunk:
            self._engine.abort("the cluster has dropped the batch, or is gone")
        except Exception as error:
            self._engine.state.fail(ConfigurationError(f"the cluster cannot make these changes: {text_of(error)}"))
            for _, reply in pending:
                reply.cancel()
        else:
            self._merge_reply(answer)
            for (item, reply), ending, perhaps in zip(pending, answer.endings, before, strict=True):
                if ending is None:
                    item.maybe_applied = perhaps or answer.redelivered
                elif answer.redelivered:  # nobody knows when the worker that is lost gave it up
                    request_id = ending.outcome.request_id or item.request_id
                    ending = attrs.evolve(ending, lost=0.0, outcome=attrs.evolve(ending.outcome, request_id=request_id))
                _resolve(reply, ending)

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

    def _merge_reply(self, answer: Reply) -> None:
        """Take from a worker what concerns the whole batch."""
        state = self._engine.state
        if answer.worked:
            state.worked, self._engine.breaker.answered_at = True, SystemClock().monotonic()
            self._engine.breaker.recover()
        if answer.closed and isinstance(answer.error, CallError):
            state.error = answer.error
        state.closed.update(answer.closed)
        if isinstance(answer.failure, ConfigurationError):
            state.fail(ConfigurationError(f"worker {answer.worker}: {answer.failure}"))
        elif answer.failure is not None:
            state.fail(answer.failure)
        elif answer.stopped is not None and state.stopped is None:
            if isinstance(answer.error, CallError):
                state.error = answer.error
            state.stop(f"{answer.stopped} (worker {answer.worker})")


def _entry(item: WorkItem) -> InputLine:
    return InputLine(
        item.number, item.change, size=item.entry.size, request_id=item.request_id, redelivered=item.maybe_applied
    )


def _resolve(reply: Waiting, ending: Ending | None) -> None:
    if not reply.done():
        reply.set_result(ending)


def _lost(item: WorkItem) -> Outcome:
    outcome = left_as(item, _LOST, "one worker after another was lost while it made this change or those beside it")
    return attrs.evolve(outcome, request_id=item.request_id)
