"""Memory does not grow with a batch: the largest resident set of the process, for few changes and for many.

    PYTHONPATH=tests python -m soak_batch.memory 30000 300000

The sandbox is another process; its orders are the same few thousand however many changes there are.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soak_batch.processes import INPUT, all_done, batch, sandbox, write
from soak_injectors.programs import main

ORDERS = 3_000
MOST = 120.0
"""MiB."""
MORE = 10.0
"""MiB that many changes may take more than few."""


def changes(count: int) -> Iterator[dict[str, Any]]:
    """Consent and attribute changes, in turn over all orders."""
    for number in range(count):
        order_id = f"o_{number % ORDERS:04d}"
        if number // ORDERS % 2:
            yield {"op": "patch_attributes", "order_id": order_id, "attributes": {"erpId": number, "note": None}}
        else:
            yield {"op": "patch_consent", "order_id": order_id, "consent_id": "ci", "checked": number % 4 == 0}


async def soak(few: int, many: int) -> list[str]:
    """Run both; what was not as promised."""
    violations: list[str] = []
    peaks: list[float] = []
    with TemporaryDirectory() as name:
        async with sandbox(write(Path(name, "orders.jsonl"), changes(ORDERS))) as url:
            for count in (few, many):
                folder = Path(name, str(count))
                write(folder / INPUT, changes(count))
                ran = await batch(folder, url)
                violations += all_done(ran, count, f"{count:,} changes")
                peaks.append(ran.peak)
                size = (folder / f"{INPUT}.journal").stat().st_size / 2**20
                rate = count / ran.told["seconds"] if ran.told else 0.0
                print(
                    f"{count:,} changes: {ran.seconds:.1f} s, {rate:,.0f}/s, "
                    f"peak {ran.peak:.1f} MiB, journal {size:.1f} MiB",
                    flush=True,
                )
    if max(peaks) > MOST:
        violations.append(f"the peak is {max(peaks):.1f} MiB; {MOST:g} are allowed")
    if peaks[1] - peaks[0] > MORE:
        violations.append(f"many took {peaks[1] - peaks[0]:.1f} MiB more than few; {MORE:g} are allowed")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("few", type=int, nargs="?", default=30_000)
    parser.add_argument("many", type=int, nargs="?", default=300_000)
    options = parser.parse_args()
    sys.exit(main("memory", soak(options.few, options.many)))
