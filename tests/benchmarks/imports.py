"""How long it takes to import a client, in fresh processes that take turns."""

import os
import random
import subprocess
import sys
from contextlib import suppress
from statistics import median

from benchmarks import peers
from benchmarks.measure import spread
from benchmarks.subjects import SUBJECTS
from benchmarks.tables import Found, Table

_CHILD = """
import sys, time
before, started = len(sys.modules), time.perf_counter()
{statement}
print((time.perf_counter() - started) * 1e3, len(sys.modules) - before)
"""
_STATEMENTS = {
    "asyncio, which all need": "import asyncio",
    "norce_order_async": "import norce_order_async",
    "OrderClient and an endpoint, no transport yet": "from norce_order_async import OrderClient, patch_consent",
} | {subject.label: subject.statement for subject in SUBJECTS if subject.statement}


def measure(rounds: int) -> Found:
    """The medians; a first round, which compiles what was not compiled, does not count."""
    env = _environment()
    statements = {label: statement for label, statement in _STATEMENTS.items() if _run(label, statement, env)}
    runs: dict[str, list[tuple[float, float]]] = {label: [] for label in statements}
    for _ in range(rounds):
        for label in random.sample(list(statements), len(statements)):
            if run := _run(label, statements[label], env):
                runs[label].append(run)
    rows = [
        [label, spread([took for took, _ in each], ".0f"), f"{median(modules for _, modules in each):,.0f}"]
        for label, each in runs.items()
    ]
    used = [name for subject in SUBJECTS for name in subject.distributions]
    return Found([Table("Import in a fresh process", ["what", "ms", "modules"], rows)], used)


def _environment() -> dict[str, str]:
    env = os.environ.copy()
    with suppress(ImportError):  # then the statement fails, too
        env["PYTHONPATH"] = os.pathsep.join([str(peers.generate()), env.get("PYTHONPATH", "")])
    return env


def _run(label: str, statement: str, env: dict[str, str]) -> tuple[float, float] | None:
    command = [sys.executable, "-c", _CHILD.format(statement=statement)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        print(f"{label} is left out: {done.stderr.splitlines()[-1]}", flush=True)
        return None
    took, modules = map(float, done.stdout.split())
    return took, modules
