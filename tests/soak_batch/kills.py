"""A batch that is killed again and again, and continued: one true outcome for every line, and nothing done again.

    PYTHONPATH=tests python -m soak_batch.kills 6000 --kills 20
    PYTHONPATH=tests python -m soak_batch.kills 12000 --kills 30 --transport aiohttp
    PYTHONPATH=tests python -m soak_batch.kills 12000 --kills 30 --workers 2

The sandbox keeps every request. After each kill, what the journal has closed is held against the requests that come
later; in the end, every outcome against the requests of its line, and every order against the last lines about it.
"""

import argparse
import random
import signal
import sys

from soak_batch import stopping
from soak_batch.processes import Running
from soak_injectors.programs import main

LOST = ("drop-after:share=2%", "drop-before:share=1%")


async def kill(batch: Running, _: random.Random) -> None:
    """Kill it."""
    batch.send(signal.SIGKILL)


async def soak(count: int, kills: int, seed: int, *, lossy: bool = True, arguments: tuple[str, ...] = ()) -> list[str]:
    """Once with a server that answers everything, once with answers that are lost; what was not as promised."""
    violations: list[str] = []
    for name, faults in (("kills", ()), ("kills, answers lost", LOST))[: 1 + lossy]:
        found, _ = await stopping.soak(
            name, kill, {-signal.SIGKILL}, count=count, stops=kills, seed=seed, faults=faults, arguments=arguments
        )
        violations += found
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=6_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="only with a server that answers everything")
    parser.add_argument("--transport", choices=("aiohttp", "httptools"))
    parser.add_argument("--workers", help="with so many Dask workers")
    parser.add_argument("--processes", help="with so many processes")
    options = parser.parse_args()
    given = [(f"--{name}", getattr(options, name)) for name in ("transport", "workers", "processes")]
    arguments = tuple(word for option in given if option[1] is not None for word in option)
    sys.exit(
        main("kills", soak(options.count, options.kills, options.seed, lossy=not options.quick, arguments=arguments))
    )
