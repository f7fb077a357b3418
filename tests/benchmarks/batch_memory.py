"""Peak memory and speed of a batch over the in-process sandbox.

    PYTHONPATH=tests python -m benchmarks.batch_memory              1,000 and 100,000 changes, compared
    PYTHONPATH=tests python -m benchmarks.batch_memory CHANGES      so many, in this process

The orders are the same thousand however many changes there are.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from benchmarks.machine import peak_memory, run_apart
from norce_order_async.batch import Change, DeleteConsent, PatchAttributes, PatchConsent, run_batch
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
    print(
        json.dumps(
            {"outcomes": outcomes, "seconds": round(seconds, 2), "per_second": round(outcomes / seconds),
             "peak_mib": round(peak_memory(), 1)}
        )
    )  # fmt: skip


def compare(few: int, many: int, allowed_mib: float) -> int:
    """Run both numbers of changes in processes of their own; 1 if memory grew by more than is allowed."""
    peaks = [run_apart("batch_memory", count)["peak_mib"] for count in (few, many)]
    print(f"{many:,} changes took {peaks[1] - peaks[0]:.1f} MiB more than {few:,}; {allowed_mib} MiB are allowed")
    return int(peaks[1] - peaks[0] > allowed_mib)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(compare(1_000, 100_000, allowed_mib=30))
    asyncio.run(main(int(sys.argv[1])))
