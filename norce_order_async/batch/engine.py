"""The engine of a batch: what is taken from the input, sent, tried again, written down and yielded."""

import abc
import asyncio
import heapq
import random
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Self

import attrs

from norce_order_async.batch.blocks import Changes, Numbered, blocks, check_changes
from norce_order_async.batch.items import INTERRUPTED, NOT_TRIED, Item, Scope, bad_line
from norce_order_async.batch.journal import Journal, Mark
from norce_order_async.batch.outage import Outage, passes, throttled
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.pace import Pace
from norce_order_async.batch.schedule import Schedule
from norce_order_async.core.back_off import spread
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError
from norce_order_async.core.logger import logger
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.loops.per_loop import running_loop

GROUP = 128
"""So many changes are written to the journal at once, at most."""
LOOKAHEAD = 5_000
"""So many changes are held at most, while the changes before them keep their resource busy."""
LOOKAHEAD_SIZE = 16 * 1024 * 1024
"""Bytes of input that are held at most for the same reason."""
PUT_BACK = 2
"""So often a change that failed in a way that passes is made again later, when there is no outage. One that was only
refused because of too many requests comes back as often as it takes."""

_PERHAPS_APPLIED = (OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED)
_SAVE_AFTER = 0.05
_SAMPLE_EVERY = 1.0


Made = tuple[Outcome, CallError | None]
"""An outcome, and the error that says something of the server."""


@attrs.frozen
class Progress:
    """How a batch stands.

    Attributes:
        passed: Changes passed over because the journal has their outcome.
        ended: Changes that have an outcome of this run.
        done: Those of them that are on the server.
        failed: Those of them that are not on the server, or perhaps not.
        retried: Those of them that took several requests.
        in_flight: Changes under way.
        waiting: Changes taken from the input that wait for their turn.
        concurrency: How many may be under way.
        rate: How many may be sent in a second; None is no limit.
        reason: Why it is slower than it could be.
    """

    passed: int
    ended: int
    done: int
    failed: int
    retried: int
    in_flight: int
    waiting: int
    concurrency: int
    rate: float | None
    reason: str | None

    @property
    def accepted(self) -> int:
        """Changes of this run that the server has taken in and not finished."""
        return self.ended - self.done - self.failed


