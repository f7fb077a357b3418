"""How a batch looks while it runs; with rich on a terminal, in plain lines elsewhere."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from norce_order_async.batch.engine.running import Progress, RunsOnce
from norce_order_async.cli.output import console, has_rich, is_terminal, silence, tell
from norce_order_async.cli.summary import shown_rate
from norce_order_async.cli.writing import Writing
from norce_order_async.core.wording import printable

_LINE_EVERY = 60.0
_DRAW_EVERY = 0.2
_RATE_OVER = 5.0


class Display:
    """Shows on standard error how a batch goes: speed, done, failed, retried, left, and why it is slow.

    A thread writes, so that a terminal that is stopped halts nothing.

    Args:
        batch: The batch.
        writing: What writes.
        total: How many changes its input has; None when that is not known.
    """

    def __init__(self, batch: RunsOnce, writing: Writing, total: int | None) -> None:
        self._batch = batch
        self._writing = writing
        self._total = total
        self._started = time.monotonic()
        self._ended: float | None = None
        self._seen: list[tuple[float, int]] = [(self._started, 0)]
        self._live = _live() if is_terminal(sys.stderr) else None
        self._drawing: asyncio.Task[None] | None = None

    @property
    def elapsed(self) -> float:
        """Seconds that the batch took, or takes."""
        return (self._ended or time.monotonic()) - self._started

    async def __aenter__(self) -> Self:
        if self._live is not None:
            await self._writing.write(_draw, self._live.start)
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._ended = time.monotonic()
        if self._drawing is not None:
            self._drawing.cancel()
            with suppress(asyncio.CancelledError):
                await self._drawing
        if error is None:
            await self._show(self._batch.progress)
        if self._live is not None:
            self._live.transient = error is not None  # the account says how it stands then
            await self._writing.write(_draw, self._live.stop)
            await self._writing.write(_draw, self._live.console.print)

    def note(self, text: str) -> None:
        """Show a line of text."""
        self._writing.begin(_draw, tell if self._live is None else self._live.console.print, text)

    async def _draw(self) -> None:
        while True:
            await asyncio.sleep(_LINE_EVERY if self._live is None else _DRAW_EVERY)
            await self._show(self._batch.progress)

    async def _show(self, progress: Progress) -> None:
        rate = self._rate(progress)
        if self._live is not None:
            await self._writing.write(_draw, partial(self._live.update, refresh=True), self._panel(progress, rate))
            return
        of = "" if self._total is None else f" of {self._total:,}"
        parts = [
            f"{progress.passed + progress.ended:,}{of}: {progress.done:,} done",
            *([f"{progress.accepted:,} accepted"] if progress.accepted else []),
            f"{progress.failed:,} failed",
            f"{progress.retried:,} retried",
        ]
        left = self._left(progress)
        if left is not None:
            parts.append(f"{left:,} left")
        parts += [f"{shown_rate(rate)}/s", f"{progress.in_flight:,} of {progress.concurrency:,} in flight"]
        reason = f" ({printable(progress.reason)})" if progress.reason else ""
        await self._writing.write(_draw, tell, ", ".join(parts) + reason)

    def _left(self, progress: Progress) -> int | None:
        return None if self._total is None else max(0, self._total - progress.passed - progress.ended)

    def _rate(self, progress: Progress) -> float:
        """Changes that ended in a second: of late, and at the end over the whole run."""
        now = time.monotonic()
        if self._ended is not None:
            return progress.ended / max(self.elapsed, 1e-9)
        self._seen.append((now, progress.ended))
        while self._seen[1][0] <= now - _RATE_OVER:
            self._seen.pop(0)
        since, ended = self._seen[0]
        return (progress.ended - ended) / max(now - since, 1e-9)

    def _panel(self, progress: Progress, rate: float) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        count = progress.passed + progress.ended
        top = Table.grid(padding=(0, 2), expand=True)
        cells: list[Any] = [ProgressBar(total=self._total, completed=count, pulse=self._total is None)]
        top.add_column(ratio=1)
        left = self._left(progress)
        if left is not None and self._total:
            ahead = f"{timedelta(seconds=round(left / rate))} left" if rate and left else ""
            cells += [f"{count / self._total:.0%}", f"{count:,} of {self._total:,}", ahead]
        else:
            cells.append(f"{count:,}")
        top.add_row(*cells)
        line = Text("   ").join(
            [
                Text(f"{shown_rate(rate)}/s", "bold"),
                Text(f"{progress.in_flight:,} of {progress.concurrency:,} in flight"),
                Text(f"{progress.done:,} done", "green"),
                *([Text(f"{progress.accepted:,} accepted", "cyan")] if progress.accepted else []),
                Text(f"{progress.failed:,} failed", "red" if progress.failed else "dim"),
                Text(f"{progress.retried:,} retried", "yellow" if progress.retried else "dim"),
            ]
        )
        limit = "" if progress.rate is None else f"at most {shown_rate(progress.rate)}/s"
        why = "   ".join(text for text in (limit, printable(progress.reason or "")) if text)
        return Group(top, line, Text(why or "at full speed", "yellow" if why else "dim"))


def _draw(draw: Callable[..., object], *arguments: object) -> None:
    """Draw; a terminal that is closed ends nothing."""
    try:
        draw(*arguments)
    except OSError:
        silence(sys.__stderr__)


def _live() -> Any:
    if not has_rich():
        return None
    from rich.live import Live

    terminal = console(stderr=True)
    if terminal.is_dumb_terminal:
        return None  # without a cursor that can go back, nothing would be shown before the end
    return Live(console=terminal, auto_refresh=False, redirect_stdout=is_terminal(sys.stdout))
