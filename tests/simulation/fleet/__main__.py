"""Run the fleet's scenarios with each policy, and write tables and pictures.

PYTHONPATH=tests python -m simulation.fleet --write docs/_static/simulation
PYTHONPATH=tests python -m simulation.fleet --scenario outage --seed 7
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simulation.fleet import numbers
from simulation.fleet.picture import draw
from simulation.fleet.running import run_named
from simulation.fleet.scenarios import POLICIES, SCENARIOS
from simulation.fleet.table import scenario_table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", choices=[*SCENARIOS, *numbers.TABLES], action="append", help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="a folder for tables and pictures; without it tables are printed")
    options = parser.parse_args()
    names: Sequence[str] = options.scenario or [*SCENARIOS, *numbers.TABLES]
    folder: Path | None = options.write
    # spawn: a forked worker would begin with what this process has
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn")) as pool:
        for name in names:
            if name in SCENARIOS:
                jobs = {policy: pool.submit(run_named, name, policy, options.seed) for policy in POLICIES}
                runs = {policy: job.result() for policy, job in jobs.items()}
                text, picture = scenario_table(runs), draw(runs)
            else:
                text, picture = numbers.TABLES[name](pool, options.seed), None
            print(text, flush=True)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"fleet-{name}.md").write_text(text)
                if picture is not None:
                    (folder / f"fleet-{name}.svg").write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
