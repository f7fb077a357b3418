"""Simulated time: short runs of every workload, and that a seed gives the same run each time."""

import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest
from simulation.runs import TRANSPORTS, run

TESTS = Path(__file__).parent.parent
SEEDS = 50
HOURS = {"worker": 0.4, "web-app": 0.1, "batch": 0.2, "processes": 0.2, "adapters": 0.1, "rush": 0.1}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("workload", HOURS)
def test_no_seed_shows_anything_that_must_not_be(workload: str, transport: str) -> None:
    for seed in range(-(-SEEDS // len(HOURS) // len(TRANSPORTS))):
        result = run(workload, seed, transport, HOURS[workload])
        assert not result.violations, result.explanation
        assert result.calls


def test_a_seed_gives_the_same_trace_in_another_process() -> None:
    runs = [(each, 1000, transport, HOURS[each]) for each, transport in zip(HOURS, cycle(TRANSPORTS), strict=False)]
    program = f"from simulation.runs import run\nfor each in {runs}: print(run(*each).digest)"
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(TESTS)}
    there = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.split() == [run(*each).digest for each in runs]
