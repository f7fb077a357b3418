"""A batch that is killed at single system calls of its journal, and continued each time with the same command.

    PYTHONPATH=tests python -m soak_batch.syscalls 2000

A run writes, syncs, truncates and deletes files; ``strace`` kills it at the call of a number. Each run gets a share of
the lines and is then interrupted, so that the calls at its end come, too. Answers are lost meanwhile.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from soak_batch import stopping
from soak_batch.kills import LOST
from soak_batch.ledger import Ledger
from soak_batch.processes import INPUT, JOURNAL, Running, write
from soak_injectors.programs import Unavailable, main

from norce_order_async.testing import SandboxServer

POINTS = (
    *(("pwrite64", number) for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 30, 40, 60, 80, 100, 120)),
    *(("fdatasync", number) for number in range(1, 9)),
    *(("ftruncate", number) for number in range(1, 4)),
    *(("unlink", number) for number in range(1, 4)),
    *(("fcntl", number) for number in (20, 40, 80, 120, 160)),
)


def _killed_at(call: str, number: int) -> tuple[str, ...]:
    return ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")  # fmt: skip  # noqa: E501


async def soak(count: int, seed: int) -> list[str]:
    """Run, kill, continue; what was not as promised."""
    if shutil.which("strace") is None:
        raise Unavailable("strace is not installed")
    ledger = Ledger.write(count, random.Random(seed))
    origin, ended = ledger.sandbox(*LOST), Counter[str]()
    share = count / (len(POINTS) + 1)
    with TemporaryDirectory() as path:
        folder = Path(path)
        write(folder / INPUT, ledger.lines)
        async with SandboxServer(origin) as server:
            for call, number in [*POINTS, ("", 0)]:
                before = origin.count
                running = Running(
                    folder, server.url, "--settle", "0.2", prefix=_killed_at(call, number) if call else ()
                )
                while call and origin.count - before < share and await running.lives(0.005):
                    pass
                if call:
                    running.send(signal.SIGINT)
                ran = await running.end()
                await asyncio.sleep(stopping.SETTLE)
                ledger.after_run(folder / JOURNAL, origin)
                ended[f"{call} killed" if ran.code == -signal.SIGKILL else f"{call} not reached"] += 1
                if "Traceback" in ran.said:
                    ledger.violations.append(f"{call} {number}: {ran.said[-2000:]}")
            outcomes = ledger.settle(folder / JOURNAL)
            await ledger.compare(server.url)
    print(f"syscalls: {count:,} lines, {len(POINTS)} points: {dict(ended)}")
    print(f"  {dict(outcomes)}; {ledger.seen:,} requests, {ledger.twice:,} for a line that had one before", flush=True)
    return ledger.violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.exit(main("syscalls", soak(options.count, options.seed)))
