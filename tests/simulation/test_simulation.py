"""Simulated time: short runs of every workload, and that a seed gives the same run each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.runs import TRANSPORTS, WORKLOADS, run

TESTS = Path(__file__).parent.parent
SEEDS = 50
HOURS = 0.5


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_seed_shows_anything_that_must_not_be(workload: str, transport: str) -> None:
    share = SEEDS // len(WORKLOADS) // len(TRANSPORTS)
    for seed in range(share):
        result = run(workload, seed, transport, HOURS)
        assert not result.violations, result.explanation
        assert result.calls


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_seed_gives_the_same_trace_in_another_process(workload: str) -> None:
    here = [run(workload, 1000, transport, HOURS).digest for transport in TRANSPORTS]
    program = (
        "from simulation.runs import TRANSPORTS, run\n"
        f"print(*(run({workload!r}, 1000, transport, {HOURS}).digest for transport in TRANSPORTS))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(TESTS)}
    there = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.split() == here