class Engine(abc.ABC):
    """What every batch does, wherever its changes are made. Iterate over it for the outcomes.

    Args:
        changes: Changes, or the entries of an :class:`Input`.
        clock: Where time comes from.
        pace: How many changes may be under way, and when the next may be sent.
        max_failures: Stop after so many changes that failed.
        patience: Seconds to wait for a server that cannot be reached.
        journal: Where every change is written down, so that the batch can be continued.
        only: With a journal, make those changes again that ended so, and what was done to the same resources after
            them, so that the last change stays the last.
        scope: The merchant and channel of changes that name none, as far as they are known.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        clock: Clock,
        pace: Pace,
        scope: Scope,
        max_failures: int | None,
        patience: float,
        journal: Journal | None,
        only: Collection[OutcomeKind] | None,
    ) -> None:
        self._changes = check_changes(changes)
        self._clock = clock
        self._pace = pace
        self._scope = scope
        self._outage = Outage(clock, patience)
        self._max_failures = None if max_failures is None else check_count("max_failures", max_failures)
        self._journal = journal
        self._only = None if only is None else frozenset(only)
        if self._only is not None and journal is None:
            raise ConfigurationError("only goes with a journal")
        self.stopped: str | None = None
        """Why it ended before its input did."""
        self._failure: Exception | None = None
        self._schedule = Schedule()
        self._put_back: list[tuple[float, int, Item]] = []
        self._calls: dict[asyncio.Task[Made], Item] = {}
        self._interrupted: list[Item] = []
        self._probe: asyncio.Task[Made] | None = None
        self._input_ended = False
        self._wake, self._stopping, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closed: list[Outcome] = []
        self._saving: asyncio.TimerHandle | None = None
        self._sampled = -_SAMPLE_EVERY
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._passed = self._ended = self._done = self._failed = self._unknown = self._retried = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def progress(self) -> Progress:
        """How it stands."""
        return Progress(
            passed=self._passed,
            ended=self._ended,
            done=self._done,
            failed=self._failed,
            retried=self._retried,
            in_flight=len(self._calls),
            waiting=self._schedule.held - len(self._calls),
            concurrency=self._pace.limit,
            rate=self._pace.rate,
            reason=self._reason,
        )

    @property
    def worked(self) -> bool:
        """Whether the server has answered anything of this batch."""
        return self._outage.worked

    @property
    def error(self) -> CallError | None:
        """The last error of a server that could not be reached, or would have none of it."""
        return self._outage.error

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        if self.stopped is None:
            self.stopped = reason
        self._stopping.set()
        self._wake.set()

    def abort(self, reason: str) -> None:
        """Stop, and end what is under way at once; it still gets its outcomes."""
        self.stop(reason)
        for call in self._calls:
            call.cancel()

    async def aclose(self) -> None:
        """End it at once; what was under way is written to the journal."""
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

    async def __aiter__(self) -> AsyncGenerator[Outcome]:
        if self._running is not None:
            raise ClientStateError("a batch runs once")
        self._running = running_loop().create_task(self._run())
        self._running.add_done_callback(lambda _: self._outcomes.put_nowait(None))
        try:
            while (outcome := await self._outcomes.get()) is not None:
                self._wake.set()
                self._make_room()
                yield outcome
            await self._running
        finally:
            await self.aclose()

    async def _run(self) -> None:
        feeding = asyncio.create_task(self._feed())
        try:
            await self._dispatch()
        except BaseException as error:
            self.stop(str(error) or type(error).__name__)  # before its calls end: they are interrupted, not ended
            raise
        finally:
            feeding.cancel()
            for call in self._calls:
                call.cancel()
            await asyncio.wait([feeding, *self._calls])
            self._save()
            self._leave_the_rest()
        if self._failure is not None:
            raise self._failure

    # Taking from the input

    async def _feed(self) -> None:
        rest: list[Numbered] = []
        try:
            if self._journal is not None and self._only is not None:
                self._journal.reopen(self._only, *self._scope)
            async with aclosing(blocks(self._changes, self._block_size, rest)) as source:
                while await self._until_room() and (block := await anext(source, None)) is not None:
                    self._take(block)
                    await asyncio.sleep(0)  # others must get their turn also where all of it is passed over
        except Exception as error:
            self._fail(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: the input was cancelled, and that is not its end.
            self._fail(RuntimeError("the input was cancelled"))
        finally:
            self._take_rest(rest)
            self._input_ended = True
            self._wake.set()

    def _take_rest(self, rest: Sequence[Numbered]) -> None:
        """Take what came from the input and is not made any more, so that it is told of."""
        try:
            if rest:
                self._take(rest)
        except Exception as error:
            self._fail(error)

    def _block_size(self) -> int:
        return min(GROUP, max(8, self._pace.limit)) if self._journal else self._pace.limit

    def _has_room(self) -> bool:
        schedule = self._schedule
        return (
            len(schedule.ready) < self._pace.limit
            and schedule.held < LOOKAHEAD
            and schedule.size < LOOKAHEAD_SIZE
            and self._outcomes.qsize() < self._most_unread
        )

    @property
    def _most_unread(self) -> int:
        return 2 * self._pace.limit + (GROUP if self._journal else 0)

    def _make_room(self) -> None:
        if self._has_room():
            self._room.set()

    async def _until_room(self) -> bool:
        """Wait until more should be taken in; False when nothing should any more."""
        while self.stopped is None:
            if self._has_room():
                return True
            self._room.clear()
            await self._room.wait()
        return False

    def _take(self, block: Sequence[Numbered]) -> None:
        items: list[Item] = []
        for numbered, redelivered in self._wanted(block):
            entry = numbered.entry
            if entry.change is None:
                self._end(bad_line(numbered.number, entry))
                continue
            item = Item(number=numbered.number, entry=entry, change=entry.change, scope=self._scope)
            item.maybe_applied = redelivered or entry.redelivered
            item.request_id = entry.request_id or item.request_id
            items.append(item)
        if self._journal is not None:
            now = self._clock.wall()
            self._write([_mark(item, now) for item in items])
        for item in items:
            self._schedule.add(item)
        self._wake.set()

    def _wanted(self, block: Sequence[Numbered]) -> list[tuple[Numbered, bool]]:
        """What of a block is to be made, and whether that may have been applied before."""
        states = {} if self._journal is None else self._journal.states(block[0].number, block[-1].number)
        if not states and self._only is None:
            return [(numbered, False) for numbered in block]
        wanted: list[tuple[Numbered, bool]] = []
        for numbered in block:
            entry, state = numbered.entry, states.get(numbered.number)
            if state is not None and None not in (state.digest, entry.digest) and state.digest != entry.digest:
                raise ConfigurationError(
                    f"line {entry.line} is not the one that the journal knows: choose another journal for another input"
                )
            outcome = OutcomeKind.NOT_SENT if state is None else state.outcome or OutcomeKind.UNKNOWN
            if self._only is None:
                is_wanted = state is None or state.outcome is None
            else:
                is_wanted = outcome in self._only or (state is not None and state.reopened)
            if is_wanted:
                wanted.append((numbered, outcome in _PERHAPS_APPLIED))
            else:
                self._passed += 1
        return wanted

    # Sending

    async def _dispatch(self) -> None:
        while not self._over():
            self._wake.clear()
            self._bring_back()
            if self.stopped is None and (hopeless := self._outage.hopeless) is not None:
                self.stop(hopeless)
            elif self._may_probe():
                self._sample()
                await self._until_probe()
                if self._may_probe():
                    self._launch(probe=True)
            elif self._may_send():
                if (delay := self._pace.reserve()) > 0:
                    await self._pause(delay, self._stopping)
                if self._may_send():
                    self._launch()
            elif self._put_back and self.stopped is None:
                await self._pause(self._put_back[0][0] - self._clock.monotonic(), self._wake)
            else:
                if not self._calls:
                    self._outage.rest()
                await self._wake.wait()

    def _over(self) -> bool:
        if self._calls:
            return False
        return self.stopped is not None or (self._input_ended and not self._schedule.held)

    def _may_probe(self) -> bool:
        return self._outage.holding and self._probe is None and bool(self._schedule.ready) and self.stopped is None

    async def _until_probe(self) -> None:
        """Wait until the next probe is due, or the server has answered something that was under way."""
        due = self._clock.monotonic() + self._outage.next_probe()
        while self._may_probe() and (left := due - self._clock.monotonic()) > 0:
            self._wake.clear()
            await self._pause(left, self._wake)

    def _may_send(self) -> bool:
        return (
            bool(self._schedule.ready)
            and len(self._calls) < self._pace.limit
            and self._outcomes.qsize() < self._most_unread
            and not self._outage.holding
            and self.stopped is None
        )

    def _bring_back(self) -> None:
        now = self._clock.monotonic()
        while self._put_back and self._put_back[0][0] <= now:
            self._schedule.put_back(heapq.heappop(self._put_back)[2])

    async def _pause(self, delay: float, until: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(delay)), asyncio.ensure_future(until.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _launch(self, *, probe: bool = False) -> None:
        ready = self._schedule.ready
        if self.stopped is not None or not ready:
            return
        item = ready.popleft()
        self._pace.begin()
        call = asyncio.create_task(self._make(item, probe=probe))
        if probe:
            self._probe = call
        self._calls[call] = item
        call.add_done_callback(self._call_ended)
        self._make_room()

    @abc.abstractmethod
    async def _make(self, item: Item, *, probe: bool) -> Made:
        """Make one change: its outcome, and the error that says something of the server; a probe is tried once."""

    def _call_ended(self, task: asyncio.Task[Made]) -> None:
        item = self._calls.pop(task)
        self._pace.end()
        if task is self._probe:
            self._probe = None
        self._wake.set()
        if task.cancelled() and self.stopped is not None and item.confirmed is None:
            self._interrupted.append(item)
            return
        outcome, error = self._made(task, item)
        if error is not None:
            self._outage.failed(error)
            if passes(error) and self._comes_back(item, outcome, error):
                return
        self._schedule.done(item)
        self._make_room()
        self._end(outcome)

    def _made(self, task: asyncio.Task[Made], item: Item) -> Made:
        """What a task has made; one that cancels itself, or raises what is no Exception, has an outcome too."""
        if task.cancelled():
            return item.failed(item.confirmed or OutcomeKind.UNKNOWN, asyncio.CancelledError(), 0.0), None
        defect = task.exception()
        if defect is None:
            return task.result()
        if isinstance(defect, SystemExit | KeyboardInterrupt):
            self.stop(type(defect).__name__)  # asyncio has raised it already
        elif isinstance(defect, Exception):
            self._fail(defect)
        else:
            failure = RuntimeError(f"a change raised {type(defect).__name__}")
            failure.__cause__ = defect
            self._fail(failure)
        return item.failed(item.confirmed or OutcomeKind.UNKNOWN, defect, 0.0), None

    def _comes_back(self, item: Item, outcome: Outcome, error: CallError) -> bool:
        """Put a change back that can be made again, unless it has been often enough."""
        asked = error.retry_after or 0.0
        if not item.repeatable(outcome.outcome) or asked > self._outage.patience:
            return False
        if throttled(error):
            item.refusals += 1
            wait = random.random() * min(20.0, 2.0**item.refusals)
        else:
            item.rounds += not self._outage.holding
            if item.rounds > PUT_BACK:
                return False
            wait = 2.0**item.rounds
        item.last = outcome
        due = self._clock.monotonic() + max(wait, asked + spread(asked) if asked else 0.0)
        heapq.heappush(self._put_back, (due, item.number, item))
        return True

    # Writing down

    def _end(self, outcome: Outcome) -> None:
        self._ended += 1
        self._done += outcome.outcome.done
        self._failed += outcome.outcome.failed
        self._unknown += outcome.outcome is OutcomeKind.UNKNOWN
        self._retried += outcome.attempts > 1
        if self._max_failures is not None and self._failed >= self._max_failures:
            self.stop(f"{self._max_failures} changes failed")
        if self._journal is None:
            self._outcomes.put_nowait(outcome)
            return
        self._closed.append(outcome)
        if len(self._closed) >= GROUP:
            self._save()
        elif self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_AFTER, self._save)

    def _save(self) -> None:
        try:
            self._write([])
        except ConfigurationError as error:
            self._fail(error)

    def _write(self, marks: Sequence[Mark]) -> None:
        """Write to the journal, and only then yield what was written."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        closed, self._closed = self._closed, []
        if self._journal is None or not (marks or closed):
            return
        try:
            self._sample()
            self._journal.write(marks, closed)
        finally:
            for outcome in closed:
                self._outcomes.put_nowait(outcome)

    def _sample(self) -> None:
        now = self._clock.monotonic()
        if self._journal is None or now - self._sampled < _SAMPLE_EVERY:
            return
        self._sampled = now
        self._journal.sample(
            at=self._clock.wall(),
            concurrency=self._pace.limit,
            rate=self._pace.rate,
            in_flight=len(self._calls),
            reason=self._reason,
        )

    @property
    def _reason(self) -> str | None:
        if self._outage.holding and self.error is not None:
            return f"waiting for the server: {self.error.reason}"
        return self._pace.reason

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.stop(str(error) or type(error).__name__)

    def _leave_the_rest(self) -> None:
        """Tell of what was taken and not ended; the journal keeps it open, or forgets it when nothing was sent."""
        left = [(item, item.last or item.left(NOT_TRIED, "not tried")) for item in self._schedule.drain()]
        left += [(item, item.last) for _, _, item in self._put_back if item.last is not None]
        left += [(item, item.left(INTERRUPTED, "ended while it was made")) for item in self._interrupted]
        if self._journal is not None:
            try:
                self._journal.release([item.number for item, _ in left if not item.maybe_applied])
            except ConfigurationError as error:
                self._fail(error)
        for _, outcome in left:
            self._unknown += outcome.outcome is OutcomeKind.UNKNOWN
            self._outcomes.put_nowait(outcome)
        if self._unknown:
            logger.warning(
                "a batch ended; changes whose outcome is unknown: %d",
                self._unknown,
                extra={"unknown": self._unknown},
            )


def _mark(item: Item, now: float) -> Mark:
    entry = item.entry
    return Mark(item.number, entry.line, entry.file, entry.digest, item.change, item.request_id, now)
