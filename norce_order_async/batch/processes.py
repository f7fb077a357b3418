"""Running a batch in several processes of this machine: one deals out lines and writes the journal, others send."""

import asyncio
import pickle
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar, Unpack

import attrs

from norce_order_async.batch.engine.accounting import LONGEST_LOCK, Progress
from norce_order_async.batch.engine.feeding import (
    LOOKAHEAD,
    LOOKAHEAD_SIZE,
    Block,
    Changes,
    blocks,
    check_changes,
)
from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
from norce_order_async.batch.files import Entry
from norce_order_async.batch.interrupts import interrupts_held
from norce_order_async.batch.journal import Journal, JournalBusy, is_wanted
from norce_order_async.batch.journal.rows import Rows
from norce_order_async.batch.process_worker import AHEAD, Dealt
from norce_order_async.batch.travel import HEAD, Packed, frame, pack, sendable
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import SystemClock
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError
from norce_order_async.core.outcome import OutcomeKind

T = TypeVar("T")

_BLOCK = 512
_LOST = 3
"""So often in a row a worker is started again."""
_LOOK_AGAIN = 0.02
_SHOW_EVERY = 0.1
_SAMPLE_EVERY = 1.0
_FAREWELL = 10.0
_Speed = tuple[int, float | None, int, str | None]
_UNTOLD: _Speed = (0, None, 0, None)


@attrs.define(eq=False)
class _Worker:
    """A worker process, or one after another that take the same orders.

    Attributes:
        credit: How many lines it takes now.
        queue: The lines that are for it.
        size: How many bytes these are, about.
        dealt: The lines that it has and that have not ended.
        speed: How many changes it may have under way, its rate, how many are under way, and why it is no faster.
        losses: How many processes were lost since something ended.
    """

    process: asyncio.subprocess.Process | None = None
    credit: int = AHEAD
    queue: deque[tuple[Dealt, int]] = attrs.Factory(deque[tuple[Dealt, int]])
    size: int = 0
    dealt: dict[int, tuple[Packed, int]] = attrs.Factory(dict[int, tuple[Packed, int]])
    speed: _Speed = _UNTOLD
    losses: int = 0
    has_ended: bool = False

    def tell(self, *message: Any) -> None:
        """Send it a message."""
        if self.process is not None and self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(frame(*message))

    def deal(self) -> None:
        """Send it as many lines as it takes."""
        lines: list[Dealt] = []
        while self.credit and self.queue:
            line, size = self.queue.popleft()
            lines.append(line)
            self.size -= size
            self.credit -= 1
            self.dealt[line[0]] = line[1], size
        if lines:
            self.tell("deal", lines)

    def take_back(self, journal: Journal, *, only: bool) -> None:
        """Put what a lost process had in front of what waits, with what the journal knows of it."""
        dealt = sorted(self.dealt.items())
        states = journal.states(dealt[0][0], dealt[-1][0]) if dealt else {}
        for number, (packed, size) in reversed(dealt):
            if (state := states.get(number)) is not None and only:
                state = attrs.evolve(state, reopened=True)  # it was asked for
            self.queue.appendleft(((number, packed, state), size))
            self.size += size
        self.dealt.clear()
        self.credit, self.speed = AHEAD, _UNTOLD


