"""How processes end that make calls with a client, close it, and have nothing else to do.

PYTHONPATH=tests python -m benchmarks.exits pyreqwest           25 processes
PYTHONPATH=tests python -m benchmarks.exits ours-httptools 100      so many
"""

import asyncio
import subprocess
import sys
from collections import Counter

from benchmarks.server import serve
from benchmarks.subjects import APART, LANES

PROCESSES, CALLS, IN_FLIGHT = 25, 3_000, 100
_CHILD = "from benchmarks.exits import make_calls; import asyncio; asyncio.run(make_calls({url!r}, {name!r}))"


async def make_calls(url: str, name: str) -> None:
    """What each process does."""
    subject = next(lane.subject for lane in [*LANES, *APART] if lane.subject.name == name)
    async with subject.open(url) as send:
        for first in range(0, CALLS, IN_FLIGHT):
            await asyncio.gather(*(send(first + number) for number in range(IN_FLIGHT)))


def main(name: str, processes: int) -> None:
    """Run them, and print how often each exit code came."""
    with serve() as server:
        command = [sys.executable, "-c", _CHILD.format(url=server.url, name=name)]
        codes = Counter(subprocess.run(command, capture_output=True).returncode for _ in range(processes))
    print(", ".join(f"{count} of {processes} processes ended with {code}" for code, count in codes.most_common()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else PROCESSES)
