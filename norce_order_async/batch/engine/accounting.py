"""What of a change is written down before it is sent, and after its end: counted, written down, and only then told."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from itertools import islice
from typing import TypeVar

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.engine.running import Progress, Sampler
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import Shared
from norce_order_async.batch.journal import JournalBusy
from norce_order_async.batch.journal.rare_rows import stands
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.journal.run_writer import rows_of
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.logger import logger
from norce_order_async.core.outcome import APPLIED, OutcomeKind
from norce_order_async.telemetry.telemetry import Telemetry

T = TypeVar("T")

GROUP = 128
"""So many changes are written to the journal at once, at most."""

LONGEST_LOCK = 10.0
"""Seconds that another program may lock the journal."""

_MOMENT = 0.05
"""Seconds of sending for which changes are marked at once."""
_FEWEST = 8
"""So many are marked at once at least, where so many may be sent."""
_MOST_UNWRITTEN = 2 * GROUP
"""So many changes that have ended wait for the next group that is written, at most."""
_SAVE_AFTER = 0.05
_LOOK_AGAIN = 0.02


async def patiently(step: Callable[[], T], *, until: Callable[[], bool] = lambda: False) -> T:
    """Use the journal; while another program locks it, wait, and let the event loop go on.

    Raises:
        JournalBusy: It was locked too long, or ``until`` something is so.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        try:
            return step()
        except JournalBusy:
            if until() or loop.time() - began > LONGEST_LOCK:
                raise
        await asyncio.sleep(_LOOK_AGAIN)


class Tally:
    """The sums of a run.

    Args:
        max_failures: Stop after so many changes that failed.
        stop: Stops the batch.
        telemetry: Told how many changes have ended.

    Attributes:
        passed: How many changes were passed over because the journal has their outcome.
        ended: How many have ended; see :class:`Progress` for ``done``, ``failed`` and ``retried``.
        unknown: How many of these have come to nobody knows what.
        count: Told how many changes have ended in each outcome, where somebody is.
    """

    def __init__(self, max_failures: int | None, stop: Callable[[str], None], telemetry: Telemetry | None) -> None:
        self.passed = self.ended = self.retried = self.unknown = 0
        self.done: int = 0
        self.failed: int = 0
        self.count = None if telemetry is None else telemetry.count_changes
        self._max_failures = max_failures
        self._stop = stop

    def add(self, kind: OutcomeKind, attempts: int, times: int = 1) -> None:
        """Add a change that has ended, or several alike."""
        self.ended += times
        if attempts > 1:
            self.retried += times
        if kind is APPLIED:
            self.done += times
            return
        self.done += times * kind.done
        self.failed += times * kind.failed
        if kind is OutcomeKind.UNKNOWN:
            self.unknown += times
        if self._max_failures is not None and self.failed >= self._max_failures:
            self._stop(f"{self._max_failures} changes failed")

    def log_unknown(self) -> None:
        """Log how many changes are unknown at the end."""
        if self.unknown:
            logger.warning(
                "a batch ended; changes whose outcome is unknown: %d", self.unknown, extra={"unknown": self.unknown}
            )


