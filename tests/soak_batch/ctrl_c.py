"""A batch that is interrupted at random moments, once or twice, and continued: the same account as after kills.

    PYTHONPATH=tests python -m soak_batch.ctrl_c 3000 --times 10

After one Ctrl-C, what is in flight is finished: nothing is sent twice. A second one, up to 50 ms later, ends it at
once.
"""

import argparse
import random
import signal
import sys

from soak_batch import stopping
from soak_batch.processes import Running
from soak_injectors.programs import main


async def once(batch: Running, _: random.Random) -> None:
    """Interrupt it."""
    batch.send(signal.SIGINT)


async def twice(batch: Running, rng: random.Random) -> None:
    """Interrupt it, and again while it finishes what is in flight."""
    batch.send(signal.SIGINT)
    if await batch.lives(rng.uniform(0, 0.05)):
        batch.send(signal.SIGINT)


async def soak(count: int, times: int, seed: int) -> list[str]:
    """Once and twice; what was not as promised."""
    codes = {130, -signal.SIGINT}  # the latter while Python starts or ends; to a shell it is 130, too
    violations, ledger = await stopping.soak("Ctrl-C once", once, codes, count=count, stops=times, seed=seed)
    if ledger.twice:
        violations.append(f"{ledger.twice} requests for a line that had one before, after one Ctrl-C")
    found, _ = await stopping.soak("Ctrl-C twice", twice, codes, count=count, stops=times, seed=seed)
    return violations + found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, so would the batch
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=3_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.exit(main("Ctrl-C", soak(options.count, options.times, options.seed)))
