"""Whether memory or cost grow with the number of calls that a client has made.

    PYTHONPATH=tests python -m benchmarks.soak_calls                200,000 calls, each transport in its own process
    PYTHONPATH=tests python -m benchmarks.soak_calls CALLS          so many
    PYTHONPATH=tests python -m benchmarks.soak_calls CALLS URL CLIENT       in this process, as JSON

The memory after the first 20,000 calls may grow by less than 2 MiB; the command fails otherwise.
"""

import gc
import json
import subprocess
import sys

import attrs

from benchmarks.machine import memory
from benchmarks.measure import MISSING, opened
from benchmarks.server import Server, serve
from benchmarks.subjects import ASYNCIO, LANES
from benchmarks.tables import Found, Table

CALLS, SETTLED, IN_FLIGHT, ALLOWED = 200_000, 20_000, 32, 2.0
_STEP = 10_000
_SHOWN = {10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000}


@attrs.frozen
class Sample:
    """How it was after so many calls.

    Attributes:
        calls: How many.
        cpu: Microseconds of CPU for each of the last 10,000.
        mib: The process's memory.
    """

    calls: int
    cpu: float
    mib: float


def soak(server: Server, calls: int) -> Found:
    """Each transport in a process of its own."""
    rows: list[list[str]] = []
    failures: list[str] = []
    for name in ("ours", "ours-httptools"):
        label = next(lane.subject.label for lane in LANES if lane.subject.name == name)
        command = [sys.executable, "-m", "benchmarks.soak_calls", str(calls), server.url, name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode == MISSING:
            print(done.stdout, end="", flush=True)
            continue
        if done.returncode:
            failures.append(f"{label}: its process ended with {done.returncode}")
        samples = [Sample(**sample) for sample in json.loads(done.stdout)]
        settled = next(sample.mib for sample in samples if sample.calls >= min(SETTLED, calls))
        for sample in samples:
            if sample.calls in _SHOWN or sample.calls == calls:
                grown = f"{sample.mib - settled:+.2f}" if sample.calls > SETTLED else ""
                rows.append([label, f"{sample.calls:,}", f"{sample.cpu:.0f}", f"{sample.mib:.1f}", grown])
        if samples[-1].mib - settled >= ALLOWED:
            failures.append(f"{label}: memory grew by {samples[-1].mib - settled:.2f} MiB; {ALLOWED} are allowed")
    columns = ["client", "calls", "CPU µs a call", "MiB", f"since {SETTLED:,}"]
    caption = f"One client and more and more calls, {IN_FLIGHT} in flight"
    return Found([Table(caption, columns, rows)], ["aiohttp", "httptools"], server.name, failure="; ".join(failures))


def sample(url: str, name: str, calls: int) -> list[Sample] | None:
    """Make the calls; None if the client is not installed."""
    lanes = [lane for lane in LANES if lane.subject.name == name and lane.loop == ASYNCIO]
    samples: list[Sample] = []
    with opened(lanes, url) as ready:
        for each in ready.values():
            while not samples or samples[-1].calls < calls:
                cpu = each.run(_STEP, IN_FLIGHT).cpu
                gc.collect()
                done = samples[-1].calls if samples else 0
                samples.append(Sample(done + _STEP, cpu, memory()))
        return samples if ready else None


def main() -> int:
    """Print; 1 if it failed."""
    if len(sys.argv) > 2:
        samples = sample(sys.argv[2], sys.argv[3], int(sys.argv[1]))
        if samples is None:
            return MISSING
        print(json.dumps([attrs.asdict(each) for each in samples]), flush=True)
        return 0
    with serve() as server:
        found = soak(server, int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
    print(*found.tables[0].text(), found.failure, sep="\n")
    return int(bool(found.failure))


if __name__ == "__main__":
    sys.exit(main())
