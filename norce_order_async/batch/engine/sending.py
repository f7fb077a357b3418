"""A batch from its start to its end: when each change of the schedule is sent, and how it ends."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol

from norce_order_async.batch.engine.accounting import Accountant, Marker
from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.endings import NOT_TRIED, failed_as, left_as, left_waiting
from norce_order_async.batch.engine.failing import Failures
from norce_order_async.batch.engine.feeding import Feeder
from norce_order_async.batch.engine.place import Place
from norce_order_async.batch.engine.probing import Probes
from norce_order_async.batch.engine.refusals import ItemOutcomes
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import Shared
from norce_order_async.batch.journal import INTERRUPTED
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import text_of


class Sender(Protocol):
    """What makes changes."""

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        """Make a change; what it fails with is also the item's ``error``.

        None where the sender was stopped and has not made it; the item's ``last`` tells how it stands.

        Args:
            item: What to send.
            probe: Whether it is only tried once, to see whether the server is back.

        Raises:
            asyncio.CancelledError: The batch ends it.
        """
        ...


class Dispatcher:
    """Runs a batch: has the input taken, and hands the changes that are ready to the sender, as pace and breaker allow.

    Each lane is a task that makes one change after another. The dispatcher opens lanes, waits for what no lane should
    wait for, marks what is about to be sent, and sends the probes.

    Args:
        sender: What makes the changes.
        feeder: What puts them into the schedule.
        marker: What marks them before.
        settle: Seconds that a resource needs to settle after an attempt whose answer never came.
    """

    def __init__(
        self,
        sender: Sender,
        shared: Shared,
        *,
        feeder: Feeder,
        accountant: Accountant,
        marker: Marker,
        breaker: CircuitBreaker,
        settle: float,
    ) -> None:
        self._sender = sender
        self._feeder = feeder
        self._marker = marker
        self._settle = settle
        self._schedule = shared.schedule
        self._accountant = accountant
        self._breaker = breaker
        self._pace = shared.pace
        self._state = shared.state
        self._clock = shared.clock
        self._make_room = make_room = feeder.make_room
        self.lanes: dict[asyncio.Task[None], WorkItem] = {}
        """The lanes, each with the change that is under way in it."""
        self._probes = Probes(shared, breaker, self.lanes, make_room=make_room)
        self._place = Place(shared, breaker)
        self._failures = Failures(shared, breaker, end=self._end, make_room=make_room)
        self._refusals = self._failures.refusals

    async def run(
        self,
        around: Callable[[], AbstractAsyncContextManager[Any]],
        begin_feeding: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """Take the input and send it, and let go of what is left at the end.

        Args:
            around: Entered before the first change is taken, left after the last one has ended.
            begin_feeding: Takes the input in a task of its own.

        Raises:
            Exception: What must not happen and did.
        """
        async with around():
            feeding = begin_feeding(self._feeder.run())
            try:
                await self._send_all()
            except BaseException as error:
                # Before its changes end: they are interrupted, not ended.
                self._state.stop(text_of(error))
                raise
            finally:
                feeding.cancel()
                self.cancel()
                await asyncio.wait([feeding, *self.lanes])
                self._feeder.take_rest()
                await self._accountant.leave(self._leave())
                self._state.tell_closed()
        if self._state.failure is not None:
            raise self._state.failure

    # When

    async def _send_all(self) -> None:
        """Send until there is nothing more to send, or the batch is stopped and nothing is under way."""
        state = self._state
        while not self._is_over():
            state.wake.clear()
            self._schedule.ring(self._clock.monotonic())
            if self._failures.left and state.stopped is None:
                await self._accountant.let_go(self._failures.take_left())
            elif self._marker.taken and state.stopped is None:
                await self._mark()
            elif (
                self._breaker.in_a_row
                and state.stopped is None
                and (hopeless := self._breaker.hopeless(len(self.lanes))) is not None
            ):
                self._breaker.give_up(hopeless)
            elif self._breaker.is_open and self._probes.may_go():
                self._accountant.sample()
                new = await self._probes.wait()
                probe = partial(self._probes.take, new=new, avoid=self._breaker.avoided)
                if self._probes.may_go() and (item := self._take(probe)) is not None:
                    self._probes.under_way = None if self._breaker.tries_all else item
                    self._open_lane(item)
            elif self._may_send(self._pace.limit):
                usable = await self._place.wait() and self._may_send(self._pace.limit)
                if usable and (item := self._take(self._take_next)) is not None:
                    self._open_lane(item)
            elif state.stopped is None and (due := self._schedule.next_due) is not None:
                await self._breaker.pause(due, state.wake)
            elif self._refusals.withheld and not self.lanes and state.stopped is None:
                self._failures.give_up()
            else:
                if not self.lanes and self._breaker.in_a_row:
                    self._breaker.rest()
                await state.wake.wait()

    def cancel(self) -> None:
        """End at once what is under way."""
        for lane in self.lanes:
            lane.cancel()

    def _leave(self) -> ItemOutcomes:
        """What was taken and not ended, once no lane is left, with how it stands."""
        refused, held = self._refusals.give_up()
        self._schedule.ready += [*self._marker.taken, *(item for item, _ in refused), *held]
        return [*((item, left_waiting(item)) for item in self._schedule.drain()), *self._failures.left]

    def _is_over(self) -> bool:
        has_ended = self._state.input_ended and not self._schedule.held
        return not self.lanes and (has_ended or self._state.stopped is not None)

    def _may_send(self, lanes: int) -> bool:
        """Whether a change may be sent when fewer than so many lanes are open."""
        schedule = self._schedule
        return (
            len(self.lanes) < lanes
            and bool(schedule.ready or schedule.requeued)
            and not self._breaker.is_open
            and self._state.stopped is None
            and not self._accountant.is_full()
        )

    async def _mark(self) -> None:
        """Mark what was taken, and send it; what a stop or an outage has overtaken goes back."""
        breaker, refusals = self._breaker, self._refusals
        ahead = not (breaker.is_open or refusals.unauthorized)
        for item in await self._marker.mark(ahead=ahead, but_of=refusals.scopes):
            is_late = breaker.is_open and item is not self._probes.under_way and not breaker.tries_all
            if is_late or item.order[:2] in self._state.closed or self._state.stopped is not None:
                self._schedule.ready.appendleft(item)
            else:
                self._open_lane(item)

    # In a lane

    def _open_lane(self, item: WorkItem) -> None:
        if self._marker.is_needed and not item.is_marked:
            self._marker.taken.append(item)
            return
        now = self._pace.begin()
        if item.since is None:
            item.since = now
        lane = asyncio.create_task(self._lane(item))
        if not lane.done():  # an eager task has run until it waits
            self.lanes.setdefault(lane, item)
        lane.add_done_callback(self._lane_ended)
        self._make_room()

    async def _lane(self, item: WorkItem) -> None:
        """Make one change after another, as long as the next one may be sent at once."""
        lane, lanes, probes, send = asyncio.current_task(), self.lanes, self._probes, self._sender.send
        schedule, pace, state, monotonic = self._schedule, self._pace, self._state, self._clock.monotonic
        assert lane is not None
        lanes[lane] = item
        while True:
            outcome = await send(item, probe=item is probes.under_way)
            now = monotonic()
            if outcome is None:
                self._failures.leave_undone([(item, left_waiting(item))])
            else:
                self._ended(item, outcome, now)
            # As if this lane were closed already: its place is free.
            if self._place.at is not None or not self._may_send(pace.limit + 1):
                break
            if (delay := pace.reserve()) > 0.0:
                self._place.keep(delay)  # the dispatcher waits for it
                break
            if (taken := self._take(schedule.take)) is None:
                break
            if not taken.is_marked and self._marker.is_needed:
                self._marker.taken.append(taken)
                break
            lanes[lane] = item = taken
            pace.last_sent = now
            if item.since is None:
                item.since = now
            if len(lanes) < pace.limit and (schedule.ready or schedule.requeued):
                state.wake.set()
            if not state.room.is_set() and len(schedule.ready) < pace.limit:
                self._make_room()
        pace.end()
        del lanes[lane]
        self._make_room()
        self._state.wake.set()

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        """Account for the change of a lane that was cancelled, or whose change raised what is no Exception."""
        if (item := self.lanes.pop(lane, None)) is None:  # its change has ended
            if not lane.cancelled() and (error := lane.exception()) is not None:
                self._state.raised(error, "a lane")
            return
        self._pace.end()
        if lane.cancelled() and self._state.stopped is not None and item.confirmed is None:
            self._failures.leave_undone([(item, left_as(item, INTERRUPTED, "ended while it was made"))])
        else:
            error = asyncio.CancelledError() if lane.cancelled() else lane.exception()
            assert error is not None
            self._state.raised(error, "a change")
            outcome = failed_as(item, item.confirmed or OutcomeKind.UNKNOWN, error, 0.0)
            self._ended(item, outcome, self._clock.monotonic())
        self._make_room()
        self._state.wake.set()

    def _ended(self, item: WorkItem, outcome: Outcome, now: float) -> None:
        """Note how a change ended at this monotonic time: for good, or to be made again."""
        if item is self._probes.under_way:
            self._probes.under_way = None
            self._state.wake.set()
        if (error := item.error) is not None:
            item.error = None  # it holds frames
            if not self._failures.ends(item, outcome, error, len(self.lanes) - 1):
                return
        elif outcome.error is None:
            self._state.worked, self._breaker.answered_at = True, now
            if self._breaker.in_a_row:
                self._breaker.recover()
            if self._refusals.withheld:
                self._failures.answered(item)
        if self._refusals.withheld:
            self._failures.untold(item)
        self._end(item, outcome)

    def _end(self, item: WorkItem, outcome: Outcome) -> None:
        """End a change for good."""
        if item.lost_at is not None or item.settles_at:
            item.settles_at = max(item.settles_at, (item.lost_at or 0.0) + self._settle)
        self._schedule.done(item, self._clock.monotonic() if item.settles_at else 0.0)
        self._accountant.end(outcome)

    def _take_next(self) -> WorkItem:
        """What is sent next; while everything is refused, a change that nobody who was refused has to do with."""
        if self._pace.is_closed:
            return self._probes.take(new=True, avoid=[self._pace.holds.rows])
        return self._schedule.take()

    def _take(self, take: Callable[[], WorkItem]) -> WorkItem | None:
        """The next change to send; None when all that are ready are held, or left undone."""
        schedule, holds = self._schedule, self._pace.holds
        while schedule.ready or schedule.requeued:
            item = take()
            if (closed := self._state.closed) and (why := closed.get(item.order[:2])) is not None:
                self._failures.leave_undone([(item, left_as(item, NOT_TRIED, why))])
            elif holds.rows and (delay := holds.wait(item.order[0], now := self._clock.monotonic())) > 0:
                schedule.requeue_at(item, now + delay)
            elif not self._refusals.withheld or self._refusals.admits(item):
                return item
        return None
