"""How processes end that have made calls with a client and closed it.

PYTHONPATH=tests python -m benchmarks.exits pyreqwest           25 processes
PYTHONPATH=tests python -m benchmarks.exits ours-httptools 100      so many
"""

import subprocess
import sys
from collections import Counter

from benchmarks.server import serve
from benchmarks.subjects import ASYNCIO

PROCESSES = 25


def main(name: str, processes: int) -> None:
    """Run them, and print how often each exit code came."""
    with serve() as server:
        command = [sys.executable, "-m", "benchmarks.memory", server.url, name, ASYNCIO]
        codes = Counter(subprocess.run(command, capture_output=True).returncode for _ in range(processes))
    print(", ".join(f"{count} of {processes} processes ended with {code}" for code, count in codes.most_common()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else PROCESSES)
