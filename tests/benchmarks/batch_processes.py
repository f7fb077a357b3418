"""What a change costs the process that deals it out and writes it down: alone, with processes of its own, with Dask.

    PYTHONPATH=tests python -m benchmarks.batch_processes
    PYTHONPATH=tests python -m benchmarks.batch_processes --processes 4 --latency 0.05 --concurrency 100

The server is a process of its own, and single calls of hand-written aiohttp, 32 at once, stand at the top. What the
workers take stands beside it; it includes their start. With a latency, in seconds, workers wait for it: a few cores
then are enough for more of them, and what the command takes can be seen.
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
from typing import Any, Literal

from benchmarks import peers
from benchmarks.batch_cost import write_input
from benchmarks.measure import MANY, Slice, run_slice
from benchmarks.server import serve
from norce_order_async import OrderClient, RetryPolicy, Timeout
from norce_order_async.batch import Batch, Input, Journal
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.transport.httptools import HttptoolsTransport

TOKEN = "benchmark"
IN_FLIGHT = 32
BY_HAND = "aiohttp by hand"
KINDS = (BY_HAND, "one process", "processes", "Dask")


@asynccontextmanager
async def batch(
    kind: str, path: Path, url: str, journal: Journal, processes: int, concurrency: int | Literal["auto"]
) -> AsyncGenerator[Any]:
    """A batch of one kind; to be iterated over."""
    where: dict[str, Any] = {"base_url": url, "merchant": "norce", "channel": "1"}
    source = Input(path)
    source.survey()  # as the command does
    if kind == "one process":
        async with OrderClient(
            **where, auth=TOKEN, retry=RetryPolicy.batch(), timeout=Timeout.batch(), transport=HttptoolsTransport()
        ) as client:
            yield Batch(client, source.entries(), journal=journal, concurrency=concurrency)
    elif kind == "processes":
        settings = where | {"auth": TOKEN, "transport": HttptoolsTransport}
        yield ProcessBatch(source, processes=processes, settings=settings, journal=journal, concurrency=concurrency)
    else:
        from norce_order_async.batch.cluster import ClusterBatch

        yield ClusterBatch(
            source.entries(), cluster=processes, settings=where, journal=journal, concurrency=concurrency
        )


async def run(kind: str, path: Path, url: str, processes: int, concurrency: int | Literal["auto"]) -> None:
    """Run it to its end."""
    with Journal.open(path.with_name(f"{kind}.journal"), inputs=Input(path).survey(), target=url) as journal:
        async with batch(kind, path, url, journal, processes, concurrency) as made, made:
            async for _ in made:
                pass
            if made.stopped or made.progress.failed:
                raise RuntimeError(f"{made.stopped}; {made.progress}")


async def single_calls(url: str, count: int) -> Slice:
    """Single calls of hand-written aiohttp."""
    async with peers.aiohttp(url, connections=IN_FLIGHT) as send:
        return await run_slice(send, count, IN_FLIGHT, MANY)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(changes: int, processes: int, latency: float, concurrency: int | Literal["auto"], kinds: list[str]) -> None:
    """Print the table."""
    os.environ["NORCE_TOKEN"] = TOKEN  # for Dask's workers
    print(f"| {changes:,} changes, {processes} workers | own CPU, µs a change | CPU of all | changes a second |")
    print("| --- | --- | --- | --- |")
    with TemporaryDirectory() as name, serve(latency=latency) as server:
        path = Path(name, "changes.jsonl")
        write_input(path, changes)
        for kind in kinds:
            if kind == BY_HAND:
                hand = asyncio.run(single_calls(server.url, changes))
                print(f"| {kind} | {hand.cpu:.0f} | {hand.cpu:.0f} | {hand.per_second:,.0f} |", flush=True)
                continue
            own, others, began = time.process_time(), _children(), time.monotonic()
            asyncio.run(run(kind, path, server.url, processes, concurrency))
            taken = time.process_time() - own
            whole = taken + _children() - others
            rate = changes / (time.monotonic() - began)
            print(f"| {kind} | {taken / changes * 1e6:.0f} | {whole / changes * 1e6:.0f} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=40_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--only", choices=KINDS, action="append")
    options = parser.parse_args()
    measure(
        options.changes, options.processes, options.latency, options.concurrency or "auto", options.only or list(KINDS)
    )
