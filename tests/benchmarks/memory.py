"""The most memory that a process has which makes calls with one client and does nothing else.

PYTHONPATH=tests python -m benchmarks.memory URL CLIENT        the MiB of this process
"""

import subprocess
import sys

from benchmarks.machine import peak_memory
from benchmarks.measure import MISSING, opened
from benchmarks.server import Server
from benchmarks.subjects import APART, ASYNCIO, LANES, SUBJECTS
from benchmarks.tables import Found, Table

CALLS, IN_FLIGHT = 5_000, 32
_NONE = "none"


def measure(server: Server) -> Found:
    """Each client in a process of its own."""
    nothing = _peak(server.url, _NONE) or 0.0
    rows = [["none: Python and the benchmark", f"{nothing:.1f}", "0.0"]]
    for subject in SUBJECTS:
        if (peak := _peak(server.url, subject.name)) is not None:
            rows.append([subject.label, f"{peak:.1f}", f"{peak - nothing:.1f}"])
    caption = f"Peak memory of a process that makes {CALLS:,} calls, {IN_FLIGHT} in flight"
    used = [name for subject in SUBJECTS for name in subject.distributions]
    return Found([Table(caption, ["client", "MiB", "above none"], rows)], used, server.name)


def _peak(url: str, name: str) -> float | None:
    command = [sys.executable, "-m", "benchmarks.memory", url, name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == MISSING:
        print(done.stdout, end="", flush=True)
        return None
    if done.returncode:
        print(f"{name} ended its process with {done.returncode}", flush=True)
    return float(done.stdout)


def main(url: str, name: str) -> int:
    """Make the calls and print the MiB."""
    lanes = [lane for lane in [*LANES, *APART] if lane.subject.name == name and lane.loop == ASYNCIO]
    with opened(lanes, url) as ready:
        if not ready and name != _NONE:
            return MISSING
        for each in ready.values():
            each.run(CALLS, IN_FLIGHT)
        print(peak_memory(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
