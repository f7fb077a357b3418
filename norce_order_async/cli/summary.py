"""What became of a batch, in text or JSON, on standard output."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from norce_order_async.batch.journal import JournalRun, JournalSample
from norce_order_async.batch.report import LEFT, Summary
from norce_order_async.batch.samples import slowed
from norce_order_async.batch.undo.files import UndoSummary
from norce_order_async.cli.batch_undo import undo_lines, undo_record
from norce_order_async.cli.output import console, has_rich, shown_command
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON

Line = tuple[str, str]
"""A style and a text."""


@attrs.frozen(kw_only=True)
class Account:
    """What there is to tell of a batch.

    Attributes:
        title: What ran against what.
        summary: The sums over all its runs.
        samples: How fast it was.
        runs: Its runs.
        now: When it is looked at, if it runs, in seconds since 1970-01-01 UTC.
        total: How many changes its input has; None when that is not known.
        state: Whether it goes on, was killed, or ended.
        ended: How many changes ended in this run; None for a batch that is only looked at.
        elapsed: Seconds that this run took; None for a batch that is only looked at.
        stopped: Why it ended before its input did.
        advice: What to do about that.
        journal: Where it is written down; None when that is gone.
        goes_on: Whether the same command would go on with that journal.
        only: Whether this run made only some changes again.
        undo: What takes it back, if that was kept.
    """

    title: str
    summary: Summary
    samples: Sequence[JournalSample] = ()
    runs: Sequence[JournalRun] = ()
    now: float | None = None
    total: int | None = None
    state: str | None = None
    ended: int | None = None
    elapsed: float | None = None
    stopped: str | None = None
    advice: str | None = None
    journal: Path | None = None
    goes_on: bool = True
    only: bool = False
    undo: UndoSummary | None = None

    @property
    def left(self) -> int:
        """Changes of the input that have no outcome and are not under way."""
        return self.summary.left_of(self.total)

    @property
    def slowed(self) -> Counter[str]:
        """For how many seconds it was slower than it could be, by the reason."""
        return slowed(self.samples, self.runs, self.now)


def print_account(account: Account, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print(encode_shown(account_record(account)).decode())
    else:
        print_lines(_lines(account))


def _lines(account: Account) -> list[Line]:
    summary = account.summary
    lines: list[Line] = []
    if account.ended is None or account.elapsed is None:
        of = "" if account.total is None else f" of {account.total:,}"
        lines.append(("bold", f"{printable(account.title)}: {summary.total:,}{of} changes have an outcome"))
    else:
        rate = account.ended / max(account.elapsed, 1e-9)
        made = counted(account.ended, "change")
        lines.append(("bold", f"{printable(account.title)}: {made} in {account.elapsed:.1f} s ({shown_rate(rate)}/s)"))
    stopped = account.stopped and f"stopped: {account.stopped}"
    for text in (account.state, stopped, account.advice):
        if text:
            lines.append(("bold yellow", printable(text[0].upper() + text[1:])))
    lines.append(("", ""))
    counts = [*summary.outcomes.values(), summary.in_flight, account.left, summary.requests]
    width = max(7, *(len(f"{count:,}") for count in counts))
    for kind in OutcomeKind:
        if count := summary.outcomes[kind]:
            style = "red" if kind.failed else "green" if kind.done else "cyan"
            lines.append((style, f"  {count:>{width},}  {kind:<16}  {_meaning(kind, summary)}"))
    if summary.in_flight:
        lines.append(("", f"  {summary.in_flight:>{width},}  {'in flight':<16}  sent, or about to be"))
    if account.left:
        lines.append(("yellow", f"  {account.left:>{width},}  {'left':<16}  {LEFT}"))
    several = f"{counted(summary.retried, 'change')} took several"
    lines.append(("dim", f"  {summary.requests:>{width},}  requests; {several}"))
    lines += _slow_lines(account, width)
    if summary.problems:
        lines += [("", ""), ("bold", "What went wrong")]
    for name, problem in sorted(summary.problems.items(), key=lambda item: -item[1].count):
        lines.append(("red", f"  {problem.count:>{width},}  {name}, first in {place_of(problem.file, problem.line)}:"))
        lines.append(("", f"  {'':>{width}}  {printable(problem.message)}"))
    if account.journal is not None:
        lines += [("", ""), ("", f"Journal: {printable(str(account.journal))}")]
        cut = account.total is None and account.stopped is not None  # how many are left is not known
        if account.goes_on and (account.left or cut or summary.in_flight or summary.unfinished):
            same = "The same command without --only" if account.only else "The same command"
            lines.append(("", f"  {same} goes on with what is left, if its input is the same."))
        if summary.failed:
            command: list[str | Path] = ["norce-order", "batch", "report", account.journal, "--only", "failed"]
            lines.append(("", f"  What failed:    {shown_command(command)}"))
        again, once = summary.to_make_again([kind for kind in OutcomeKind if kind.failed])
        if again and account.goes_on:
            lines.append(("", f"  To try again:   the same command with {'--once ' if once else ''}--only failed"))
    if account.undo is not None:
        lines += [("", ""), *(("", text) for text in undo_lines(account.undo))]
    return lines


def _meaning(kind: OutcomeKind, summary: Summary) -> str:
    if kind is not OutcomeKind.UNKNOWN or not (count := summary.not_again):
        return kind.meaning
    which = "" if count == summary.outcomes[kind] else f"{count:,} of them {'is' if count == 1 else 'are'} "
    way = "--resolve looks" if count > summary.looked_at else "--resolve could not tell, look yourself"
    return f"may or may not be done; {which}not safe to run again: {way}"


def _slow_lines(account: Account, width: int) -> list[Line]:
    if not account.samples:
        return []
    most = max(sample.in_flight for sample in account.samples)
    last = account.samples[-1]
    rate = "" if last.rate is None else f", {shown_rate(last.rate)} requests a second"
    lines: list[Line] = []
    if most:  # a batch of less than a second was only looked at before it began
        lines.append(
            ("dim", f"  {most:>{width},}  at once at most; at the end {last.concurrency:,} were allowed{rate}")
        )
    for reason, seconds in account.slowed.most_common(3):
        lines.append(("yellow", f"  {seconds:>{width},}  seconds slowed down: {printable(reason)}"))
    return lines


def print_lines(lines: list[Line]) -> None:
    """Print them, in colours where rich is installed."""
    if not has_rich():
        print("\n".join(text for _, text in lines))
        return
    from rich.text import Text

    printer = console(highlight=False, soft_wrap=True)
    for style, text in lines:
        printer.print(Text(text, style=style))


def account_record(account: Account) -> dict[str, JSON]:
    """It for programs."""
    summary = account.summary
    return {
        "total": account.total,
        "done": summary.done,
        "accepted": summary.accepted,
        "failed": summary.failed,
        "left": account.left,
        "in_flight": summary.in_flight,
        "not_again": summary.not_again,
        "outcomes": {kind: summary.outcomes[kind] for kind in OutcomeKind},
        "operations": dict(summary.operations),
        "requests": summary.requests,
        "retried": summary.retried,
        "problems": {
            name: {"count": problem.count, "file": problem.file, "line": problem.line, "message": problem.message}
            for name, problem in summary.problems.items()
        },
        "ended": account.ended,
        "seconds": None if account.elapsed is None else round(account.elapsed, 3),
        "slowed": dict(account.slowed),
        "state": account.state,
        "stopped": account.stopped,
        "journal": None if account.journal is None else str(account.journal),
        "undo": None if account.undo is None else undo_record(account.undo),
    }


def place_of(file: str | None, line: int) -> str:
    """Where a change stands in the input."""
    return f"line {line}" if file is None else f"{printable(file)} line {line}"


def shown_rate(rate: float) -> str:
    """So many a second; two digits are kept of a slow one."""
    return f"{rate:,.0f}" if rate >= 9.95 or rate == 0 else f"{rate:.2g}"
