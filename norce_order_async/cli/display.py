"""How a batch looks while it runs and at its end; with rich on a terminal, in plain lines elsewhere."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from norce_order_async.batch.report import Summary
from norce_order_async.cli.output import tell
from norce_order_async.codec import encode_shown
from norce_order_async.errors import printable
from norce_order_async.outcome import OutcomeKind
from norce_order_async.wire import JSON

_LINE_EVERY = 5.0
_REDRAW_EVERY = 0.1

NOT_TRIED = "NotTried"
"""What a report says in place of an error's class for a change that was left when the batch was stopped."""

_MEANING = {
    OutcomeKind.APPLIED: "done",
    OutcomeKind.APPLIED_INFERRED: "done: gone after an attempt whose answer was lost",
    OutcomeKind.REJECTED: "the API said no",
    OutcomeKind.NOT_SENT: "nothing reached the server",
    OutcomeKind.UNKNOWN: "may or may not be done; safe to run again",
}


class Display:
    """Shows on standard error how far a batch is: rate, done, failed, retried, left.

    Args:
        total: How many changes there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = self._shown = time.monotonic()
        self._bar = _bar(total) if sys.stderr is not None and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar.console.print()

    def update(self, summary: Summary) -> None:
        """Show these sums, if it is time to."""
        now = time.monotonic()
        every = _LINE_EVERY if self._bar is None else _REDRAW_EVERY
        last = summary.total == self._total
        if now - self._shown < every and not last:
            return
        self._shown = now
        rate = _rate(summary, now - self._started)
        left = self._total - summary.total
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=summary.total,
                rate=f"{rate}/s",
                done=f"{summary.done:,} done",
                failed=f"{summary.failed:,} failed",
                retried=f"{summary.retried:,} retried",
                left=f"{left:,} left",
            )
        else:
            self.note(
                f"{summary.total:,} of {self._total:,}: {summary.done:,} done, {summary.failed:,} failed, "
                f"{summary.retried:,} retried, {left:,} left, {rate}/s"
            )

    def note(self, text: str) -> None:
        """Show a line of text."""
        if self._bar is not None:
            self._bar.console.print(text)
        else:
            tell(text)


def _bar(total: int) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    progress = Progress(
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("[bold]{task.fields[rate]}"),
        TextColumn("[green]{task.fields[done]}"),
        TextColumn("[red]{task.fields[failed]}"),
        TextColumn("[yellow]{task.fields[retried]}"),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        expand=True,
    )
    progress.add_task("", total=total, rate="", done="0 done", failed="0 failed", retried="0 retried", left="")
    return progress


def print_summary(
    summary: Summary,
    *,
    elapsed: float,
    stopped: str | None,
    advice: str | None,
    title: str,
    report: Path,
    failed: Path | None,
    as_json: bool,
) -> None:
    """Print a batch's sums on standard output."""
    if as_json:
        print(encode_shown(_json(summary, elapsed=elapsed, stopped=stopped, report=report, failed=failed)).decode())
        return
    tried = summary.total - _not_tried(summary)
    made = (
        _count(summary.total, "change") if tried == summary.total else f"{tried:,} of {summary.total:,} changes tried"
    )
    lines = [("bold", f"{title}: {made} in {elapsed:.1f} s ({_rate(summary, elapsed)}/s)")]
    if stopped is not None:
        lines.append(("bold yellow", stopped[0].upper() + stopped[1:]))
    if advice is not None:
        lines.append(("bold yellow", advice))
    lines.append(("", ""))
    width = max(7, *(len(f"{count:,}") for count in summary.outcomes.values()), 0)
    for kind in OutcomeKind:
        if count := summary.outcomes[kind]:
            lines.append(("green" if kind.done else "red", f"  {count:>{width},}  {kind:<16}  {_MEANING[kind]}"))
    lines.append(("dim", f"  {summary.requests:>{width},}  requests; {_count(summary.retried, 'change')} took several"))
    if summary.problems:
        lines += [("", ""), ("bold", "What went wrong")]
    for name, problem in sorted(summary.problems.items(), key=lambda item: -item[1].count):
        lines.append(("red", f"  {problem.count:>{width},}  {name}, first in line {problem.line}:"))
        lines.append(("", f"  {'':>{width}}  {printable(problem.message)}"))
    lines += [("", ""), ("", f"Report, a line for each change:  {report}")]
    if failed is not None:
        lines.append(("", f"What is left, ready to run:      {failed}"))
    _print_lines(lines)


def _print_lines(lines: list[tuple[str, str]]) -> None:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print("\n".join(text for _, text in lines))
        return
    console = Console(highlight=False, soft_wrap=True)
    for style, text in lines:
        console.print(Text(text, style=style))


def _json(
    summary: Summary, *, elapsed: float, stopped: str | None, report: Path, failed: Path | None
) -> dict[str, JSON]:
    return {
        "total": summary.total,
        "done": summary.done,
        "failed": summary.failed,
        "outcomes": {kind: summary.outcomes[kind] for kind in OutcomeKind},
        "requests": summary.requests,
        "retried": summary.retried,
        "problems": {
            name: {"count": problem.count, "line": problem.line, "message": problem.message}
            for name, problem in summary.problems.items()
        },
        "seconds": round(elapsed, 3),
        "stopped": stopped,
        "report": str(report),
        "failed_changes": None if failed is None else str(failed),
    }


def _rate(summary: Summary, elapsed: float) -> str:
    return f"{(summary.total - _not_tried(summary)) / max(elapsed, 1e-9):,.0f}"


def _not_tried(summary: Summary) -> int:
    return summary.problems[NOT_TRIED].count if NOT_TRIED in summary.problems else 0


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