class Accountant(Tally):
    """Counts the outcomes, writes them to the journal, and keeps them until they are read.

    Args:
        shared: The state of the batch, and the clock.
        journal: Where every change is written down.
        progress: How the batch stands.
        max_failures: Stop after so many changes that failed.
        telemetry: Told how many changes have ended.

    Attributes:
        left: How many of what has ended are to be continued.
    """

    def __init__(
        self,
        shared: Shared,
        journal: RunJournal | None,
        progress: Callable[[], Progress],
        max_failures: int | None,
        telemetry: Telemetry | None,
    ) -> None:
        super().__init__(max_failures, shared.state.stop, telemetry)
        self.journal = journal
        self._state = shared.state
        self._pace = shared.pace
        self._clock = shared.clock
        self._sampler = None if journal is None else Sampler(journal, shared.clock, progress)
        self._unwritten: list[Outcome] = []
        self._saving: asyncio.TimerHandle | None = None
        self._busy_since: float | None = None
        self.left = 0
        self._unread: deque[Outcome] = deque()
        self._arrived = asyncio.Event()
        self._most_waiting = 0 if journal is None else GROUP
        self._was_full = False

    # To the journal

    def end(self, outcome: Outcome) -> None:
        """Take in the outcome of a change that has ended."""
        self.add(outcome.outcome, outcome.attempts)
        if self.journal is None:
            self._tell([outcome])
            return
        self._unwritten.append(outcome)
        if len(self._unwritten) >= _MOST_UNWRITTEN and self._busy_since is None:
            self._save()
        elif self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_AFTER, self._save)

    def _save(self) -> None:
        """Write down what has ended; while another program locks the journal, a little later."""
        loop = asyncio.get_running_loop()
        try:
            self._write(())
        except JournalBusy as error:
            self._busy_since = loop.time() if self._busy_since is None else self._busy_since
            if loop.time() - self._busy_since > LONGEST_LOCK:
                self._state.fail(error)
            else:
                self._saving = loop.call_later(_LOOK_AGAIN, self._save)
        except ConfigurationError as error:
            self._state.fail(error)

    async def write(self, items: Sequence[WorkItem]) -> None:
        """Write down what is about to be sent and what has ended, and only then let that be read.

        Raises:
            JournalBusy: It was locked too long, or until the batch was stopped, and so nothing is sent any more.
        """
        await patiently(lambda: self._write(items), until=lambda: bool(items) and self._state.stopped is not None)

    def _write(self, items: Sequence[WorkItem]) -> None:
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        if self.journal is None or not (items or self._unwritten):
            return
        if self._sampler is not None and self._clock.monotonic() >= self._sampler.due:
            self._sampler.sample()
        self.journal.write(rows_of(items, self._unwritten))
        self._busy_since = None
        written, self._unwritten = self._unwritten, []
        self._tell(written)

    def sample(self) -> None:
        """Write down how fast it is, now."""
        if self._sampler is not None:
            self._sampler.sample()

    async def let_go(self, left: Sequence[tuple[WorkItem, Outcome]]) -> None:
        """Write down what has ended, and tell of what was taken and not ended.

        The journal keeps that open, or forgets it when nothing of it was applied.
        """
        if (journal := self.journal) is not None:
            withdrawn = [item for item, _ in left if item.is_withdrawn]
            numbers = [item.number for item in withdrawn]
            # What the workers of a cluster sent is known by the last outcome alone.
            requests = sum(max(item.attempts, item.last.attempts if item.last else 0) for item in withdrawn)
            still_open = [
                stands(outcome) for item, outcome in left if item.maybe_applied and outcome.started is not None
            ]
            try:
                await self.write(())
                await patiently(lambda: journal.withdraw(numbers, requests))
                await patiently(lambda: journal.leave_open(still_open))
            except ConfigurationError as error:
                self._state.fail(error)
        for _, outcome in left:
            self.leave_out(outcome)

    async def leave(self, left: Sequence[tuple[WorkItem, Outcome]]) -> None:
        """Let go of what is left at the end, and log how many changes are unknown."""
        await self.let_go(left)
        for outcome in self._unwritten:  # it could not be written, so the journal has it as unknown
            self.done -= outcome.outcome.done
            self.failed += not outcome.outcome.failed
            self.unknown += outcome.change is not None and outcome.outcome is not OutcomeKind.UNKNOWN
        if self._sampler is not None:
            self._sampler.end()
        self.log_unknown()

    def leave_out(self, outcome: Outcome) -> None:
        """Tell of a change that is not made; the journal stays as it is."""
        has_ended = outcome.outcome is OutcomeKind.UNKNOWN and outcome.started is not None
        if has_ended:  # so it is in the journal as one of this run
            self.add(outcome.outcome, outcome.attempts)
            self.left += 1
        self._tell([outcome], have_ended=has_ended)

    # To the reader

    def is_full(self) -> bool:
        """Whether so many outcomes are unread that what makes more has to wait."""
        self._was_full = len(self._unread) >= 2 * self._pace.limit + self._most_waiting
        return self._was_full

    async def outcomes(
        self, begin: Callable[[], asyncio.Task[None]], end: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[Outcome]:
        """Begin the batch, give its outcomes as they come, and end it when nobody reads on."""
        running = begin()
        running.add_done_callback(lambda _: self._arrived.set())
        try:
            while self._unread or not running.done():
                if not self._unread:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                if self._was_full:  # what waited for that goes on
                    self._was_full = False
                    self._state.wake.set()
                    self._state.room.set()
                yield self._unread.popleft()
            await running
        finally:
            await end()

    def _tell(self, outcomes: list[Outcome], *, have_ended: bool = True) -> None:
        if self.count is not None and have_ended:
            self.count(Counter(outcome.outcome for outcome in outcomes))
        self._unread += outcomes
        self._arrived.set()


class Marker:
    """Marks changes in the journal: those that were taken to be sent, and those that come next.

    Each time is a transaction. After a kill all that was marked counts as perhaps sent, so no more is marked ahead than
    is sent in a moment, and nothing that waits for something else than its turn.

    Args:
        once: Whether there may be changes that must not be made twice: of these fewer are marked ahead.
    """

    def __init__(self, shared: Shared, accountant: Accountant, *, once: bool) -> None:
        self.is_needed = accountant.journal is not None
        """Whether changes are marked at all."""
        self.taken: list[WorkItem] = []
        """What was taken, and has to be marked before it is sent."""
        self._once = once
        self._schedule = shared.schedule
        self._accountant = accountant
        self._pace = shared.pace
        self._state = shared.state
        self._clock = shared.clock
        self._ahead = self._count = 0  # how many are sent in a moment; how many were marked since then
        self._since = shared.clock.monotonic()

    def most(self) -> int:
        """How many may be marked at once."""
        now = self._clock.monotonic()
        if (passed := now - self._since) >= _MOMENT:
            self._ahead, self._count, self._since = round(self._count * _MOMENT / passed), 0, now
        return min(GROUP, max(_FEWEST, self._pace.limit, 0 if self._once else max(self._ahead, self._count)))

    async def mark(self, *, ahead: bool, but_of: Collection[Scope]) -> list[WorkItem]:
        """Mark what was taken, and with ``ahead`` what comes next; what has ended is written along with it.

        Args:
            ahead: Whether what comes next is marked, too.
            but_of: The merchants and channels of which nothing is marked ahead.

        Returns:
            What was taken and may be sent now; nothing where the journal cannot be written, which stops the batch.
        """
        taken = self.taken.copy()
        items = [*taken, *self._next(self.most() - len(taken), but_of)] if ahead else taken
        try:
            await self._accountant.write(items)
        except Exception as error:
            # A journal that is locked when the batch is stopped is waited for at the end.
            if self._state.stopped is None or not isinstance(error, JournalBusy):
                self._state.fail(error)
            return []
        del self.taken[: len(taken)]  # others may have come meanwhile
        for item in items:
            item.is_marked = True
        self._count += len(items)
        return taken

    def _next(self, most: int, but_of: Collection[Scope]) -> list[WorkItem]:
        """Those of the next ones that have no mark, and are not of whom is asked to wait, or left undone."""
        held, closed = self._pace.holds.rows, self._state.closed
        return [
            item
            for item in islice(self._schedule.ready, max(0, most))
            if not item.is_marked
            and item.order[0] not in held
            and item.order[:2] not in closed
            and item.order[:2] not in but_of
        ]
