"""Many shops on one client: what a shop costs, and what it notices of others that hang, fail or flood.

    PYTHONPATH=tests python -m benchmarks.shops [SECONDS]

Two hundred shops with hosts and tokens of their own call for so many seconds: the good ones once a second, alone and
beside the others on one client, and beside the others with a client for each shop.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from statistics import quantiles
from typing import Any

from benchmarks.machine import memory, open_files
from benchmarks.shops_server import HOSTS, serving
from benchmarks.tables import Table
from norce_order_async import CallError, OrderClient, delete_consent

GOOD = [f"good{number}" for number in range(196)]
BAD = {"hangs": 10, "fails1": 10, "fails2": 10, "floods": 250}
"""The calls a second of the others; answers to the last one take half a second."""
MANY = 10_000
WAYS = {
    "alone": "196 shops, one client",
    "together": "and 4 bad ones, one client",
    "apart": "and 4 bad ones, 200 clients",
}


def address(port: int, host: str, merchant: str) -> dict[str, Any]:
    """What tells a shop from the others."""
    return {
        "base_url": f"http://{host}:{port}/checkout/order",
        "merchant": merchant,
        "auth": f"token-of-{merchant}@{host}",
    }


def make_client(port: int, host: str, merchant: str) -> OrderClient:
    """A client of one shop."""
    return OrderClient(**address(port, host, merchant), channel="1", allow_http=True)


async def live(port: int, way: str, seconds: float) -> dict[str, float]:
    """Let the shops call; what the good ones notice, and what this process takes."""
    before, times, failures, files = memory(), list[float](), 0, 0
    rates = dict.fromkeys(GOOD, 1) | ({} if way == "alone" else BAD)
    loop, cpu = asyncio.get_running_loop(), time.process_time()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(make_client(port, HOSTS[0], "own"))

        async def call(client: OrderClient | None, host: str, merchant: str) -> None:
            nonlocal failures
            begin = loop.time()
            try:
                await delete_consent(client or one.scoped(**address(port, host, merchant)), "o_1", "ci")
            except CallError:
                failures += merchant in GOOD
            if merchant in GOOD:
                times.append(loop.time() - begin)

        async def keep_calling(host: str, merchant: str, rate: int, first: float) -> None:
            client = make_client(port, host, merchant) if way == "apart" else None
            if client is not None:
                await stack.enter_async_context(client)
            await asyncio.sleep(first)
            async with asyncio.TaskGroup() as calls:
                while loop.time() < ends:
                    calls.create_task(call(client, host, merchant))
                    await asyncio.sleep(1 / rate)

        ends = loop.time() + seconds
        async with asyncio.TaskGroup() as shops:
            for number, (merchant, rate) in enumerate(rates.items()):
                shops.create_task(keep_calling(HOSTS[number + 1], merchant, rate, number / len(rates)))
            await asyncio.sleep(seconds - 0.5)
            files, used = open_files(), memory() - before
    cuts = quantiles(times, n=100)
    return {
        "calls": len(times), "failed": failures, "p50": cuts[49], "p90": cuts[89], "p99": cuts[98],
        "longest": max(times), "files": files, "mib": used,
        "cpu": (time.process_time() - cpu) / seconds,
    }  # fmt: skip


def measure_many() -> list[str]:
    """The cost of ten thousand shops on one client, and what is left of them."""
    one = make_client(1, HOSTS[0], "own")
    one.scoped(**address(1, "127.2.0.1", "first"))
    gc.collect()
    before, begin = memory(), time.process_time()
    views = [one.scoped(**address(1, f"127.2.{number // 250}.{number % 250}", f"m{number}")) for number in range(MANY)]
    seconds, used = time.process_time() - begin, memory() - before
    shops = len(one.stats(by_shop=True).shops)
    begin = time.process_time()
    for number in range(MANY):
        views[number].scoped(channel="2")
    again = time.process_time() - begin
    views.clear()
    gc.collect()
    left = len(one.stats(by_shop=True).shops)
    return [
        f"{shops:,} shops, each a view with an address, a merchant and a token: {used / MANY * 1024:.1f} KiB and "
        f"{seconds / MANY * 1e6:.1f} µs a shop;",
        f"a view for another channel takes {again / MANY * 1e6:.1f} µs; {left:,} shops are remembered without a view",
    ]


def main(seconds: float) -> None:
    """Each way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.shops"]
    print(subprocess.run([*command, "many"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    rows: list[list[str]] = []
    for way, label in WAYS.items():
        with serving() as port:
            run = [*command, way, str(port), str(seconds)]
            found = json.loads(subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True).stdout)
        times = [f"{1000 * found[name]:.1f}" for name in ("p50", "p90", "p99", "longest")]
        failed = f"{found['failed']:.0f} of {found['calls']:,.0f}"
        rows.append([label, *times, failed, f"{found['cpu']:.0%}", f"{found['files']:.0f}", f"{found['mib']:.1f}"])
    columns = ["the good shops' calls", "p50 ms", "p90 ms", "p99 ms", "longest ms", "failed", "CPU", "files", "MiB"]
    print("\n".join(Table(f"{seconds:g} seconds", columns, rows).text()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["many"]:
            print("\n".join(measure_many()))
        case [way, port, seconds]:
            print(json.dumps(asyncio.run(live(int(port), way, float(seconds)))))
        case arguments:
            main(*map(float, arguments or ["60"]))
