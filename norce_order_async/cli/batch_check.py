"""What is told of a batch before anything is sent, on standard output with ``--dry-run``."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator

from norce_order_async.batch.changes import Change, PatchAttributes
from norce_order_async.batch.engine.endings import must_be_once
from norce_order_async.batch.inputs import Input, InputFile
from norce_order_async.batch.undo.ways import WAYS, never
from norce_order_async.cli.output import tell
from norce_order_async.cli.summary import Line, place_of, print_lines
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.codec import encode, encode_shown
from norce_order_async.wire.json import JSON

_FIRST = 10
"""So many lines that cannot be made, or cannot be taken back, are named."""


def print_check(source: Input, *, once: bool, undo: bool, as_json: bool) -> int:
    """Read the whole input, print what is in it and what is wrong with it; 1 when something is, else 0.

    Args:
        source: The input.
        once: Whether changes that must not be made twice are made.
        undo: Whether to tell also what cannot be taken back.
        as_json: For programs.
    """
    operations: Counter[str] = Counter()
    problems: list[tuple[str, str]] = []
    way_back = UndoCheck() if undo else None
    bad = 0
    for entry in source:
        problem = entry.problem if entry.change is None else _unsendable(entry.change, once)
        if entry.change is not None and problem is None:
            operations[entry.change.op] += 1
            if way_back is not None:
                way_back.look_at(entry.change, place_of(entry.file, entry.line))
            continue
        bad += 1
        if len(problems) < _FIRST:
            problems.append((place_of(entry.file, entry.line), problem or ""))
    if as_json:
        print(
            encode_shown(
                {
                    "total": operations.total() + bad,
                    "operations": dict(operations),
                    "bad": bad,
                    "problems": [{"place": place, "message": message} for place, message in problems],
                    **({} if way_back is None else {"undo": way_back.record()}),
                }
            ).decode()
        )
        return 1 if bad else 0
    total = operations.total() + bad
    lines: list[Line] = [("bold", f"{counted(total, 'change')}, nothing sent"), ("", "")]
    width = max(7, len(f"{total:,}"))
    lines += [("", f"  {count:>{width},}  {op}") for op, count in operations.most_common()]
    lines.append(("red" if bad else "dim", f"  {bad:>{width},}  cannot be made"))
    lines += [("", "")] if problems else []
    lines += [("red", f"  {place}: {printable(message)}") for place, message in problems]
    if bad > len(problems):
        lines.append(("dim", f"  and {bad - len(problems):,} more"))
    lines += [] if way_back is None else [("", text) for text in way_back.lines()]
    print_lines(lines)
    return 1 if bad else 0


def _unsendable(change: Change, once: bool) -> str | None:
    """Why a change that can be read is not sent, if it is not: what the request holds is checked only there."""
    if change.not_twice is not None and not once:
        return must_be_once(change)
    if isinstance(change, PatchAttributes):
        try:
            encode(change.attributes, root="attributes")
        except InvalidRequestError as error:
            return str(error)
    return None


def tell_before(options: argparse.Namespace, source: Input, files: Iterable[InputFile]) -> None:
    """Say what cannot be taken back before anything is sent, where the changes can be read twice."""
    if options.undo is None or any(file.digest is None for file in files):
        return
    check = UndoCheck()
    for entry in source:
        if entry.change is not None:
            check.look_at(entry.change, "")
    if total := check.never.total():
        what = ", ".join(f"{count:,} {text}" for text, count in check.never.most_common())
        tell(f"{counted(total, 'change')} cannot be taken back, and --dry-run names them: {what}")


class UndoCheck:
    """What is known of the way back of changes without reading an order."""

    def __init__(self) -> None:
        self.never: Counter[str] = Counter()
        """How many changes cannot be taken back, by their op and why."""
        self._remarks: Counter[str] = Counter()
        self._first: list[tuple[str, str]] = []

    def look_at(self, change: Change, place: str) -> None:
        """Take in a change and where it stands."""
        if (why := never(change)) is not None:
            self.never[f"{change.op}: {why}"] += 1
            if len(self._first) < _FIRST:
                self._first.append((place, f"{change.op} cannot be taken back: {why}"))
        elif (remark := WAYS[change.op].remark) is not None:
            self._remarks[f"{change.op}: {remark}"] += 1

    def lines(self) -> Iterator[str]:
        """It in text."""
        yield from ("", f"{counted(self.never.total(), 'change')} cannot be taken back")
        yield from (f"  {count:>7,}  {text}" for text, count in self.never.most_common())
        yield from (f"  {place}: {text}" for place, text in self._first)
        if (more := self.never.total() - len(self._first)) > 0:
            yield f"  and {more:,} more"
        if self._remarks:
            yield from ("", "Of what is taken back")
            yield from (f"  {count:>7,}  {text}" for text, count in self._remarks.most_common())

    def record(self) -> dict[str, JSON]:
        """It for programs."""
        return {
            "never": dict(self.never),
            "remarks": dict(self._remarks),
            "first": [{"place": place, "message": message} for place, message in self._first],
        }
