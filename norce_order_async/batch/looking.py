"""Looks at changes whose outcome is unknown, as a batch makes changes: at its pace, and with its patience."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

import attrs

from norce_order_async.batch.changes import Scope, order_of
from norce_order_async.batch.client_sender import ClientSender
from norce_order_async.batch.engine.accounting import patiently
from norce_order_async.batch.engine.endings import failed_as
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import BatchSettings
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.overlaps import Line, Overlaps
from norce_order_async.batch.run import pace_of
from norce_order_async.client import OrderClient
from norce_order_async.core.call import Call
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, ConfigurationError, InvalidRequestError
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.endpoints.resolution import Resolution, Verdict
from norce_order_async.endpoints.resolve import Window, look_at, not_read
from norce_order_async.loops.tasks import is_cancelled
from norce_order_async.sending.pace import Pace

_OUTCOMES = {
    Verdict.APPLIED: OutcomeKind.APPLIED,
    Verdict.NOT_APPLIED: OutcomeKind.NOT_SENT,  # nothing of it is on the server
    Verdict.CANNOT_TELL: OutcomeKind.UNKNOWN,
}


@attrs.frozen
class Unknown:
    """A change whose outcome is unknown.

    Attributes:
        line: The change.
        window: When it may have been carried out.
        others: The changes of its order.
    """

    line: Line
    window: Window
    others: Overlaps


class Looks:
    """Looks at changes whose outcome is unknown, and writes down what is found out.

    Args:
        client: What to read with.
        journal: Where the changes are.
        settings: How fast it may be, and how patient.
        unknown: The changes, in the order of the input.
        verdicts: Counted on.

    Attributes:
        left: Those of which nothing is written down yet, and that are still looked at.
        again: The numbers of those that are not applied, and are safe to repeat.
    """

    def __init__(
        self,
        client: OrderClient,
        journal: Journal,
        settings: BatchSettings,
        unknown: Sequence[Unknown],
        verdicts: Counter[Verdict],
    ) -> None:
        self._client, self._journal, self._verdicts = client, journal, verdicts
        self._settings = attrs.evolve(settings, settle=0.0, once=True, max_failures=None)
        self.left = {each.line.number: each for each in unknown}
        self.again = set[int]()
        self._errors: dict[int, BaseException] = {}

    @property
    def wait(self) -> float:
        """Seconds until nothing of what is left can be under way any more."""
        due = max((each.window.due for each in self.left.values()), default=0.0)
        return max(0.0, due - self._client.clock.monotonic())

    def once(self) -> Engine:
        """A batch that looks once at each of what is left."""
        client, unknown = self._client, list(self.left.values())
        pace = pace_of(client, self._settings)
        engine: Engine = Engine(
            [each.line.change for each in unknown],
            _Reader(
                ClientSender(client, pace),
                lambda place, options: self._look(unknown[place - 1], options),
                pace=pace,
                clock=client.clock,
                fail=lambda error: engine.state.fail(error),
            ),
            self._settings,
            clock=client.clock,
            pace=pace,
            scope=(client.merchant, client.channel),
            settle=0.0,
            journal=None,
            random=client.random,
        )
        return engine

    def leave(self, closed: Collection[Scope]) -> None:
        """Let go of the changes of these merchants and channels: they stay as they are in the journal."""
        scope = self._client.merchant, self._client.channel
        for number, each in list(self.left.items()):
            if order_of(each.line.change, scope, number)[:2] in closed:
                del self.left[number]

    async def give_up(self) -> None:
        """Write down that what is left could not be read."""
        for number, each in list(self.left.items()):
            await self._found(each, not_read(self._errors[number]))

    async def _look(self, unknown: Unknown, options: CallOptions) -> None:
        """Look at a change; nothing is written down where a later look may tell more."""
        line, others = unknown.line, unknown.others
        if (other := others.later(line) or others.earlier(line)) is not None:
            if other.number < line.number and other.number in self.left and self.wait:
                return
            when = "a later" if other.number > line.number else "an earlier"
            reason = f"line {other.entry.line}, {when} change of the same, was made, or may have been"
            await self._found(unknown, Resolution(Verdict.CANNOT_TELL, reason))
            return
        try:
            told, is_final = await look_at(self._client, line.change, unknown.window, options)
        except (InvalidRequestError, TypeError) as error:
            told, is_final = Resolution(Verdict.CANNOT_TELL, f"it cannot be sent: {type(error).__name__}"), True
        except (CallError, asyncio.CancelledError) as error:
            self._errors[line.number] = error
            raise
        if is_final:
            await self._found(unknown, told)

    async def _found(self, unknown: Unknown, told: Resolution) -> None:
        number = unknown.line.number
        await patiently(partial(self._journal.write_resolution, number, _OUTCOMES[told.verdict], str(told)))
        del self.left[number]
        self._verdicts[told.verdict] += 1
        if told.verdict is Verdict.NOT_APPLIED and unknown.line.change.not_twice is None:
            self.again.add(number)


class _Reader:
    """Has changes looked at instead of made; see :class:`Sender`.

    Args:
        sender: Tells the options of a read.
        look: Looks at a change, by its place, with these options of every read.
        pace: Gives what is read after the first answer of a look a place of its own.
        clock: Where time comes from.
        fail: Told of what ends the looks.
    """

    def __init__(
        self,
        sender: ClientSender,
        look: Callable[[int, CallOptions], Awaitable[None]],
        *,
        pace: Pace,
        clock: Clock,
        fail: Callable[[Exception], None],
    ) -> None:
        self._sender, self._look, self._pace, self._clock, self._fail = sender, look, pace, clock, fail

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        """Look at a change; how that ends says nothing of the change."""
        reads = 0

        def count(call: Call, attempt: Attempt) -> None:
            nonlocal reads
            reads += 1
            if reads > 1 and attempt.number == 1:
                self._pace.reserve()  # what comes next waits for it
            self._pace.observe(call, attempt)

        item.started, begin = self._clock.wall(), self._clock.monotonic()
        try:
            await self._look(item.number, self._sender.read_options(item, count, probe=probe))
        except ConfigurationError as error:  # of the journal
            self._fail(error)
            return None
        except Exception as error:
            item.error = error
            return failed_as(item, OutcomeKind.NOT_SENT, error, self._clock.monotonic() - begin)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            return failed_as(item, OutcomeKind.NOT_SENT, error, self._clock.monotonic() - begin)
        return item.made(OutcomeKind.APPLIED, 200, item.request_id, reads, self._clock.monotonic() - begin)
