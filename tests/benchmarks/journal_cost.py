"""What the journal of a batch costs for each change: its mark and its outcome, and reading both back.

    PYTHONPATH=tests python -m benchmarks.journal_cost              200,000 changes
    PYTHONPATH=tests python -m benchmarks.journal_cost CHANGES      so many

Each transaction marks 100 changes and closes the 100 before them, as a batch does when it is busy. Beside it stands
what SQLite alone takes for the same rows in the same run, the least of three turns of each.
"""

import math
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from norce_order_async import OutcomeKind
from norce_order_async.batch import Change, PatchAttributes, PatchConsent
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import Journal, JournalReader, rare_rows, run_writer, statements
from norce_order_async.batch.outcomes import Outcome

GROUP = 100
ROUNDS = 3


def change_of(number: int) -> Change:
    """One of two kinds in turn."""
    if number % 2:
        return PatchConsent(f"o_{number:08d}", "ci_newsletter", checked=True)
    return PatchAttributes(f"o_{number:08d}", {"erpId": f"A-{number}", "exported": True})


def groups(count: int, failing: bool) -> list[tuple[list[WorkItem], list[Outcome]]]:
    """What is written, group by group."""
    written: list[tuple[list[WorkItem], list[Outcome]]] = []
    before: list[Outcome] = []
    for first in range(1, count + 1, GROUP):
        marks: list[WorkItem] = []
        outcomes: list[Outcome] = []
        for number in range(first, min(first + GROUP, count + 1)):
            change, request_id = change_of(number), f"{number:032x}"
            item = WorkItem(number, InputLine(number, request_id=request_id), change, (None, None))
            item.started = 1.8e9
            marks.append(item)
            outcomes.append(
                Outcome(
                    number=number, line=number, change=change, attempts=1, started=1.8e9, elapsed=0.1,
                    request_id=request_id, outcome=OutcomeKind.REJECTED if failing else OutcomeKind.APPLIED,
                    status=404 if failing else 200, error="NotFoundError" if failing else None,
                    message="HTTP 404 order-not-found: no such order" if failing else None,
                )
            )  # fmt: skip
        written.append((marks, before))
        before = outcomes
    written.append(([], before))
    return written


def show(what: str, seconds: float, count: int) -> None:
    """Print one line of the table."""
    print(f"{what:28} {seconds / count * 1e6:8.2f} µs {count / seconds:12,.0f} /s")


Rows = list[Any]


def bare_rows(written: list[tuple[list[WorkItem], list[Outcome]]], failing: bool) -> list[tuple[Rows, Rows]]:
    """The same groups as rows of the tables."""
    close: Callable[[Outcome], Any] = rare_rows.failed if failing else run_writer.done
    return [(list(map(run_writer.mark, marks)), list(map(close, outcomes))) for marks, outcomes in written]


def bare(path: Path, written: list[tuple[Rows, Rows]], failing: bool) -> float:
    """CPU seconds of the same rows by ``executemany`` alone, with the checkpoints that SQLite makes by itself."""
    Journal.open(path, inputs=[], target="http://localhost").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        started = time.process_time()
        for marks, outcomes in written:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(statements.MARK_NEW, marks)
            db.executemany(statements.CLOSE_FAILED if failing else statements.CLOSE_DONE, outcomes)
            db.execute("COMMIT")
        return time.process_time() - started


def ours(path: Path, written: list[tuple[list[WorkItem], list[Outcome]]]) -> float:
    """CPU seconds of a journal."""
    with Journal.open(path, inputs=[], target="http://localhost") as journal:
        started = time.process_time()
        for marks, outcomes in written:
            journal.write(run_writer.rows_of(marks, outcomes))
        return time.process_time() - started


def measure(folder: Path, count: int, failing: bool) -> None:
    """Measure one journal."""
    kind = "all failed" if failing else "all applied"
    written = groups(count, failing)
    alone = bare_rows(written, failing)
    path = folder / f"{failing}.journal"
    least_bare = least_ours = math.inf
    for number in range(ROUNDS):
        least_bare = min(least_bare, bare(folder / f"{failing}-{number}.bare", alone, failing))
        path.unlink(missing_ok=True)
        least_ours = min(least_ours, ours(path, written))
    show(f"mark, close ({kind})", least_ours, count)
    show("  bare executemany", least_bare, count)
    print(f"{'  ratio':28} {least_ours / least_bare:8.2f}")
    with JournalReader.open(path) as reader:
        started = time.process_time()
        reader.summary()
        show(f"sums ({kind})", time.process_time() - started, count)
        started = time.process_time()
        found = sum(1 for _ in reader.rows())
        show(f"rows ({kind})", time.process_time() - started, found)
    print(f"{'size':28} {path.stat().st_size / count:8.0f} bytes")


def main(count: int) -> None:
    """Measure and print."""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {count:,} changes, CPU a change:")
    with tempfile.TemporaryDirectory() as folder:
        for failing in (False, True):
            measure(Path(folder), count, failing)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
