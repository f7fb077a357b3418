"""The task of a batch: it is begun once, and closing the batch ends it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Self

from norce_order_async.batch.engine.accounting import Progress
from norce_order_async.batch.engine.settings import RunState
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import CallError, ClientStateError
from norce_order_async.loops.per_loop import running_loop
from norce_order_async.telemetry.telemetry import Telemetry


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
    @abstractmethod
    def worked(self) -> bool:
        """Whether the server has answered anything of this batch."""

    @property
    @abstractmethod
    def error(self) -> CallError | None:
        """The last error of a server that could not be reached, or refused everything."""

    @property
    def stopped(self) -> str | None:
        """Why it ended before its input did."""
        return self.state.stopped

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

    async def aclose(self) -> None:
        """End it at once; the journal has what was under way."""
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
