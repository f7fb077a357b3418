"""What a change costs the process that deals it out and writes it down: alone, with processes of its own, with Dask.

    PYTHONPATH=tests python -m benchmarks.batch_processes
    PYTHONPATH=tests python -m benchmarks.batch_processes --changes 40000 --processes 2

The server is a process of its own. What the workers take stands beside it; it includes their start.
"""

import argparse
import asyncio
import os
import resource
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.batch_cost import write_input
from benchmarks.server import serve

from norce_order_async import Batch, Input, Journal, OrderClient, RetryPolicy, Timeout
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.transport.httptools import HttptoolsTransport

TOKEN = "benchmark"


@asynccontextmanager
async def batch(kind: str, path: Path, url: str, journal: Journal, processes: int) -> AsyncGenerator[Any]:
    """A batch of one kind; to be iterated over."""
    where: dict[str, Any] = {"base_url": url, "merchant": "norce", "channel": "1"}
    entries = Input(path).entries()
    if kind == "one process":
        async with OrderClient(
            **where, auth=TOKEN, retry=RetryPolicy.batch(), timeout=Timeout.batch(), transport=HttptoolsTransport()
        ) as client:
            yield Batch(client, entries, journal=journal)
    elif kind == "processes":
        settings = where | {"auth": TOKEN, "transport": HttptoolsTransport}
        yield ProcessBatch(entries, processes=processes, settings=settings, journal=journal)
    else:
        from norce_order_async.batch.cluster import ClusterBatch

        yield ClusterBatch(entries, cluster=processes, settings=where, journal=journal)


async def run(kind: str, path: Path, url: str, processes: int) -> None:
    """Run it to its end."""
    with Journal.open(path.with_name(f"{kind}.journal"), inputs=[], target=url) as journal:
        async with batch(kind, path, url, journal, processes) as made, made:
            async for _ in made:
                pass
            if made.stopped or made.progress.failed:
                raise RuntimeError(f"{made.stopped}; {made.progress}")


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(changes: int, processes: int) -> None:
    """Print the table."""
    os.environ["NORCE_TOKEN"] = TOKEN  # for Dask's workers
    print(f"| {changes:,} changes, {processes} workers | own CPU, µs a change | CPU of all | changes a second |")
    print("| --- | --- | --- | --- |")
    with TemporaryDirectory() as name, serve() as server:
        path = Path(name, "changes.jsonl")
        write_input(path, changes)
        for kind in ("one process", "processes", "Dask"):
            own, others, began = time.process_time(), _children(), time.monotonic()
            asyncio.run(run(kind, path, server.url, processes))
            taken = time.process_time() - own
            whole = taken + _children() - others
            rate = changes / (time.monotonic() - began)
            print(f"| {kind} | {taken / changes * 1e6:.0f} | {whole / changes * 1e6:.0f} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=40_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    measure(options.changes, options.processes)
