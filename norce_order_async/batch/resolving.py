"""After a batch: what became of its unknown changes, and those that are not applied made again."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import randbytes
from typing import Any

import attrs

from norce_order_async.batch.changes import Change, Order, order_of
from norce_order_async.batch.engine.accounting import GROUP, patiently
from norce_order_async.batch.engine.feeding import as_entry
from norce_order_async.batch.engine.settings import PaceArguments
from norce_order_async.batch.engine.work_item import WorkItem, path_of
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import INTERRUPTED, Journal, check_same
from norce_order_async.batch.journal.rows import rows_of
from norce_order_async.batch.journal.run_journal import JOURNAL
from norce_order_async.batch.report import JournalRow
from norce_order_async.batch.run import Batch
from norce_order_async.client import OrderClient, check_client
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.shapes import check_shape
from norce_order_async.endpoints.findings import COLLECTIONS
from norce_order_async.endpoints.requested import requested
from norce_order_async.endpoints.resolution import Resolution, Verdict
from norce_order_async.endpoints.resolve import resolve, settle_of
from norce_order_async.wire.json import members_of
from norce_order_async.wire.table import ROWS

_AT_ONCE = 20
_ROUNDS = 3
"""So often a change that ends in ``unknown`` once more is looked at."""

_OUTCOMES = {
    Verdict.APPLIED: OutcomeKind.APPLIED,
    Verdict.NOT_APPLIED: OutcomeKind.NOT_SENT,  # nothing of it is on the server
    Verdict.CANNOT_TELL: OutcomeKind.UNKNOWN,
}


@attrs.frozen
class _Line:
    """A change of an order of which a change is unknown.

    Attributes:
        number: Its place in the input.
        entry: What was read.
        change: The change.
    """

    number: int
    entry: InputLine
    change: Change


class JournalResolver:
    """Looks at every unknown change of a journal, and makes those again that are not applied and are safe to repeat.

    Made again are also, in the order of the input, those later changes of the same resource that are not applied
    either. A change of which another one of the batch may have made the same, or may have undone it, stays unknown.

    Args:
        client: What to call with.
        journal: Of a batch whose run is over, and not ended.
        entries: Gives the input of that batch, changes or entries, each time anew.
        settle: Seconds for which a request may be carried out after it was given up; None is as long as an attempt may
            take.
        pace: How fast changes are made again.
    """

    def __init__(
        self,
        client: OrderClient,
        journal: Journal,
        entries: Callable[[], Iterable[Change | InputLine]],
        *,
        settle: float | None = None,
        pace: PaceArguments | None = None,
    ) -> None:
        self._client = check_client(client)
        self._scope = client.merchant, client.channel
        self._journal = check_shape("journal", journal, JOURNAL)
        self._entries = entries
        self._settle = settle_of(client.timeout) if settle is None else settle
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._pace = pace or {}
        self.verdicts = Counter[Verdict]()
        """How many changes came to what."""
        self.made_again = 0
        """How many changes were made again."""

    async def run(self) -> None:
        """Do it.

        Raises:
            TypeError: The input gives something that is neither a change nor an entry.
            ConfigurationError: The journal cannot be read or written, or the input cannot be read again or is another
                one.
        """
        left: set[int] | None = None
        for _ in range(_ROUNDS):
            rows = {row.number: row for row in self._journal.unknown() if left is None or row.number in left}
            if not rows:
                return
            orders, now = self._lines_of(rows), self._client.clock.wall()
            found = await asyncio.gather(*(self._order(lines, rows, now) for lines in orders.values()))
            left = await self._make_again([line for lines in found for line in lines if self._can_be_taken_back(line)])

    def _lines_of(self, rows: dict[int, JournalRow]) -> dict[Order, list[_Line]]:
        """All changes of the orders of these rows, from the input."""
        scope, wanted = self._scope, set[Order]()
        for number, entry in self._numbered():
            if number in rows and entry.change is not None:
                check_same(entry, self._journal.states(number, number)[number])
                wanted.add(order_of(entry.change, scope, number))
        lines: defaultdict[Order, list[_Line]] = defaultdict(list)
        for number, entry in self._numbered():
            if entry.change is not None and (order := order_of(entry.change, scope, number)) in wanted:
                lines[order].append(_Line(number, entry, entry.change))
        return lines

    def _numbered(self) -> Iterable[tuple[int, InputLine]]:
        return ((number, as_entry(number, item, self._journal)) for number, item in enumerate(self._entries(), 1))

    async def _order(self, lines: Sequence[_Line], rows: Mapping[int, JournalRow], now: float) -> list[_Line]:
        """Resolve what is unknown of one order, and was given up by ``now``; what is to be made again."""
        again: list[_Line] = []
        async with self._gate:
            for line in lines:
                if line.number not in rows:
                    continue
                resolution = await self._look(line, rows[line.number], lines, now)
                self.verdicts[resolution.verdict] += 1
                outcome = _OUTCOMES[resolution.verdict]
                await patiently(partial(self._journal.write_resolution, line.number, outcome, str(resolution)))
                if resolution.verdict is Verdict.NOT_APPLIED and line.change.not_twice is None:
                    again.append(line)
        followers = [
            line
            for line in lines
            if line not in again
            and any(first.number < line.number and _follows(line.change, first.change) for first in again)
            and self._was_not_applied(line)
        ]
        return sorted(again + followers, key=lambda line: line.number)

    async def _look(self, line: _Line, row: JournalRow, lines: Sequence[_Line], now: float) -> Resolution:
        if (reason := self._disturbed(line, lines)) is not None:
            return Resolution(Verdict.CANNOT_TELL, reason)
        attempt = Attempt(1, 0.0, at=row.started)
        if row.started is not None:
            # Of one that was under way when a run ended nobody knows when it was given up: at the latest now.
            attempt.elapsed = now - row.started if row.elapsed is None or row.error == INTERRUPTED else row.elapsed
        lost = CallError("its outcome is unknown")
        lost.attempts, lost.redelivered = (attempt,), line.entry.redelivered
        try:
            return await resolve(self._client, line.change, lost, settle=self._settle)
        except (InvalidRequestError, TypeError) as error:
            return Resolution(Verdict.CANNOT_TELL, f"it cannot be sent: {type(error).__name__}")

    def _disturbed(self, line: _Line, lines: Sequence[_Line]) -> str | None:
        """Why a look would tell nothing: another change of the batch of which it may be the work."""
        for other in lines:
            if other.number == line.number or not _meet(line.change, other.change):
                continue
            is_later = other.number > line.number
            if (is_later or _leaves_the_same(line.change, other.change)) and self._may_stand(other.number):
                when = "a later" if is_later else "an earlier"
                return f"line {other.entry.line}, {when} change of the same, was made, or may have been"
        return None

    def _may_stand(self, number: int) -> bool:
        state = self._journal.states(number, number).get(number)
        return state is not None and state.may_stand

    async def _make_again(self, lines: Sequence[_Line]) -> set[int]:
        """Make changes again, those of one resource in turn; the numbers of those that are unknown once more."""
        unknown: set[int] = set()
        for start in range(0, len(lines), GROUP):
            group = lines[start : start + GROUP]
            entries = [attrs.evolve(line.entry, request_id=randbytes(16).hex()) for line in group]
            marks = [self._mark(line, entry) for line, entry in zip(group, entries, strict=True)]
            await patiently(partial(self._journal.write, rows_of(marks, [])))
            async with Batch(self._client, entries, settle=self._settle, **self._pace) as batch:
                async for outcome in batch:
                    number = group[outcome.number - 1].number
                    await patiently(partial(self._journal.write, rows_of([], [attrs.evolve(outcome, number=number)])))
                    if outcome.outcome is OutcomeKind.UNKNOWN:
                        unknown.add(number)
            self.made_again += len(group)
        return unknown

    def _mark(self, line: _Line, entry: InputLine) -> WorkItem:
        item = WorkItem(line.number, entry, line.change, self._scope)
        item.started = self._client.clock.wall()
        return item

    def _can_be_taken_back(self, line: _Line) -> bool:
        """Whether what was there before it is in the journal, if the journal keeps that."""
        values = self._journal.undo
        return values is None or values.has(line.number)

    def _was_not_applied(self, line: _Line) -> bool:
        """Whether a change that is safe to repeat ended without being applied."""
        state = self._journal.states(line.number, line.number).get(line.number)
        return line.change.not_twice is None and state is not None and not state.may_stand


def _paths(change: Change) -> list[tuple[str, ...]]:
    """What a change is about in the order, step by step; what it adds is known by its mark, as it has no id yet."""
    operation = change.operation
    if operation is None:
        return [path_of(change.resource)]
    if operation == "PatchCheckoutOrderConsents":
        return [("consents", consent_id) for consent_id in change.record()["checked"]]
    if operation == "CreateCheckoutOrder":
        return [("orders", str(members_of(_sent(change).get("cart")).get("reference")))]
    if (collection := COLLECTIONS.get(operation)) is not None:
        given = _sent(change)
        return [(collection.name, *(str(given.get(mark)) for mark in collection.marks_of(given)))]
    row = ROWS[operation]
    inside = row.path.partition("{order_id}/")[2].format(**{name: getattr(change, name) for name in row.ids[1:]})
    return [path_of(inside)]


def _sent(change: Change) -> Mapping[str, Any]:
    sent = requested(change)
    return members_of(sent.body if sent is not None else None)


def _nest(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _meet(change: Change, other: Change) -> bool:
    """Whether a look at what one has left may see the work of the other."""
    if any(_nest(one, another) for one in _paths(change) for another in _paths(other)):
        return True
    collection = COLLECTIONS.get(change.operation or "")
    # A part that is replaced can get the mark of one that is added.
    return (
        collection is not None
        and other.operation is not None
        and other.operation.startswith("Update")
        and _paths(other)[0][:1] == (collection.name,)
        and all(_sent(change).get(mark) == _sent(other).get(mark) for mark in collection.marks)
    )


def _follows(change: Change, first: Change) -> bool:
    """Whether a batch makes one of them after the other."""
    return _nest(path_of(change.resource), path_of(first.resource))


def _leaves_the_same(change: Change, other: Change) -> bool:
    return change == other or change.operation != other.operation or change.operation in COLLECTIONS
