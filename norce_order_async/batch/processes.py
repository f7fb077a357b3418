"""Running a batch in several processes of this machine: one deals out lines and writes the journal, others send."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Unpack

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.engine.accounting import Tally, patiently
from norce_order_async.batch.engine.feeding import Changes, blocks, check_changes, prepare
from norce_order_async.batch.engine.running import SAMPLE_EVERY, Progress, RunsOnce, Sampler
from norce_order_async.batch.engine.schedule import LOOKAHEAD, LOOKAHEAD_SIZE
from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.inputs import Input
from norce_order_async.batch.journal import Journal, is_wanted, old_values
from norce_order_async.batch.journal.run_journal import JOURNAL
from norce_order_async.batch.journal.run_writer import Rows
from norce_order_async.batch.process_link import GRACE, NO_SAMPLE, ProcessLink
from norce_order_async.batch.process_worker import CREDIT
from norce_order_async.batch.run import scope_and_settle
from norce_order_async.batch.starting import check_can_start_python
from norce_order_async.batch.travel import frame, order_of_entry, sendable, worker_of
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import SystemClock
from norce_order_async.core.errors import CallError, ConfigurationError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.shapes import check_shape
from norce_order_async.core.wording import text_of
from norce_order_async.loops.tasks import pause, wait_first
from norce_order_async.telemetry.telemetry import Telemetry

_BLOCK = 512
_MOST = 100
"""Processes at most: each takes some 40 MiB, and a few have the one that deals out lines fully busy."""
_LOST = 3
"""So often in a row a worker is started again."""
_SHOW_EVERY = 0.1


class ProcessBatch(RunsOnce):
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
    is made as by a run that continues one that was killed. One whose changes cannot go on leaves its own undone, and
    the others go on, unless the input is a stream. When this process ends, so do the others, at once.

    Args:
        changes: Changes, entries, or an :class:`Input`, whose lines are then read by the processes; classes of your own
            must be importable, and so not of the program that is run.
        processes: How many, at most 100.
        settings: Arguments of :meth:`OrderClient.from_env` in each process. They are sent over a pipe. A
            ``transport`` is a class of transports. ``token_file`` is the path of a file with the token, for ``auth``.
        journal: Where every change is written down, and from where the outcomes can be read.
        telemetry: Makes metrics of its progress; the calls are the processes' own.
        **arguments: See :class:`BatchSettings`: ``concurrency``, in each process, ``rate``, of all together,
            ``max_failures``, ``patience``, ``settle``, ``only`` and ``once``.

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
        telemetry: Telemetry | None = None,
        **arguments: Unpack[BatchArguments],
    ) -> None:
        super().__init__(telemetry)
        self._settings = BatchSettings(**arguments)
        self._has_streams = isinstance(changes, Input) and changes.has_streams
        self._changes = changes.unread() if isinstance(changes, Input) else check_changes(changes)
        self._scope, settle = scope_and_settle(settings, os.environ)
        self._settle = settle if self._settings.settle is None else self._settings.settle
        self._journal = check_shape("journal", journal, JOURNAL)
        if check_count("processes", processes) > _MOST:
            raise ConfigurationError(f"processes must be at most {_MOST}, got {processes}")
        check_can_start_python("processes")
        old_values.refuse(journal.undo)
        rate = self._settings.rate
        told: BatchArguments = {**arguments, "max_failures": None, "rate": None if rate is None else rate / processes}
        setup = frame(sys.path) + frame(dict(settings), told, journal.has_done)
        self._links = [ProcessLink(setup) for _ in range(processes)]
        self._clock = SystemClock()
        self._sampler = Sampler(journal, self._clock, lambda: self.progress)
        self._tally = Tally(self._settings.max_failures, self.stop, telemetry)
        self._aborted = asyncio.Event()
        self._stops: list[str] = []  # why workers ended before their input did; the others go on

    @property
    def progress(self) -> Progress:
        """How it stands."""
        samples = [link.sample for link in self._links]
        in_flight = sum(sample.in_flight for sample in samples)
        rates = [sample.rate for sample in samples if sample.rate is not None]
        return Progress(
            passed=self._tally.passed,
            ended=self._tally.ended,
            done=self._tally.done,
            failed=self._tally.failed,
            retried=self._tally.retried,
            in_flight=in_flight,
            waiting=max(0, sum(len(link.dealt) for link in self._links) - in_flight),
            concurrency=sum(sample.concurrency for sample in samples),
            rate=sum(rates) if len(rates) == len(samples) else None,
            reason=next((sample.reason for sample in samples if sample.reason is not None), None),
        )

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        self._end("stop", reason)

    def abort(self, reason: str) -> None:
        """Stop, and end what is under way at once."""
        self._aborted.set()
        self._end("abort", reason)

    def _end(self, how: str, reason: str) -> None:
        self.state.stop(reason)
        for link in self._links:
            link.tell_to_end(how, reason)

    async def __aiter__(self) -> AsyncGenerator[Progress]:
        running = self._begin(self._run)
        try:
            while not running.done():
                await asyncio.wait([running], timeout=_SHOW_EVERY)
                yield self.progress
            await running
        finally:
            await self.aclose()

    async def _run(self) -> None:
        await prepare(self._journal, self._settings.only, self._scope, once=self._settings.once)
        parts = list[asyncio.Task[None]]()
        try:
            for count, link in enumerate(self._links, 1):
                await link.start()
                if self.stopped is not None:
                    del self._links[count:]
                    break
            self._began, self._began_wall = self._clock.monotonic(), self._clock.wall()
            self._settled_at = self._began + self._settle
            serving = [self._begin_part(self._serve(link), "a worker") for link in self._links]
            parts = [self._begin_feeding(self._feed()), self._begin_part(self._sample(), "the sampling"), *serving]
            await self._until_served(serving)
        finally:
            for part in parts:
                part.cancel()
            if parts:
                await asyncio.wait(parts)
            self._sampler.end()
            await asyncio.gather(*(link.end() for link in self._links))
            self._tally.log_unknown()
        if self._stops:
            are_all = len(self._stops) == len(self._links)
            self.state.stop(self._stops[0] if are_all else f"a worker process stopped: {self._stops[0]}")
        self.state.tell_closed()
        if self.failure is not None:
            raise self.failure

    # The input

    async def _feed(self) -> None:
        first = 1
        async with aclosing(blocks(self._changes, lambda: _BLOCK, [], self._journal)) as source:
            async for entries in source:
                await self._until_room()
                if self.stopped is not None:
                    return
                self._take(first, entries)
                first += len(entries)
                await asyncio.sleep(0)

    def _input_ended(self, feeding: asyncio.Task[None]) -> None:
        super()._input_ended(feeding)
        for link in self._links:
            self._deal(link)

    async def _until_room(self) -> None:
        """Wait until a worker has too little, unless another one has too much; let go of what has settled."""
        links, room = self._links, self.state.room
        while self.stopped is None:
            if (left := self._settled_at - self._clock.monotonic()) <= 0:
                for link in links:
                    link.settle()
            has_few = any(len(link.queue) < CREDIT and not link.has_ended for link in links)
            most, size = max(len(link.queue) for link in links), sum(link.size for link in links)
            if has_few and most < LOOKAHEAD and size < LOOKAHEAD_SIZE:
                return
            room.clear()
            await (pause(self._clock, left, room) if left > 0 else room.wait())

    def _take(self, first: int, entries: list[InputLine]) -> None:
        known = self._journal.states(first, first + len(entries) - 1)
        links, only, once = self._links, self._settings.only, self._settings.once
        passed = self._clock.monotonic() - self._began
        for number, entry in enumerate(entries, first):
            made, state = True, known.get(number)
            if (state is not None or only is not None) and not is_wanted(only, entry, state, once=once):
                self._tally.passed += state is not None
                if state is None or state.settles_after(self._began_wall, self._settle) <= passed:
                    continue  # nothing that comes after it has to wait
                made = False
            order = order_of_entry(entry, self._scope, number)
            link = links[number % len(links) if order is None else worker_of(order, len(links))]
            if not link.has_ended:
                link.add(number, entry, state, made=made)
        for link in links:
            self._deal(link)

    def _deal(self, link: ProcessLink) -> None:
        link.deal()
        if self.state.input_ended and not link.queue:
            link.tell("over")
        elif len(link.queue) < CREDIT:
            self.state.room.set()

    # The workers

    async def _until_served(self, serving: list[asyncio.Task[None]]) -> None:
        """Wait until the workers have ended; those that still have not, some time after an abort, are killed."""
        await wait_first(asyncio.wait(serving), self._aborted.wait())
        _, hanging = await asyncio.wait(serving, timeout=GRACE)
        if hanging:
            for link in self._links:
                if not link.has_ended:
                    link.kill()
            await asyncio.wait(serving)

    async def _serve(self, link: ProcessLink) -> None:
        """Talk with a worker until it has ended; start another one for one that is lost."""
        while True:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(link)
            if link.has_ended or self.stopped is not None:
                return
            how = await link.lost()
            if link.losses >= _LOST:
                raise ConfigurationError(f"a worker process ended {_LOST} times, last {how}")
            await self._take_back(link)
            await pause(self._clock, link.settles_at - self._clock.monotonic(), self.state.stopping)
            await link.start()

    async def _take_back(self, link: ProcessLink) -> None:
        """Have what a lost process had made by the next one, but for what must not be made twice."""
        if given_up := link.take_back(self._journal.states(*link.span), only=self._settings.only is not None):
            await patiently(lambda: self._journal.give_up(given_up, "the process that made it was lost"))
            self._count({(OutcomeKind.UNKNOWN, 1): len(given_up)})
            self._settled_at = self._clock.monotonic() + self._settle

    async def _talk(self, link: ProcessLink) -> None:
        self._deal(link)
        if self.stopped is not None:  # while it started
            link.tell_to_end("stop", self.stopped)
        while not link.has_ended:
            kind, *rest = await link.hear()
            if kind == "journal":
                self._write(link, *rest)
            elif kind == "want":
                link.credit += rest[0]
                self._deal(link)
            elif kind == "sample":
                link.sample = rest[0]
            elif kind == "left":
                link.close(rest[0])
                self.state.room.set()
            else:
                self._worker_ended(link, *rest)

    def _write(self, link: ProcessLink, method: str, *values: Any) -> None:
        """Write to the journal for a worker, which waits until it is done."""
        try:
            getattr(self._journal, method)(*values)
        except Exception as error:
            link.tell("answer", False, sendable(error))
            return
        link.tell("answer", True, None)
        if method == "write":
            self._account(link, values[0])
        elif method == "leave_open":  # they are unknown
            self._count(Counter((OutcomeKind.UNKNOWN, row[0]) for row in values[0]))

    def _account(self, link: ProcessLink, rows: Rows) -> None:
        """Let go of what has ended, and count it."""
        for number in rows.ended:
            link.close(number)
        self.state.room.set()
        self._count(ended := rows.outcomes)
        if any(attempts > 1 or kind is OutcomeKind.UNKNOWN for kind, attempts in ended):
            link.settles_at = self._clock.monotonic() + self._settle

    def _count(self, ended: Mapping[tuple[OutcomeKind, int], int]) -> None:
        """Count changes that have ended with an outcome, in a number of requests."""
        for (kind, attempts), times in ended.items():
            self._tally.add(kind, attempts, times)
            if self._tally.count is not None:
                self._tally.count({kind: times})

    def _worker_ended(
        self,
        link: ProcessLink,
        stopped: str | None,
        closed: Mapping[Scope, str],
        error: Exception | None,
        failure: Exception | None,
        worked: bool,
    ) -> None:
        link.has_ended = True
        link.sample = NO_SAMPLE
        link.drop()
        self.state.room.set()
        self.state.worked |= worked
        self.state.closed.update(closed)
        if isinstance(error, CallError) and (self.error is None or stopped is not None or closed):
            self.state.error = error
        if failure is not None:
            self.state.fail(failure)
            self.stop(text_of(failure))
        elif stopped is not None:
            self._stops.append(stopped)
            if self._has_streams:  # what is read of them and not made would be gone
                self.stop(stopped)

    # The journal

    async def _sample(self) -> None:
        while not all(link.has_ended for link in self._links):
            self._sampler.sample()
            await self._clock.sleep(SAMPLE_EVERY)
