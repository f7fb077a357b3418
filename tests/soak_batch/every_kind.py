"""A batch of every kind of change, half of whose answers go wrong, killed twice, and resolved in the end.

    PYTHONPATH=tests python -m soak_batch.every_kind 20

Each order gets one change of each kind, so that the sandbox's account of requests tells what became of each line.
"""

import argparse
import asyncio
import random
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soak_batch.processes import INPUT, JOURNAL, Running, write
from soak_injectors.programs import main
from unknowns import CHANGES, ORDER

from norce_order_async import OutcomeKind
from norce_order_async.batch import Change, JournalReader, JournalRow
from norce_order_async.batch.lines import KINDS
from norce_order_async.batch.report import encode_record
from norce_order_async.testing import ReceivedRequest, Sandbox, SandboxServer

FAULTS = (
    "drop-before:share=7%",
    "drop-after:share=7%",
    "status:503:share=4%",
    "status:504:share=3%",
    "apply-late:1.4:share=4%",
)
"""A quarter of all requests."""

ARGUMENTS = ("--once", "--resolve", "--timeout", "1", "--settle", "1", "--concurrency", "40", "--patience", "60")
LATE = 2.0
"""Seconds after which everything that was sent is carried out."""


def lines_of(orders: int) -> tuple[list[Change], Sandbox]:
    """The changes in the order of the input, and a sandbox with their orders."""
    sandbox, changes = Sandbox(remember=1_000_000), list[Change]()
    for number in range(orders):
        for kind, make in CHANGES.items():
            changes.append(make(f"{'gone' if kind == 'delete_order' else 'o'}_{number}", f"mark-{kind}-{number}"))
        for order_id in (f"o_{number}", f"gone_{number}"):
            sandbox.add_order(order_id, **ORDER)
    sandbox.faults.add(*FAULTS)
    return changes, sandbox


async def soak(orders: int, seed: int) -> list[str]:
    """Run it, and say what was not as promised."""
    rng = random.Random(seed)
    changes, sandbox = lines_of(orders)
    rng.shuffle(changes)
    violations: list[str] = []
    with TemporaryDirectory() as path:
        folder = Path(path)
        write(folder / INPUT, [encode_record(change.record()) for change in changes])
        async with SandboxServer(sandbox) as server:
            for part in (rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.9)):
                running = Running(folder, server.url, *ARGUMENTS)
                while sandbox.count < part * len(changes) and await running.lives(0.002):
                    pass
                running.send(signal.SIGKILL)
                if (ran := await running.end()).code != -signal.SIGKILL:
                    violations.append(f"it was not killed: {ran.code} {ran.said[-1000:]}")
            ran = await Running(folder, server.url, *ARGUMENTS).end()
            if ran.code not in (0, 1) or "Traceback" in ran.said:
                violations.append(f"exit code {ran.code}: {ran.said[-2000:]}")
            print(ran.said.strip().rpartition("\n")[2], flush=True)
            await asyncio.sleep(LATE)
        with JournalReader.open(folder / JOURNAL) as journal:
            rows = list(journal.rows())
    return violations + _compare(changes, rows, sandbox)


def _compare(changes: list[Change], rows: list[JournalRow], sandbox: Sandbox) -> list[str]:
    sent: Counter[int] = Counter()
    carried_out: Counter[int] = Counter()
    lines = {_key(change): number for number, change in enumerate(changes, 1)}
    for request in sandbox.requests:
        if request.method != "GET" and (number := lines.get(_key_of(request, changes))) is not None:
            sent[number] += 1
            carried_out[number] += request.applied
    violations = [] if len(rows) == len(changes) else [f"{len(rows)} outcomes for {len(changes)} lines"]
    outcomes: dict[str, Counter[str]] = {}
    for row in rows:
        change = changes[row.number - 1]
        outcomes.setdefault(change.op, Counter())[f"{row.outcome}"] += 1
        done = carried_out[row.number]
        told = f"line {row.number}, {change.op}, is {row.outcome}: sent {sent[row.number]}, carried out {done} times"
        is_true = row.outcome is OutcomeKind.UNKNOWN or (row.outcome is not None and row.outcome.done == bool(done))
        if not is_true or (change.not_twice is not None and max(sent[row.number], done) > 1):
            violations.append(f"{told} ({row.error}: {row.message}; {row.evidence})")
    reasons = Counter(_shape(row.evidence) for row in rows if row.evidence and row.outcome is OutcomeKind.UNKNOWN)
    for reason, count in reasons.most_common():
        print(f"  {count:>4} {reason}")
    for op, kinds in outcomes.items():
        print(f"  {op:<26}{', '.join(f'{count:,} {kind}' for kind, count in sorted(kinds.items()))}")
    return violations


def _shape(evidence: str) -> str:
    """What was said, without the numbers and times in it."""
    return re.sub(r"\d+", "N", evidence.partition(" [")[0].partition(" (")[0])


def _key(change: Change) -> tuple[Any, ...]:
    order: Any = change.record().get("order")
    return change.operation, change.order_id or order["cart"]["reference"]


def _key_of(request: ReceivedRequest, changes: list[Change]) -> tuple[Any, ...]:
    *_, rest = request.target.partition("/orders")
    order_id = rest.strip("/").partition("/")[0]
    if not order_id and request.body:
        order_id = request.body.decode().partition('"reference":"')[2].partition('"')[0]
    return request.operation, order_id


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("orders", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    assert set(KINDS) == set(CHANGES)
    sys.exit(main("every_kind", soak(options.orders, options.seed)))
