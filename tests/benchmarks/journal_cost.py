"""What the journal of a batch costs for each change: its mark and its outcome, and reading both back.

    python tests/benchmarks/journal_cost.py              200,000 changes
    python tests/benchmarks/journal_cost.py CHANGES      so many

Each transaction marks 100 changes and closes the 100 before them, as a batch does when it is busy.
"""

import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from norce_order_async import Change, OutcomeKind, PatchAttributes, PatchConsent
from norce_order_async.batch.journal import Journal, JournalReader, Mark
from norce_order_async.batch.outcomes import Outcome

GROUP = 100


def change_of(number: int) -> Change:
    """One of two kinds in turn."""
    if number % 2:
        return PatchConsent(f"o_{number:08d}", "ci_newsletter", checked=True)
    return PatchAttributes(f"o_{number:08d}", {"erpId": f"A-{number}", "exported": True})


def groups(count: int, failing: bool) -> list[tuple[list[Mark], list[Outcome]]]:
    """What is written, group by group."""
    written: list[tuple[list[Mark], list[Outcome]]] = []
    before: list[Outcome] = []
    for first in range(1, count + 1, GROUP):
        marks: list[Mark] = []
        outcomes: list[Outcome] = []
        for number in range(first, min(first + GROUP, count + 1)):
            change, request_id = change_of(number), f"{number:032x}"
            marks.append(
                Mark(number=number, line=number, file=None, digest=None, change=change, request_id=request_id,
                     started=1.8e9)
            )  # fmt: skip
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
    print(f"{what:24} {seconds / count * 1e6:8.2f} µs {count / seconds:12,.0f} /s")


def measure(folder: Path, count: int, failing: bool) -> None:
    """Measure one journal."""
    path, kind = folder / f"{failing}.journal", "all failed" if failing else "all applied"
    written = groups(count, failing)
    with Journal.open(path, inputs=[], target="http://localhost") as journal:
        started = time.perf_counter()
        for marks, outcomes in written:
            journal.write(marks, outcomes)
        show(f"mark, close ({kind})", time.perf_counter() - started, count)
    with JournalReader.open(path) as reader:
        started = time.perf_counter()
        reader.summary()
        show(f"sums ({kind})", time.perf_counter() - started, count)
        started = time.perf_counter()
        rows = sum(1 for _ in reader.rows())
        show(f"rows ({kind})", time.perf_counter() - started, rows)
    print(f"{'size':24} {path.stat().st_size / count:8.0f} bytes")


def main(count: int) -> None:
    """Measure and print."""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {count:,} changes, a change each:")
    with tempfile.TemporaryDirectory() as folder:
        for failing in (False, True):
            measure(Path(folder), count, failing)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
