"""What a change costs through a whole batch, beside single calls: JSON Lines in, a journal on.

    PYTHONPATH=tests python -m benchmarks.batch_cost
    PYTHONPATH=tests python -m benchmarks.batch_cost --rounds 15 --in-flight 64
    PYTHONPATH=tests python -m benchmarks.batch_cost --tls --loops asyncio uvloop

Single calls and batches take turns, each kind in a process of its own, against a server in another one; ratios are
taken within a round. A batch's CPU is all that its process takes for it, the reading of its file and the journal
included.
"""

import argparse
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import ours, peers
from benchmarks.measure import Opened, opened_apart, spread
from benchmarks.request import CONSENT, Send
from benchmarks.server import serve
from benchmarks.subjects import ASYNCIO, UVLOOP, Lane, Subject
from benchmarks.tls import make_certificate

BASELINE = "aiohttp by hand"
CALLS = 2_000
CHANGES = 10_000


def write_input(path: Path, count: int) -> None:
    """Consent changes, each of an order of its own."""
    change = {"op": "patch_consent", "consent_id": CONSENT, "checked": True}
    lines = (json.dumps(change | {"order_id": f"o_{number:06}"}) for number in range(count))
    path.write_text("\n".join(lines), encoding="utf-8")


@asynccontextmanager
async def batch(url: str, transport: Callable[[], Any], folder: Path, in_flight: int) -> AsyncGenerator[Send]:
    """Makes a whole batch at each call, on connections that stay open."""
    from norce_order_async import RetryPolicy, Timeout
    from norce_order_async.batch import Input, InputFile, Journal, run_batch

    async with ours.make_client(
        url, transport(), retry=RetryPolicy.batch(), timeout=Timeout.batch(), limit=in_flight
    ) as client:

        async def send(number: int) -> None:
            path = folder / f"{random.random()}.journal"
            file = InputFile("changes.jsonl", None, CHANGES)
            with Journal.open(path, inputs=[file], target=url) as journal:
                entries = Input(folder / "changes.jsonl").entries()
                outcomes = run_batch(client, entries, journal=journal, concurrency=in_flight)
                done = sum([outcome.outcome.done async for outcome in outcomes])
            if done != CHANGES:
                raise RuntimeError(f"{done} of {CHANGES} changes are done")

        yield send


def lanes(folder: Path, in_flight: int, loops: list[str]) -> tuple[list[Lane], list[Lane]]:
    """Single calls, and batches."""
    transports: dict[str, Callable[[], Any]] = {"aiohttp": ours.no_transport, "httptools": ours.httptools_transport}
    singles: list[Lane] = []
    batches: list[Lane] = []
    for loop in loops:
        singles.append(Lane(Subject(BASELINE, BASELINE, partial(peers.aiohttp, connections=in_flight)), loop))
        for name, transport in transports.items():
            single = partial(ours.default if name == "aiohttp" else ours.httptools, limit=in_flight)
            singles.append(Lane(Subject(name, f"single call, {name}", single), loop))
            whole = partial(batch, transport=transport, folder=folder, in_flight=in_flight)
            batches.append(Lane(Subject(name, f"batch, {name}", whole), loop))
    return singles, batches


def cost(opened: Opened, count: int) -> float:
    """Microseconds of CPU a change of one batch."""
    before = time.process_time()
    opened.runner.run(_once(opened.send))
    return (time.process_time() - before) / count * 1e6


async def _once(send: Send) -> None:
    await send(0)


def measure(rounds: int, in_flight: int, loops: list[str], tls: bool) -> None:
    """Print the table."""
    with TemporaryDirectory() as name, serve(_trusted(Path(name)) if tls else None) as server:
        folder = Path(name)
        write_input(folder / "changes.jsonl", CHANGES)
        singles, batches = lanes(folder, in_flight, loops)
        results: dict[Lane, list[float]] = {lane: [] for lane in [*singles, *batches]}
        with opened_apart([*singles, *batches], server.url) as ready:
            for number in range(rounds + 1):
                for lane in random.sample(list(ready), len(ready)):
                    turn = ready[lane]
                    taken = turn.make(cost, CHANGES) if lane in batches else turn.run(CALLS, in_flight).cpu
                    if number:  # in the first one caches fill
                        results[lane].append(taken)
    print(f"Against {server.name}{', over TLS' if tls else ''}, {in_flight} in flight, {rounds} rounds of "
          f"{CALLS:,} calls and {CHANGES:,} changes:\n")  # fmt: skip
    print("| | loop | CPU µs | over aiohttp by hand | over its own single call |")
    print("| --- | --- | --- | --- | --- |")
    for lane, each in results.items():
        hand = _of(results, singles, BASELINE, lane.loop)
        own = _of(results, singles, lane.subject.name, lane.loop)
        print(
            f"| {lane.subject.label} | {lane.loop} | {median(each):.1f} | {_ratio(each, hand)} "
            f"| {_ratio(each, own) if lane in batches else ''} |"
        )


def _trusted(folder: Path) -> Path:
    """A server's certificate that this process trusts; to be called before aiohttp is loaded, which reads that once."""
    trusted, certificate = make_certificate(folder)
    os.environ["SSL_CERT_FILE"] = str(trusted)
    return certificate


def _of(results: dict[Lane, list[float]], singles: list[Lane], name: str, loop: str) -> list[float]:
    return next(results[lane] for lane in singles if (lane.subject.name, lane.loop) == (name, loop))


def _ratio(ours: list[float], theirs: list[float]) -> str:
    return spread([one / other for one, other in zip(ours, theirs, strict=True)], ".2f")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--loops", nargs="+", choices=(ASYNCIO, UVLOOP), default=[ASYNCIO])
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    measure(options.rounds, options.in_flight, options.loops, options.tls)
