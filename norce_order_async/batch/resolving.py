"""After a batch: what became of its unknown changes, and those that are not applied made again."""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from norce_order_async.batch.changes import Order, order_of
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.feeding import Changes, blocks, check_changes
from norce_order_async.batch.engine.settings import BatchSettings, PaceArguments, RunState
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import INTERRUPTED, Journal, check_same
from norce_order_async.batch.journal.renumbered import RenumberedJournal
from norce_order_async.batch.journal.run_journal import JOURNAL
from norce_order_async.batch.looking import Looks, Unknown
from norce_order_async.batch.overlaps import Line, Overlaps
from norce_order_async.batch.report import JournalRow
from norce_order_async.batch.run import Batch
from norce_order_async.client import OrderClient
from norce_order_async.core.checks import check_bool
from norce_order_async.core.errors import CallError
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.shapes import check_client, check_shape
from norce_order_async.endpoints.resolution import Verdict
from norce_order_async.endpoints.resolve import settle_of, window_of
from norce_order_async.loops.tasks import pause

_ROUNDS = 3
"""So often a change that ends in ``unknown`` once more is looked at."""
_BLOCK = 1_000
"""So many entries are read at once."""


class JournalResolver:
    """Looks at every unknown change of a journal, and makes those again that are not applied and are safe to repeat.

    Made again are also, in the order of the input, those later changes of the same resource that are not applied
    either. A change of which another one of the batch may have made the same, or may have undone it, stays unknown.
    What an earlier one found not to be applied, and did not come to, is made again, too.

    Where it is stopped, or the server is gone for longer than the patience, the rest stays as it is in the journal:
    unknown what was not looked at, ``not_sent`` what is not applied and was not made again. So it stays of a
    merchant and channel where everything is refused with 403, as in a batch, and the others go on.

    Args:
        client: What to call with.
        journal: Of a batch whose run is over, and not ended.
        entries: Gives the input of that batch, each time anew: ``Input(...).entries``, say.
        settle: Seconds for which a request may be carried out after it was given up; None is as long as an attempt may
            take.
        pace: How fast changes are looked at and made again, and for how long a server that cannot be reached is waited
            for.
        max_failures: Stop making changes again after so many of them that failed; None is never.
        worked: Whether the server has answered just before, as ``Batch.worked`` tells: then it is waited for where it
            cannot be reached from the first look on.

    Attributes:
        verdicts: How many changes came to what.
        error: The last error of a server that could not be reached, or refused everything.
        worked: Whether the server has answered anything.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        client: OrderClient,
        journal: Journal,
        entries: Callable[[], Changes],
        *,
        settle: float | None = None,
        pace: PaceArguments | None = None,
        max_failures: int | None = None,
        worked: bool = False,
    ) -> None:
        self._client = check_client(client)
        self._scope = client.merchant, client.channel
        self._journal = check_shape("journal", journal, JOURNAL)
        self._entries = entries
        self._settle = settle_of(client.timeout) if settle is None else settle
        self._pace: PaceArguments = pace or {}
        self._settings = BatchSettings(settle=self._settle, max_failures=max_failures, **self._pace)
        self._running: Engine | None = None
        self._state = RunState()
        self._made = set[int]()
        self.verdicts = Counter[Verdict]()
        self.error: CallError | None = None
        self.worked = check_bool("worked", worked)

    @property
    def stopped(self) -> str | None:
        """Why it ended before it was through, or whose changes it has left undone."""
        return self._state.stopped or self._state.undone

    @property
    def made_again(self) -> int:
        """How many changes were made again: answered by the server, or perhaps taken."""
        return len(self._made)

    async def run(self) -> None:
        """Do it.

        Raises:
            TypeError: The input gives something that is neither a change nor an entry.
            ConfigurationError: The journal cannot be read or written, or the input cannot be read again or is another
                one.
        """
        try:
            await self._look_and_make()
        finally:
            self._state.tell_closed()

    async def _look_and_make(self) -> None:
        wanted, waiting = None, set(self._journal.not_applied())
        for _ in range(_ROUNDS):
            rows = {row.number: row for row in self._journal.unknown() if wanted is None or row.number in wanted}
            if not rows and not waiting:
                return
            orders = await self._orders_of({*rows, *waiting})
            looks = self._looks(orders, rows)
            await self._look(looks)
            again = self._again(orders, looks.again, waiting)
            if self._state.stopping.is_set() or not again:
                return
            wanted = await self._make_again(again)
            if self._state.stopping.is_set():
                return
            waiting.clear()

    def stop(self, reason: str) -> None:
        """Look at nothing more and make nothing more, and finish what is under way; the first reason counts."""
        self._state.stop(reason)
        if self._running is not None:
            self._running.stop(reason)

    def abort(self, reason: str) -> None:
        """Stop, and end at once what is under way."""
        self.stop(reason)
        if self._running is not None:
            self._running.abort(reason)

    @asynccontextmanager
    async def _run(self, engine: Engine) -> AsyncGenerator[Engine]:
        self._running = engine
        engine.state.worked = self.worked
        engine.state.closed.update(self._state.closed)
        try:
            async with engine:
                yield engine
        finally:
            self._running = None
            if engine.state.stopped is not None:
                self.stop(engine.state.stopped)
            self._state.closed.update(engine.state.closed)
            self.error = engine.error or self.error
            self.worked = engine.worked

    # The looks

    async def _orders_of(self, numbers: Collection[int]) -> list[Overlaps]:
        """All changes of the orders of these changes, from the input."""
        scope, wanted = self._scope, set[Order]()
        async with aclosing(self._numbered()) as numbered:
            async for number, entry in numbered:
                if number in numbers and entry.change is not None:
                    check_same(entry, self._journal.states(number, number)[number])
                    wanted.add(order_of(entry.change, scope, number))
        lines = defaultdict[Order, list[Line]](list)
        async with aclosing(self._numbered()) as numbered:
            async for number, entry in numbered:
                if entry.change is not None and (order := order_of(entry.change, scope, number)) in wanted:
                    lines[order].append(Line(number, entry, entry.change))
        return [Overlaps(each, self._may_stand) for each in lines.values()]

    async def _numbered(self) -> AsyncGenerator[tuple[int, InputLine]]:
        number = 0
        async with aclosing(blocks(check_changes(self._entries()), lambda: _BLOCK, [], self._journal)) as source:
            async for entries in source:
                for entry in entries:
                    number += 1
                    yield number, entry

    def _looks(self, orders: Iterable[Overlaps], rows: Mapping[int, JournalRow]) -> Looks:
        """The looks at what was unknown, and given up by now."""
        now, clock = self._client.clock.wall(), self._client.clock
        unknown: list[Unknown] = []
        for overlaps in orders:
            for line in overlaps.lines:
                if (row := rows.get(line.number)) is not None:
                    lost = _lost(row, now, redelivered=line.entry.redelivered)
                    unknown.append(Unknown(line, window_of(lost, self._settle, clock), overlaps))
        unknown.sort(key=lambda each: each.line.number)
        return Looks(self._client, self._journal, self._settings, unknown, self.verdicts)

    async def _look(self, looks: Looks) -> None:
        """Look at once, and once more when nothing of what was not seen can be under way any more."""
        state = self._state
        while looks.left and not state.stopping.is_set():
            is_last = not looks.wait
            async with self._run(looks.once()) as engine:
                async for _ in engine:
                    pass
            looks.leave(state.closed)
            if is_last:
                if not state.stopping.is_set():
                    await looks.give_up()
                return
            while looks.wait and not state.stopping.is_set():
                await pause(self._client.clock, looks.wait, state.stopping)

    def _may_stand(self, number: int) -> bool:
        state = self._journal.states(number, number).get(number)
        return state is not None and state.may_stand

    # What is made again

    def _again(self, orders: Iterable[Overlaps], numbers: Collection[int], waiting: Collection[int]) -> list[Line]:
        """What is made again of what is not applied, and what follows that, in the order of the input.

        Of what waits for that since an earlier run, another one may have made a later change of the same since.
        """
        lines: list[Line] = []
        for overlaps in orders:
            again = [
                line
                for line in overlaps.lines
                if line.number in numbers or (line.number in waiting and overlaps.later(line) is None)
            ]
            lines += again + overlaps.following({line.number for line in again})
        return sorted(filter(self._can_be_taken_back, lines), key=lambda line: line.number)

    async def _make_again(self, lines: Sequence[Line]) -> set[int]:
        """Make changes again; the numbers of those that are unknown once more."""
        unknown = set[int]()
        numbers = {place: line.number for place, line in enumerate(lines, 1)}
        journal = RenumberedJournal(self._journal, numbers)
        batch = Batch(
            self._client,
            [line.entry for line in lines],
            journal=journal,
            settle=self._settle,
            max_failures=self._settings.max_failures,
            **self._pace,
        )
        async with self._run(batch):
            async for outcome in batch:
                if outcome.outcome is not OutcomeKind.NOT_SENT:
                    self._made.add(numbers[outcome.number])
                if outcome.outcome is OutcomeKind.UNKNOWN:
                    unknown.add(numbers[outcome.number])
        return unknown

    def _can_be_taken_back(self, line: Line) -> bool:
        """Whether what was there before it is in the journal, if the journal keeps that."""
        values = self._journal.undo
        return values is None or values.has(line.number)


def _lost(row: JournalRow, now: float, *, redelivered: bool) -> CallError:
    """The error of the call of a change that was unknown, and given up by now."""
    attempt = Attempt(1, 0.0, at=row.started)
    if row.started is not None:
        # Of one that was under way when a run ended nobody knows when it was given up: at the latest now.
        attempt.elapsed = now - row.started if row.elapsed is None or row.error == INTERRUPTED else row.elapsed
    lost = CallError("its outcome is unknown")
    lost.attempts, lost.redelivered = (attempt,), redelivered
    return lost
