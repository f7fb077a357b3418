"""From the input to the schedule: what is taken, when, and what an earlier run has done of it already."""

import asyncio
from collections.abc import Collection
from contextlib import aclosing

import attrs

from norce_order_async.batch.changes import Change, Scope
from norce_order_async.batch.engine.accounting import GROUP, Accountant, Marker, patiently
from norce_order_async.batch.engine.blocks import Block, Changes, blocks, check_changes
from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.schedule import LOOKAHEAD, LOOKAHEAD_SIZE, Schedule
from norce_order_async.batch.engine.settings import RunState
from norce_order_async.batch.engine.work_item import NOT_TRIED, WorkItem, bad_line, must_be_once
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import INTERRUPTED, State, is_wanted
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.clock import Clock
from norce_order_async.core.outcome import DONE, OutcomeKind
from norce_order_async.core.random_source import RandomSource
from norce_order_async.loops.tasks import is_cancelled
from norce_order_async.sending.pace import Pace

_PERHAPS_APPLIED = (*DONE, OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED)


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
        *,
        scope: Scope,
        only: Collection[OutcomeKind] | None,
        once: bool,
        settle: float,
        schedule: Schedule,
        accountant: Accountant,
        marker: Marker,
        breaker: CircuitBreaker,
        pace: Pace,
        state: RunState,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        self._changes = check_changes(changes)
        self._scope = scope
        self._only = only
        self._once = once
        self._settle = settle
        self._schedule = schedule
        self._accountant = accountant
        self._breaker = breaker
        self._pace = pace
        self._marker = marker
        self._state = state
        self._clock = clock
        self._random = random
        self._passes = False  # whether something in the last block was not to be sent

    async def run(self) -> None:
        """Take the whole input, or until the batch is stopped."""
        rest = Block()
        self._began, self._began_wall = self._clock.monotonic(), self._clock.wall()
        try:
            if (journal := self._accountant.journal) is not None and (only := self._only) is not None:
                await patiently(lambda: journal.reopen(only, *self._scope))
            async with aclosing(blocks(self._changes, self._block_size, rest, self._accountant.journal)) as source:
                while await self._until_room() and (block := await anext(source, None)) is not None:
                    if self._take(block):
                        await self._accountant.write(())
                    await asyncio.sleep(0)  # others must get their turn also where all of it is passed over
        except Exception as error:
            self._state.fail(error)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Nobody cancelled this task: the input was cancelled, and that is not its end.
            self._state.fail(RuntimeError("the input was cancelled"))
        finally:
            self._take_rest(rest)
            self._state.input_ended = True
            self._state.wake.set()

    def make_room(self) -> None:
        """Take more if there is room."""
        if self._state.feeder_waits and self._has_room():
            self._state.room.set()

    def _take_rest(self, rest: Block) -> None:
        """Take what came from the input and is not made any more, so that it is told of."""
        try:
            if rest.entries:
                self._take(rest)
        except Exception as error:
            self._state.fail(error)

    def _block_size(self) -> int:
        if not self._marker.is_needed:
            return self._pace.limit
        return GROUP if self._passes else self._marker.most()

    def _has_room(self) -> bool:
        schedule = self._schedule
        limit = self._pace.limit
        if self._breaker.is_open or self._pace.is_closed:
            limit = LOOKAHEAD  # so that probes are not all sent to neighbours
        return (
            len(schedule.ready) < limit
            and schedule.held < LOOKAHEAD
            and schedule.size < LOOKAHEAD_SIZE
            and not self._accountant.is_full(self._pace.limit)
        )

    async def _until_room(self) -> bool:
        """Wait until more should be taken in; False when nothing should any more."""
        while self._state.stopped is None:
            if self._has_room():
                return True
            self._state.room.clear()
            self._state.feeder_waits = True
            await self._state.room.wait()
            self._state.feeder_waits = False
        return False

    def _take(self, block: Block) -> bool:
        """Take in a block; whether any of it ended at once."""
        accountant, schedule, now = self._accountant, self._schedule, self._clock.monotonic()
        self._passes, ended = False, accountant.ended
        known: dict[int, State] = {}
        if (journal := accountant.journal) is not None:
            known = journal.states(block.first, block.first + len(block.entries) - 1)
        started, closed = self._clock.wall(), self._state.closed
        for number, entry in enumerate(block.entries, block.first):
            state = known.get(number)
            if (state is not None or self._only is not None) and not self._is_wanted(number, entry, state):
                continue
            if (change := entry.change) is None:
                accountant.end(bad_line(number, entry))
                continue
            if change.not_twice is not None and (outcome := self._not_made(number, entry, change)) is not None:
                accountant.end(outcome)
                continue
            item = WorkItem(number, entry, change, self._scope, self._random)
            item.started = started
            if state is not None:
                item.known = state.outcome
                item.maybe_applied |= (state.outcome or OutcomeKind.UNKNOWN) in _PERHAPS_APPLIED
                item.settles_at = self._settles_at(state)
            if closed and (why := closed.get(item.order[:2])) is not None:
                accountant.leave_out(item.left(NOT_TRIED, why))
            else:
                schedule.add(item, now)
        self._state.wake.set()
        has_ended = accountant.ended > ended
        self._passes |= has_ended
        return has_ended

    def _not_made(self, number: int, entry: InputLine, change: Change) -> Outcome | None:
        """How a change that must not be made twice ends without being made; None where it is made."""
        if not self._once:
            return bad_line(number, attrs.evolve(entry, problem=must_be_once(change), source=change.record()))
        if not entry.redelivered:
            return None
        return WorkItem(number, entry, change, self._scope, self._random).left(
            INTERRUPTED, "the worker that made it was lost"
        )

    def _is_wanted(self, number: int, entry: InputLine, state: State | None) -> bool:
        """Whether a change is made in this run; one that is not, and may be carried out late, has to settle."""
        if is_wanted(self._only, entry, state):
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
