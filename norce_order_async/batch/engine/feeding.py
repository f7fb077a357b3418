"""From the input to the schedule: what is taken, when, and what an earlier run has done of it already."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import cast

import attrs

from norce_order_async.batch.changes import Change, Scope
from norce_order_async.batch.engine.accounting import GROUP, Accountant, Marker, patiently
from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.endings import NOT_TRIED, bad_line, left_as, must_be_once
from norce_order_async.batch.engine.pumping import BLOCK_SIZE, EntryOf, Kept, pumped
from norce_order_async.batch.engine.schedule import LOOKAHEAD, LOOKAHEAD_SIZE, WorkItem
from norce_order_async.batch.engine.settings import Shared
from norce_order_async.batch.files import InputLine, check_entry
from norce_order_async.batch.journal import INTERRUPTED, State, digest_of, is_wanted
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.outcome import OutcomeKind

Changes = Iterable[Change | InputLine] | AsyncIterable[Change | InputLine]
"""What a batch makes: changes, or the entries of a file."""
_TAKES = "a batch takes an iterable of changes, such as PatchConsent(...), or of entries"


def check_changes(changes: object) -> Changes:
    """Return ``changes`` if a batch may read it.

    Raises:
        TypeError: It is text, a path, a record, or nothing that can be iterated over.
    """
    got = kind_of(changes)
    if isinstance(changes, str | bytes | os.PathLike):
        raise TypeError(f'{_TAKES}, got {got}: Input("changes.jsonl") reads a file')
    if isinstance(changes, Mapping) or not isinstance(changes, Iterable | AsyncIterable):
        raise TypeError(f"{_TAKES}, got {got}")
    return cast("Changes", changes)


class Feeder:
    """Takes changes from the input as there is room, and adds them to the schedule.

    Args:
        changes: The input.
        scope: The merchant and channel of changes that name none.
        only: Which changes of an earlier run are made again; None makes those that have no outcome.
        once: Whether changes that must not be made twice are made at all.
        settle: Seconds that a resource needs to settle.
    """

    def __init__(
        self,
        changes: Changes,
        shared: Shared,
        *,
        accountant: Accountant,
        marker: Marker,
        breaker: CircuitBreaker,
        scope: Scope,
        only: Collection[OutcomeKind] | None,
        once: bool,
        settle: float,
    ) -> None:
        self._changes = check_changes(changes)
        self._scope = scope
        self._only = only
        self._once = once
        self._settle = settle
        self._schedule = shared.schedule
        self._accountant = accountant
        self._breaker = breaker
        self._pace = shared.pace
        self._marker = marker
        self._state = shared.state
        self._clock = shared.clock
        self._random = shared.random
        self._next = 1  # the place of the next entry in the whole input
        self._passes = False  # whether something in the last block was not to be sent
        self._rest: list[InputLine] = []  # what came from the input and is not made any more

    async def run(self) -> None:
        """Take the whole input, or until the batch is stopped; the input is closed then."""
        self._began, self._began_wall = self._clock.monotonic(), self._clock.wall()
        if (journal := self._accountant.journal) is not None:
            await prepare(journal, self._only, self._scope, once=self._once)
        async with aclosing(blocks(self._changes, self._block_size, self._rest, self._accountant.journal)) as source:
            while await self._until_room() and (entries := await anext(source, None)) is not None:
                if self._take(entries):
                    await self._accountant.write(())
                await asyncio.sleep(0)  # others must get their turn also where all of it is passed over

    def make_room(self) -> None:
        """Take more if there is room."""
        if not self._state.room.is_set() and self._has_room():
            self._state.room.set()

    def take_rest(self) -> None:
        """Take what came from the input and is not made any more, so that it is told of; the batch has stopped."""
        try:
            if self._rest:
                self._take(self._rest)
        except Exception as error:
            self._state.fail(error)

    def _block_size(self) -> int:
        if not self._marker.is_needed:
            return self._pace.limit
        return GROUP if self._passes else self._marker.most()

    def _has_room(self) -> bool:
        schedule = self._schedule
        limit = self._pace.limit
        if (self._breaker.is_open and self._breaker.hopeless(0) is None) or self._pace.is_closed:
            limit = LOOKAHEAD  # so that probes are not all sent to neighbours
        return (
            len(schedule.ready) < limit
            and schedule.held < LOOKAHEAD
            and schedule.size < LOOKAHEAD_SIZE
            and not self._accountant.is_full()
        )

    async def _until_room(self) -> bool:
        """Wait until more should be taken in; False when nothing should any more."""
        while self._state.stopped is None:
            if self._has_room():
                return True
            self._state.room.clear()
            await self._state.room.wait()
        return False

    def _take(self, entries: list[InputLine]) -> bool:
        """Take in what comes next; whether any of it ended at once."""
        first, self._next = self._next, self._next + len(entries)
        accountant, schedule, now = self._accountant, self._schedule, self._clock.monotonic()
        scope, random, only = self._scope, self._random, self._only
        self._passes, ended = False, accountant.ended
        known: dict[int, State] = {}
        if (journal := accountant.journal) is not None:
            known = journal.states(first, self._next - 1)
        started, closed = self._clock.wall(), self._state.closed
        for number, entry in enumerate(entries, first):
            state = known.get(number)
            if (state is not None or only is not None) and not self._is_wanted(number, entry, state):
                continue
            if (change := entry.change) is None or entry.problem is not None:
                self._end(bad_line(number, entry))
                continue
            item = WorkItem(number, entry, change, scope, random)
            if change.not_twice is not None and (outcome := self._not_made(item)) is not None:
                self._end(outcome)
                continue
            item.started = started
            if state is not None:
                item.known = state.outcome
                item.maybe_applied |= state.may_stand
                item.settles_at = self._settles_at(state)
            if closed and (why := closed.get(item.order[:2])) is not None:
                accountant.leave_out(left_as(item, NOT_TRIED, why))
            else:
                schedule.add(item, now)
        self._state.wake.set()
        has_ended = accountant.ended > ended
        self._passes |= has_ended
        return has_ended

    def _end(self, outcome: Outcome) -> None:
        """End what is not sent; a line that cannot be made is left, as all others are, once the batch is stopped."""
        if self._state.stopped is None or outcome.change is not None:
            self._accountant.end(outcome)
        else:
            self._accountant.leave_out(attrs.evolve(outcome, error=NOT_TRIED, message="not tried"))

    def _not_made(self, item: WorkItem) -> Outcome | None:
        """How a change that must not be made twice ends without being made; None where it is made."""
        if not self._once:
            return bad_line(item.number, attrs.evolve(item.entry, problem=must_be_once(item.change)))
        return left_as(item, INTERRUPTED, "the worker that made it was lost") if item.entry.redelivered else None

    def _is_wanted(self, number: int, entry: InputLine, state: State | None) -> bool:
        """Whether a change is made in this run; one that is not, and may be carried out late, has to settle."""
        if is_wanted(self._only, entry, state, once=self._once):
            return True
        self._passes = True
        if state is None:
            return False
        self._accountant.passed += 1
        if entry.change is not None:
            settles_at = self._settles_at(state)
            if settles_at > self._clock.monotonic():
                item = WorkItem(number, entry, entry.change, self._scope, self._random)
                item.settles_at = settles_at
                self._schedule.settle(item)
        return False

    def _settles_at(self, state: State) -> float:
        """The monotonic time until which a request of an earlier run may still be carried out."""
        left = state.settles_after(self._began_wall, self._settle)
        return self._began + left if left > 0 else 0.0


async def prepare(journal: RunJournal, only: Collection[OutcomeKind] | None, scope: Scope, *, once: bool) -> None:
    """Do in the journal what comes before the first change.

    Raises:
        ConfigurationError: It cannot be written.
    """
    if once:
        await patiently(journal.sync)
    if only is not None:
        await patiently(lambda: journal.reopen(only, *scope, once=once))


def blocks(
    changes: Changes, size: Callable[[], int], rest: list[InputLine], journal: RunJournal | None
) -> AsyncGenerator[list[InputLine]]:
    """The entries in blocks of at most ``size()``; a slow asynchronous input gives smaller ones at once.

    What the input raises is raised after the block of what came before it. What it has given and is in no block when
    this is closed, or when it raises what is no Exception, goes to ``rest``.
    """
    # The lines of files go on as they are.
    kept = () if journal is not None and not journal.has_inputs else InputLine
    entry_of = partial(as_entry, journal=journal)
    if isinstance(changes, AsyncIterable):
        return pumped(changes, size, rest, kept, entry_of)
    return _sliced(changes, size, rest, kept, entry_of)


def as_entry(number: int, item: object, journal: RunJournal | None) -> InputLine:
    """One item of an input as an entry; a change is one without a file, and its place is its line.

    With a journal it has a digest where nothing else says which change it is.

    Raises:
        TypeError: It is neither a change nor an entry, or a member of the entry is of another kind.
        ValueError: A number of the entry is larger than the journal can hold.
    """
    if isinstance(item, Change):
        return InputLine(number, item, digest=None if journal is None else digest_of(item))
    if not isinstance(item, InputLine):
        raise TypeError(f"{_TAKES}, got {kind_of(item)}")
    if journal is None or journal.has_inputs:
        return item
    check_entry(item)
    return item if item.change is None or item.digest is not None else attrs.evolve(item, digest=digest_of(item.change))


async def _sliced(
    changes: Iterable[Change | InputLine], size: Callable[[], int], rest: list[InputLine], kept: Kept, entry_of: EntryOf
) -> AsyncGenerator[list[InputLine]]:
    block: list[InputLine] = []
    most, weight = size(), 0
    try:
        for number, item in enumerate(changes, 1):
            entry = item if isinstance(item, kept) else entry_of(number, item)
            weight += entry.size
            block.append(entry)
            if len(block) == most or weight >= BLOCK_SIZE:
                whole, block, weight = block, [], 0
                yield whole
                most = size()
    except (Exception, asyncio.CancelledError):
        if block:
            yield block
        raise
    except BaseException:
        rest += block
        raise
    if block:
        yield block
