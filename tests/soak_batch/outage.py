"""A batch whose server is gone for some seconds: everything is made in the end, and little is wasted.

    PYTHONPATH=tests python -m soak_batch.outage 20000

The sandbox lives on behind a gate that refuses connections, takes them and says nothing, or answers 502. A server
that is not there from the beginning is another matter: the batch ends at once, and can be continued.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soak_batch.gate import Gate, Mode
from soak_batch.processes import INPUT, Ran, Running, all_done, batch, sandbox, write
from soak_injectors.programs import main

GONE = 5.0
"""Seconds."""
WASTED = 200
"""So many requests may be in vain: twice as many as are in flight at most."""
AFTER = 10.0
"""Seconds that a batch may take beyond the outage, where failures are seen at once."""
ORDERS = 2_000


def changes(count: int) -> Iterator[dict[str, Any]]:
    """Attribute changes, in turn over all orders."""
    for number in range(count):
        yield {"op": "patch_attributes", "order_id": f"o_{number % ORDERS}", "attributes": {"erpId": number}}


async def through(folder: Path, url: str, count: int, mode: Mode) -> tuple[Ran, Gate, float]:
    """Run a batch whose server is gone from a third of it on; also the seconds from its return to the next answer."""
    write(folder / INPUT, changes(count))
    async with Gate(url) as gate:
        running = Running(folder, gate.url)
        back = 0.0
        if mode != "open":
            while gate.passed < count // 3 and await running.lives(0.01):
                pass
            await gate.turn(mode)
            await asyncio.sleep(GONE)
            before, returned = gate.passed, time.monotonic()
            await gate.turn("open")
            while gate.passed == before and await running.lives(0.01):
                pass
            back = time.monotonic() - returned
        return await running.end(), gate, back


async def absent(folder: Path, url: str, count: int) -> list[str]:
    """Nobody is there at first: it says so at once, and the same command does it all later."""
    write(folder / INPUT, changes(count))
    async with Gate(url, "refused") as gate:
        ran = await batch(folder, gate.url)
        print(
            f"outage, refused from the beginning: exit code {ran.code} after {ran.seconds:.1f} s, "
            f"{ran.told.get('outcomes')}, {ran.told.get('stopped')}",
            flush=True,
        )
        violations = [] if ran.code == 3 else [f"refused from the beginning: exit code {ran.code}, not 3"]
        if ran.seconds > GONE:
            violations.append(f"refused from the beginning: it took {ran.seconds:.1f} s to say so")
        await gate.turn("open")
        again = await batch(folder, gate.url)
        print(f"  continued: exit code {again.code}, {again.told.get('done'):,} done, {gate.arrived:,} requests")
        return violations + all_done(again, count, "continued")


async def soak(count: int) -> list[str]:
    """Run every variant; what was not as promised."""
    violations: list[str] = []
    usual = 0.0
    modes: tuple[Mode, ...] = ("open", "refused", "silent", "502")
    with TemporaryDirectory() as path:
        async with sandbox(write(Path(path, "orders.jsonl"), changes(ORDERS))) as url:
            for mode in modes:
                ran, gate, back = await through(Path(path, mode), url, count, mode)
                violations += all_done(ran, count, mode)
                requests, seconds = ran.told.get("requests", 0), ran.told.get("seconds", 0.0)
                usual = usual or seconds
                wasted = requests - count
                print(
                    f"outage, {mode}: {count:,} changes in {seconds:.1f} s ({seconds - usual:+.1f} s), exit code "
                    f"{ran.code}; {wasted:,} requests more than changes ({wasted / count:.2%}), {gate.arrived:,} "
                    f"arrived; the next answer {back:.1f} s after the server was back; "
                    f"slowed {ran.told.get('slowed')}",
                    flush=True,
                )
                if wasted > WASTED:
                    violations.append(f"{mode}: {wasted} requests were in vain")
                if mode not in ("open", "silent") and seconds > usual * 1.5 + GONE + AFTER:
                    violations.append(f"{mode}: it took {seconds - usual:.1f} s more")
            violations += await absent(Path(path, "absent"), url, count)
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    options = parser.parse_args()
    sys.exit(main("outage", soak(options.count)))
