"""Peak memory and speed of a batch over the in-process sandbox: python batch_memory.py CHANGES

Prints one line of JSON. The orders are the same thousand however many changes there are.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator

from norce_order_async import Change, DeleteConsent, PatchAttributes, PatchConsent, run_batch
from norce_order_async.testing import Sandbox

ORDERS = 1_000


def changes(count: int) -> Iterator[Change]:
    """Consent and attribute changes, in turn over all orders."""
    for number in range(count):
        order_id = f"o_{number % ORDERS:04d}"
        match number // ORDERS % 10:
            case 0 | 1 | 2 | 3 | 4 | 5:
                yield PatchConsent(order_id, "ci_newsletter", checked=number % 2 == 0)
            case 9:
                yield DeleteConsent(order_id, "ci_gone")
            case _:
                yield PatchAttributes(order_id, {"erpId": f"A-{number % 97}", "exported": True, "note": None})


async def main(count: int) -> None:
    """Run the batch and print what it took."""
    sandbox = Sandbox()
    for number in range(ORDERS):
        sandbox.add_order(f"o_{number:04d}", consents=["ci_newsletter"])
    outcomes = 0
    started = time.perf_counter()
    async with sandbox.client() as client:
        async for _ in run_batch(client, changes(count)):
            outcomes += 1
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"outcomes": outcomes, "seconds": round(seconds, 2), "per_second": round(outcomes / seconds),
             "peak_mib": round(peak, 1)}
        )
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
