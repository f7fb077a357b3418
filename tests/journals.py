"""Journals in tests: marks, outcomes, and code that runs in a process of its own."""

import sqlite3
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from command import run_code

from norce_order_async import OutcomeKind
from norce_order_async.batch import DeleteConsent, PatchAttributes
from norce_order_async.batch.changes import Change
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import Journal, wal, writer
from norce_order_async.batch.journal.run_writer import rows_of
from norce_order_async.batch.outcomes import Outcome

PERSONAL = PatchAttributes("o_2", {"email": "a@b.example"})
INPUTS = [InputFile("changes.jsonl", "ab" * 32, 3)]
TARGET = "http://localhost/checkout/order, merchant m, channel 1"


def begin(path: Path, inputs: list[InputFile] = INPUTS, target: str = TARGET) -> Journal:
    return Journal.open(path, inputs=inputs, target=target)


def connections_of(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections with which journals are written from now on."""
    made: list[sqlite3.Connection] = []

    def connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
        made.append(wal.connect(path, mode, timeout))
        return made[-1]

    monkeypatch.setattr(writer, "connect", connect)
    return made


def mark(number: int, change: Change | None = None, *, started: float = 1e9, **members: Any) -> WorkItem:
    change = change or DeleteConsent(f"o_{number}", "c")
    given: dict[str, Any] = {"line": number, "request_id": f"r{number}"}
    made = WorkItem(number, InputLine(**given | members), change, (None, None))
    made.started = started
    return made


def end(
    number: int, outcome: OutcomeKind = OutcomeKind.APPLIED, change: Change | None = None, **members: Any
) -> Outcome:
    change = change or DeleteConsent(f"o_{number}", "c")
    given: dict[str, Any] = {"attempts": 1, "started": 1e9, "elapsed": 0.5, "request_id": f"r{number}"}
    if outcome.failed:
        given |= {"status": 404, "error": "NotFoundError", "message": "HTTP 404"}
    return Outcome(number=number, line=number, change=change, outcome=outcome, **given | members)


def item(number: int, attempts: int = 0) -> WorkItem:
    made = WorkItem(number, InputLine(number), DeleteConsent(f"o_{number}", "c"), (None, None))
    made.attempts = attempts
    return made


def bad_line(number: int, source: Any) -> Outcome:
    error: dict[str, Any] = {"error": "InvalidRequestError", "message": "not JSON"}
    return Outcome(number=number, line=number, change=None, outcome=OutcomeKind.NOT_SENT, source=source, **error)


def write(journal: Journal, marks: Sequence[WorkItem], outcomes: Sequence[Outcome], once: Collection[int] = ()) -> None:
    """Write marks, some of them of changes that are sent at most once, and outcomes."""
    rows = rows_of(marks, outcomes)
    marked = [(*row[:5], row[0] in once, *row[6:]) for row in rows.marks]
    journal.write(attrs.evolve(rows, marks=marked) if once else rows)


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with the names of this module and ``path``."""
    imports = """
import os, sys
sys.path.insert(0, sys.argv[2])
from journals import *
from norce_order_async import ConfigurationError
path = Path(sys.argv[1])
"""
    return run_code(imports + code, str(path), str(Path(__file__).parent))
