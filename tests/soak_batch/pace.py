"""What the pace makes of servers, as a table: simulated ones in virtual time, then nginx with ``limit_req``.

Then what batches make of orders that always fail: in one process in virtual time, and with two Dask workers.

    PYTHONPATH=tests python -m soak_batch.pace
    PYTHONPATH=tests python -m soak_batch.pace --before COMMIT --changes 6000

A figure that is not as promised is marked. The simulated figures are the same everywhere and every time; those of nginx
need a machine with a core to spare. Its rows are left out, and it is said why, where there is no nginx.
"""

import argparse
import asyncio
import sys

import bad_orders
from soak_batch import limiter, pace_table, two_workers
from soak_injectors.programs import Unavailable, main

from norce_order_async.sending.pace import Pace


async def nginx(count: int) -> bool:
    """Print the rows of nginx; whether all is as promised."""
    try:
        ran = await limiter.measure(count)
    except Unavailable as error:
        print(f"left out: {error}")
        return True
    held = True
    for one in ran:
        for name, value, least, most in one.figures():
            holds = least <= value <= most
            bound = f">= {least:g}" if most == float("inf") else f"<= {most:g}"
            print(pace_table.row(f"nginx, 200/s, {one.name}", name, bound, [(value, holds)]), flush=True)
            held = held and holds
        held = held and not one.violations
        for violation in one.violations:
            print(f"  {violation}")
    return held


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="COMMIT", help="compare with the pace of this commit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=8_000, help="of each run against nginx; 0 leaves them out")
    options = parser.parse_args()
    older = [pace_table.before(options.before)] if options.before else []
    table = pace_table.table([*older, Pace], options.seed)
    real = not options.changes or asyncio.run(nginx(options.changes))
    alone = asyncio.run(bad_orders.table(None))
    together = not main("two workers", two_workers.soak(1_000))
    sys.exit(not (table and real and alone and together))
