"""``batch run --output jsonl``: what happens, as it happens, an object a line."""

import asyncio
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from norce_order_async.batch.engine.running import RunsOnce
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import encode_record, report_record
from norce_order_async.cli.output import described, is_reader_gone, silence
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.wire.json import JSON

_PROGRESS_EVERY = 1.0


class Events:
    """Writes events to standard output: each change as it ends, and every second how the batch stands.

    A reader that goes away ends nothing, and neither does a disk that is full. Of processes only the journal has the
    changes.

    Args:
        batch: The batch.
        is_on: Whether anything is written.

    Attributes:
        unwritten: Why not all of it could be written, if somebody still reads it.
    """

    def __init__(self, batch: RunsOnce, *, is_on: bool) -> None:
        self._batch = batch
        self._is_on = is_on
        self.unwritten: list[ConfigurationError] = []
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._is_on:
            self._telling = asyncio.create_task(self._tell_progress())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling

    def change(self, outcome: Outcome) -> None:
        """Tell of a change that ended; at the latest a second later it is written."""
        if self._is_on:
            self._write("change", report_record(outcome))

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY)
            self.tell("progress", attrs.asdict(self._batch.progress))

    def tell(self, event: str, members: dict[str, JSON]) -> None:
        """Write an event and all before it."""
        if self._is_on:
            self._write(event, members, flush=True)

    def _write(self, event: str, members: dict[str, JSON], *, flush: bool = False) -> None:
        try:
            # The record of a line that was refused may have a member of that name.
            text = encode_record({name: value for name, value in members.items() if name != "event"})
            print(f'{{"event":"{event}",{text[1:]}', flush=flush)
        except OSError as error:
            silence(sys.stdout)
            if not is_reader_gone(error):
                self.unwritten.append(ConfigurationError(described(error)))
