"""``batch run --output jsonl``: what happens, as it happens, an object a line."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import attrs

from norce_order_async.batch.engine.running import RunsOnce
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import encode_record, report_record
from norce_order_async.cli.output import described, is_reader_gone, silence
from norce_order_async.cli.writing import Writing
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.wire.json import JSON

_PROGRESS_EVERY = 1.0
_GROUP = 128
"""So many events are written at once, at most."""


class Events:
    """Writes events to standard output: each change as it ends, and every second how the batch stands.

    A reader that goes away ends nothing, and neither does a disk that is full. One that pauses has the batch wait, and
    not the event loop: a thread writes. Of processes only the journal has the changes.

    Args:
        batch: The batch.
        writing: What writes.
        is_on: Whether anything is written.

    Attributes:
        unwritten: Why not all of it could be written, if somebody still reads it.
    """

    def __init__(self, batch: RunsOnce, writing: Writing, *, is_on: bool) -> None:
        self._batch = batch
        self._writing = writing
        self._is_on = is_on
        self.unwritten: list[ConfigurationError] = []
        self._lines: list[str] = []
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._is_on:
            self._telling = asyncio.create_task(self._tell_progress())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
            await self._write_lines()

    async def change(self, outcome: Outcome) -> None:
        """Tell of a change that ended; at the latest a second later it is written, if somebody reads."""
        if self._is_on:
            self._lines.append(_line("change", report_record(outcome)))
            if len(self._lines) >= _GROUP:
                await self._write_lines()

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY)
            self._lines.append(_line("progress", attrs.asdict(self._batch.progress)))
            await self._write_lines()

    async def tell(self, event: str, members: dict[str, JSON]) -> None:
        """Write an event, while the batch does not run."""
        if self._is_on:
            await self._writing.write(self._write, [_line(event, members)])

    async def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        await self._writing.write(self._write, lines)

    def _write(self, lines: Sequence[str]) -> None:
        try:
            print("".join(lines), end="", flush=True)
        except OSError as error:
            silence(sys.stdout)
            if not is_reader_gone(error):
                self.unwritten.append(ConfigurationError(described(error)))


def _line(event: str, members: dict[str, JSON]) -> str:
    # The record of a line that was refused may have a member of that name.
    text = encode_record({name: value for name, value in members.items() if name != "event"})
    return f'{{"event":"{event}",{text[1:]}\n'
