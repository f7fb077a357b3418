"""A running batch: its parts put together, and what may be asked of it while it runs."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.engine.accounting import Accountant, Marker
from norce_order_async.batch.engine.breaker import CircuitBreaker
from norce_order_async.batch.engine.feeding import Changes, Feeder
from norce_order_async.batch.engine.running import Progress, RunsOnce
from norce_order_async.batch.engine.schedule import Schedule
from norce_order_async.batch.engine.sending import Dispatcher, Sender
from norce_order_async.batch.engine.settings import BatchSettings, Shared
from norce_order_async.batch.journal.run_journal import JOURNAL, RunJournal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.core.shapes import check_shape
from norce_order_async.sending.pace import Pace
from norce_order_async.telemetry.telemetry import Telemetry


class Engine(RunsOnce):
    """What every batch does, wherever its changes are made. Iterate over it for the outcomes.

    Args:
        changes: Changes, or the entries of an :class:`Input`.
        sender: What makes them.
        settings: What it may do.
        clock: Where time comes from.
        pace: How many changes may be under way, and when the next may be sent.
        scope: The merchant and channel of changes that name none, as far as they are known.
        settle: Seconds that a resource needs to settle, if the settings leave it open.
        journal: Where every change is written down, so that the batch can be continued.
        random: Where random waits and request ids come from.
        around: Entered before the first change is taken, left after the last one has ended.
        telemetry: Makes metrics of its progress.

    Raises:
        ConfigurationError: An argument that is wrong.
    """

    def __init__(
        self,
        changes: Changes,
        sender: Sender,
        settings: BatchSettings,
        *,
        clock: Clock,
        pace: Pace,
        scope: Scope,
        settle: float,
        journal: RunJournal | None,
        random: RandomSource = SYSTEM_RANDOM,
        around: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(telemetry)
        if settings.only is not None and journal is None:
            raise ConfigurationError("only goes with a journal")
        if journal is not None:
            check_shape("journal", journal, JOURNAL)
        self._pace, self._around = pace, around
        self._schedule = Schedule()
        shared = Shared(self.state, self._schedule, pace, clock, random)
        has_worked = journal is not None and journal.has_done
        self.breaker = breaker = CircuitBreaker(shared, settings.patience, has_worked=has_worked)
        self.accountant = accountant = Accountant(
            shared, journal, lambda: self.progress, settings.max_failures, telemetry
        )
        settle = settle if settings.settle is None else settings.settle
        marker = Marker(shared, accountant, once=settings.once)
        feeder = Feeder(
            changes,
            shared,
            accountant=accountant,
            marker=marker,
            breaker=breaker,
            scope=scope,
            only=settings.only,
            once=settings.once,
            settle=settle,
        )
        self._dispatcher = Dispatcher(
            sender,
            shared,
            feeder=feeder,
            accountant=accountant,
            marker=marker,
            breaker=breaker,
            settle=settle,
        )

    @property
    def progress(self) -> Progress:
        """How it stands."""
        accountant, in_flight = self.accountant, len(self._dispatcher.lanes)
        return Progress(
            passed=accountant.passed,
            ended=accountant.ended,
            done=accountant.done,
            failed=accountant.failed,
            retried=accountant.retried,
            in_flight=in_flight,
            waiting=self._schedule.held - in_flight,
            concurrency=self._pace.limit,
            rate=self._pace.rate,
            reason=self.reason,
        )

    @property
    def reason(self) -> str | None:
        """Why it is slower than it could be."""
        if self.breaker.is_open and self.error is not None:
            return f"waiting for the server: {self.error.reason}"
        return self._pace.reason

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        self.state.stop(reason)

    def abort(self, reason: str) -> None:
        """Stop, and end what is under way at once; it still gets its outcomes."""
        self.stop(reason)
        self._dispatcher.cancel()

    def __aiter__(self) -> AsyncGenerator[Outcome]:
        return self.accountant.outcomes(partial(self._begin, self._run), self.aclose)

    def _run(self) -> Coroutine[Any, Any, None]:
        return self._dispatcher.run(self._around, self._begin_feeding)
