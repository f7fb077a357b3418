"""Run the fleet's scenarios with each policy, and write tables and pictures.

PYTHONPATH=tests python -m simulation.fleet --write docs/_static/simulation
PYTHONPATH=tests python -m simulation.fleet --scenario outage --seed 7
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simulation.fleet.numbers import COMPARISONS, compare
from simulation.fleet.picture import draw
from simulation.fleet.running import run_named
from simulation.fleet.scenarios import POLICIES, REFUSING, SCENARIOS
from simulation.fleet.table import Runs, scenario_table


def _run(pool: Executor, name: str, refusing: float, seeds: Sequence[int]) -> Runs:
    jobs = {policy: [pool.submit(run_named, name, policy, refusing, seed) for seed in seeds] for policy in POLICIES}
    return {policy: [job.result() for job in each] for policy, each in jobs.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", choices=[*SCENARIOS, *COMPARISONS], action="append", help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=3, help="so many; tables have the median, and the range")
    parser.add_argument("--refusing", type=float, default=REFUSING, help="what a refusal costs the API, in requests")
    parser.add_argument("--write", type=Path, help="a folder for tables and pictures; without it tables are printed")
    options = parser.parse_args()
    names: Sequence[str] = options.scenario or [*SCENARIOS, *COMPARISONS]
    folder: Path | None = options.write
    seeds = range(options.seed, options.seed + options.seeds)
    # spawn: a forked worker would begin with what this process has
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn")) as pool:
        for name in names:
            if name in SCENARIOS:
                runs = _run(pool, name, options.refusing, seeds)
                text, picture = scenario_table(runs), draw({policy: each[0] for policy, each in runs.items()})
            else:
                text, picture = compare(pool, name, seeds), None
            print(text, flush=True)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"fleet-{name}.md").write_text(text)
                if picture is not None:
                    (folder / f"fleet-{name}.svg").write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
