"""Orders that always answer 500, in a batch of the command with two Dask workers, as a table.

    PYTHONPATH=tests python -m soak_batch.two_workers 1000

Every other change is made, every bad one ends with its own error, and the batch does not stop before its input.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_orders import bad_ones
from soak_batch.processes import INPUT, Ran, batch, write
from soak_injectors.programs import main

SHARES = (1, 5, 10, 30)
_ORDER = re.compile(rb"/orders/o_(\d+)")


@asynccontextmanager
async def server(bad: frozenset[int]) -> AsyncGenerator[str]:
    """The address of a server that answers 500 for these orders, and 200 for all others."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                _, _, length = head.lower().partition(b"content-length:")
                await reader.readexactly(int(length.partition(b"\r\n")[0] or 0))
                order = _ORDER.search(head)
                status = b"500 No" if order is not None and int(order[1]) in bad else b"200 OK"
                writer.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it was closed
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


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
