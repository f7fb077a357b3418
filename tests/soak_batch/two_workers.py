"""Orders that always answer 500, in a batch of the command with two Dask workers, as a table.

    PYTHONPATH=tests python -m soak_batch.two_workers 1000

Every other change is made, every bad one ends with its own error, and the batch does not stop before its input.
"""

import argparse
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_orders import bad_ones
from soak_batch.processes import INPUT, Ran, batch, write
from soak_injectors.programs import main

from norce_order_async.testing.conformance.origin import Peer, RawOrigin, response_bytes

SHARES = (1, 5, 10, 30)
_ORDER = re.compile(rb"/orders/o_(\d+)")


@asynccontextmanager
async def server(bad: frozenset[int]) -> AsyncGenerator[str]:
    """The address of a server that answers 500 for these orders, and 200 for all others."""

    async def serve(peer: Peer) -> None:
        while True:
            order = _ORDER.search(await peer.request())
            is_bad = order is not None and int(order[1]) in bad
            peer.write(response_bytes(500 if is_bad else 200, b"{}", Content_Type="application/json"))

    async with RawOrigin(serve) as origin:
        yield origin.url


async def run(share: int, count: int) -> tuple[Ran, int]:
    """Run a batch in which so many of a hundred orders are bad; how it ended, and how many were."""
    bad = bad_ones(f"{share} % spread", count)
    with TemporaryDirectory() as name:
        folder = Path(name, "batch")
        change = {"op": "patch_consent", "consent_id": "ci", "checked": True}
        write(folder / INPUT, (change | {"order_id": f"o_{number}"} for number in range(count)))
        async with server(bad) as url:
            return await batch(folder, url, "--workers", "2"), len(bad)


async def soak(count: int) -> list[str]:
    """Print the table; what was not as promised."""
    violations: list[str] = []
    print("| bad orders, two workers | good applied | bad: own error | requests | s |")
    print("| --- | --- | --- | --- | --- |")
    for share in SHARES:
        ran, bad = await run(share, count)
        own = ran.told["problems"].get("ServerError", {}).get("count", 0)
        print(
            f"| {bad} of {count:,} spread | {ran.told['done']:,} of {count - bad:,} | {own} of {bad} "
            f"| {ran.told['requests']:,} | {ran.seconds:.0f} |",
            flush=True,
        )
        if (ran.code, ran.told["done"], own, ran.told["stopped"]) != (1, count - bad, bad, None):
            violations.append(f"{share} % of bad orders: exit code {ran.code}, {ran.told}")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1_000)
    options = parser.parse_args()
    sys.exit(main("two workers", soak(options.count)))
