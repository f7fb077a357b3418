"""The task of a batch: it is begun once, and closing the batch ends it. And how it stands."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Self

import attrs

from norce_order_async.batch.engine.settings import RunState
from norce_order_async.batch.journal import JournalBusy, JournalSample
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError, NorceOrderError
from norce_order_async.core.logger import logger
from norce_order_async.core.wording import text_of
from norce_order_async.loops.per_loop import running_loop
from norce_order_async.telemetry.telemetry import Telemetry

SAMPLE_EVERY = 1.0
"""Seconds after which it is written down how fast a batch is."""


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
        rate: The limit of requests a second, which is not how fast it is; None is no limit.
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


class Sampler:
    """Writes down how fast a batch is.

    Attributes:
        due: The monotonic time at which it is to be written down again; where the journal is locked, it stays due.
    """

    def __init__(self, journal: RunJournal, clock: Clock, progress: Callable[[], Progress]) -> None:
        self._journal = journal
        self._clock = clock
        self._progress = progress
        self._offset = clock.wall() - clock.monotonic()  # kept where the wall clock is set meanwhile
        self.due = 0.0
        self._last: JournalSample | None = None

    def sample(self) -> None:
        """Write it down now.

        Raises:
            ConfigurationError: The journal cannot be written.
        """
        progress, now = self._progress(), self._clock.monotonic()
        sample = JournalSample(
            at=self._offset + now,
            concurrency=progress.concurrency,
            rate=progress.rate,
            in_flight=progress.in_flight,
            reason=progress.reason,
        )
        with suppress(JournalBusy):
            self._journal.sample(sample)
            self.due, self._last = now + SAMPLE_EVERY, sample

    def end(self) -> None:
        """Write down that nothing slows it down any more: its run may go on, as unknown changes are looked at."""
        if self._last is not None and self._last.reason is not None:
            with suppress(ConfigurationError):
                at = self._offset + self._clock.monotonic()
                self._journal.sample(attrs.evolve(self._last, at=at, in_flight=0, reason=None))


class RunsOnce(ABC):
    """What runs while it is iterated over.

    Args:
        telemetry: Makes metrics of its progress.
    """

    def __init__(self, telemetry: Telemetry | None) -> None:
        self.state = RunState()
        self._telemetry = telemetry
        self._running: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """How it stands."""

    @property
    def worked(self) -> bool:
        """Whether the server has answered anything of this batch."""
        return self.state.worked

    @property
    def error(self) -> CallError | None:
        """The last error of a server that could not be reached, or refused everything."""
        return self.state.error

    @property
    def stopped(self) -> str | None:
        """Why it ended before its input did, or whose changes it has left undone."""
        return self.state.stopped or self.state.undone

    @property
    def failure(self) -> Exception | None:
        """What must not happen and did."""
        return self.state.failure

    @abstractmethod
    def __aiter__(self) -> AsyncGenerator[Outcome | Progress]: ...

    @abstractmethod
    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""

    @abstractmethod
    def abort(self, reason: str) -> None:
        """Stop, and end what is under way at once."""

    def _begin(self, run: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run.

        Raises:
            ClientStateError: It ran before.
        """
        if self._running is not None:
            raise ClientStateError("a batch runs once")
        self._running = running = running_loop().create_task(run())
        if self._telemetry is not None:
            self._telemetry.watch_batch(self, running)
        return running

    def _begin_part(self, part: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Run a part in a task of its own; where that fails, or something it waits for is cancelled, the batch ends."""
        task = asyncio.create_task(part)
        task.add_done_callback(partial(self._part_ended, what))
        return task

    def _part_ended(self, what: str, part: asyncio.Task[None]) -> None:
        if not part.cancelled():
            error = part.exception()
        elif part.cancelling():  # by the batch itself, or with the event loop
            return
        else:
            error = RuntimeError(f"{what} was cancelled")
        if error is not None:
            self.state.raised(error, what)
            self.stop(text_of(error))

    def _begin_feeding(self, feed: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Take the input in a task of its own. However that ends, nothing more comes."""
        feeding = self._begin_part(feed, "the input")
        feeding.add_done_callback(self._input_ended)
        return feeding

    def _input_ended(self, feeding: asyncio.Task[None]) -> None:
        self.state.input_ended = True
        self.state.wake.set()

    async def aclose(self) -> None:
        """End it at once; the journal has what was under way."""
        if self._running is not None:
            ends_early = not self._running.done()
            if ends_early:
                self.abort("closed")
                await asyncio.wait([self._running])
            if self._running.cancelled():
                return
            error = self._running.exception()  # raised where it is iterated over
            if ends_early and error is not None:
                # The text of a foreign error may hold anything.
                said = text_of(error) if isinstance(error, NorceOrderError) else type(error).__name__
                logger.warning(
                    "a batch that was closed early, perhaps after its journal, ended with an error: %s", said
                )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