class ProcessBatch:
    """Makes changes in processes of its own on this machine; iterate over it for its :class:`Progress`.

    ::

        settings = {"environment": "stage", "slug": "acme", "merchant": "acme", "channel": "1"}
        async with ProcessBatch(changes, processes=4, settings=settings, journal=journal) as batch:
            async for progress in batch:
                print(progress.ended, progress.failed)
        for row in journal.rows():
            print(row.line, row.outcome)

    The input is read and the journal written in this process; the others send, and each finds its own pace. All
    changes of an order go to the same process, in the order they came. A process that is lost is replaced: what it had
    is made as by a run that continues one that was killed. When this process ends, so do the others, at once.

    Args:
        changes: Changes, or the entries of an :class:`Input`; classes of your own must be importable.
        processes: How many.
        settings: Arguments of :meth:`OrderClient.from_env` in each process. They are sent over a pipe. A
            ``transport`` is a class of transports. ``token_file`` is the path of a file with the token, for ``auth``.
        journal: Where every change is written down, and from where the outcomes can be read.
        **arguments: See :class:`BatchSettings`: ``concurrency``, in each process, ``rate``, of all together,
            ``max_failures``, ``patience``, ``settle`` and ``only``.

    Attributes:
        stopped: Why it ended before its input did.
        failure: What must not happen and did.
        error: The last error of a server that could not be reached, or refused everything.
        worked: Whether the server has answered anything.

    Raises:
        TypeError: ``changes`` is no iterable of changes or entries.
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        processes: int,
        settings: Mapping[str, Any],
        journal: Journal,
        **arguments: Unpack[BatchArguments],
    ) -> None:
        self.stopped: str | None = None
        self.failure: Exception | None = None
        self.error: CallError | None = None
        self.worked = False
        self._settings = BatchSettings(**arguments)
        self._changes = check_changes(changes)
        self._journal = journal
        self._scope = (settings.get("merchant"), settings.get("channel"))
        self._workers = [_Worker() for _ in range(check_count("processes", processes))]
        rate = self._settings.rate
        told: BatchArguments = {**arguments, "max_failures": None, "rate": None if rate is None else rate / processes}
        self._setup = frame(sys.path) + frame(dict(settings), told)
        self._clock = SystemClock()
        self._passed = self._ended = self._done = self._failed = self._retried = 0
        self._input_ended = False
        self._room = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def progress(self) -> Progress:
        """How it stands."""
        speeds = [worker.speed for worker in self._workers]
        in_flight = sum(speed[2] for speed in speeds)
        rates = [rate for _, rate, _, _ in speeds if rate is not None]
        return Progress(
            passed=self._passed,
            ended=self._ended,
            done=self._done,
            failed=self._failed,
            retried=self._retried,
            in_flight=in_flight,
            waiting=max(0, sum(len(worker.dealt) for worker in self._workers) - in_flight),
            concurrency=sum(speed[0] for speed in speeds),
            rate=sum(rates) if len(rates) == len(speeds) else None,
            reason=next((speed[3] for speed in speeds if speed[3] is not None), None),
        )

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        self._end("stop", reason)

    def abort(self, reason: str) -> None:
        """Stop, and end what is under way at once."""
        self._end("abort", reason)

    def _end(self, how: str, reason: str) -> None:
        self.stopped = self.stopped or reason
        self._room.set()
        for worker in self._workers:
            worker.tell(how, reason)

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.stop(str(error) or type(error).__name__)

    async def aclose(self) -> None:
        """End it at once; what was under way is open in the journal."""
        if self._running is not None:
            if not self._running.done():
                self.abort("closed")
                await asyncio.wait([self._running])
            if not self._running.cancelled():
                self._running.exception()  # raised where it is iterated over

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncGenerator[Progress]:
        if self._running is not None:
            raise ClientStateError("a batch runs once")
        self._running = running = asyncio.create_task(self._run())
        try:
            while not running.done():
                await asyncio.wait([running], timeout=_SHOW_EVERY)
                yield self.progress
            await running
        finally:
            await self.aclose()

    async def _run(self) -> None:
        if (only := self._settings.only) is not None:
            await self._patiently(lambda: self._journal.reopen(only, *self._scope))
        with interrupts_held():
            for worker in self._workers:
                await self._start(worker)
        feeding, sampling = asyncio.create_task(self._feed()), asyncio.create_task(self._sample())
        serving = [asyncio.create_task(self._serve(worker)) for worker in self._workers]
        try:
            await asyncio.wait(serving)
        finally:
            for task in (feeding, sampling, *serving):
                task.cancel()
            await asyncio.wait([feeding, sampling, *serving])
            await asyncio.gather(*map(_bid_farewell, self._workers))
        for task in serving:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        if self.failure is not None:
            raise self.failure

    # The input

    async def _feed(self) -> None:
        first = 0
        try:
            async for block in blocks(self._changes, lambda: _BLOCK, Block()):
                await self._until_room()
                if self.stopped is not None:
                    return
                first = block.first
                await self._take(first, block.entries)
                await asyncio.sleep(0)
        except Exception as error:
            self._fail(error)
        finally:
            self._input_ended = True
            for worker in self._workers:
                self._deal(worker)

    async def _until_room(self) -> None:
        """Wait until a worker has too little, unless another one has too much."""
        workers = self._workers
        while self.stopped is None and (
            all(len(worker.queue) >= AHEAD for worker in workers)
            or any(len(worker.queue) >= LOOKAHEAD for worker in workers)
            or sum(worker.size for worker in workers) >= LOOKAHEAD_SIZE
        ):
            self._room.clear()
            await self._room.wait()

    async def _take(self, first: int, entries: list[Entry]) -> None:
        known = await self._patiently(lambda: self._journal.states(first, first + len(entries) - 1))
        workers, only, count = self._workers, self._settings.only, len(self._workers)
        merchant, channel = self._scope
        for number, entry in enumerate(entries, first):
            state = known.get(number)
            if (state is not None or only is not None) and not is_wanted(only, entry, state):
                self._passed += 1
                if state is None or state.ended is None:
                    continue  # otherwise what comes after it may have to wait
            change = entry.change
            if change is None:
                worker = workers[number % count]
            else:
                order = (change.merchant or merchant, change.channel or channel, change.order_id)
                worker = workers[hash(order) % count]
            worker.queue.append(((number, pack(entry), state), entry.size))
            worker.size += entry.size
        for worker in workers:
            self._deal(worker)

    def _deal(self, worker: _Worker) -> None:
        worker.deal()
        if self._input_ended and not worker.queue:
            worker.tell("over")
        elif len(worker.queue) < AHEAD:
            self._room.set()

    # The workers

    async def _start(self, worker: _Worker) -> None:
        worker.process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "norce_order_async.batch.process_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(self._setup)

    async def _serve(self, worker: _Worker) -> None:
        """Talk with a worker until it has ended; start another one for one that is lost."""
        while True:
            assert worker.process is not None
            assert worker.process.stdout is not None
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(worker, worker.process.stdout)
            if worker.has_ended or self.stopped is not None:
                return
            code = await worker.process.wait()
            worker.losses += 1
            if worker.losses >= _LOST:
                self._fail(ConfigurationError(f"a worker process ended {_LOST} times, last with exit code {code}"))
                return
            await self._patiently(lambda: worker.take_back(self._journal, only=self._settings.only is not None))
            with interrupts_held():
                await self._start(worker)
            self._deal(worker)

    async def _talk(self, worker: _Worker, stream: asyncio.StreamReader) -> None:
        self._deal(worker)
        while not worker.has_ended:
            (size,) = HEAD.unpack(await stream.readexactly(HEAD.size))
            kind, *rest = pickle.loads(await stream.readexactly(size))
            if kind == "journal":
                self._write(worker, *rest)
            elif kind == "want":
                worker.credit += rest[0]
                self._deal(worker)
            elif kind == "speed":
                worker.speed = tuple(rest)
            else:
                self._worker_ended(worker, *rest)

    def _write(self, worker: _Worker, method: str, *values: Any) -> None:
        """Write to the journal for a worker, which waits until it is done."""
        try:
            getattr(self._journal, method)(*values)
        except Exception as error:
            worker.tell("answer", False, sendable(error))
            return
        worker.tell("answer", True, None)
        if method == "write_rows":
            self._account(worker, values[0])

    def _account(self, worker: _Worker, rows: Rows) -> None:
        """Count what has ended."""
        for number in rows.ended:
            worker.dealt.pop(number, None)
            worker.losses = 0
        done = len(rows.done)
        others = [OutcomeKind(row[0]) for row in rows.failed] + [OutcomeKind(row[4]) for row in rows.in_full]
        self._ended += done + len(others)
        self._done += done + sum(kind.done for kind in others)
        self._failed += sum(kind.failed for kind in others)
        self._retried += sum(row[1] > 1 for row in (*rows.done, *rows.failed))
        most = self._settings.max_failures
        if most is not None and self._failed >= most:
            self.stop(f"{most} changes failed")

    def _worker_ended(
        self, worker: _Worker, stopped: str | None, error: Exception | None, failure: Exception | None, worked: bool
    ) -> None:
        worker.has_ended = True
        worker.speed = _UNTOLD
        self.worked = self.worked or worked
        if isinstance(error, CallError) and (self.error is None or stopped is not None):
            self.error = error
        if failure is not None:
            self._fail(failure)
        elif stopped is not None and self.stopped is None:
            self.stop(stopped)

    # The journal

    async def _sample(self) -> None:
        while True:
            progress = self.progress
            with suppress(JournalBusy):
                self._journal.sample(
                    at=self._clock.wall(),
                    concurrency=progress.concurrency,
                    rate=progress.rate,
                    in_flight=progress.in_flight,
                    reason=progress.reason,
                )
            await self._clock.sleep(_SAMPLE_EVERY)

    async def _patiently(self, step: Callable[[], T]) -> T:
        """Use the journal; while another program locks it, wait."""
        began = self._clock.monotonic()
        while True:
            try:
                return step()
            except JournalBusy:
                if self._clock.monotonic() - began > LONGEST_LOCK:
                    raise
            await self._clock.sleep(_LOOK_AGAIN)


async def _bid_farewell(worker: _Worker) -> None:
    """Let go of a worker; one that does not end is killed."""
    process = worker.process
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_FAREWELL):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
