"""Memory does not grow with a batch: the largest resident set of each command, for few changes and for many.

    PYTHONPATH=tests python -m soak_batch.memory 30000 300000

The sandbox is another process; its orders are the same few thousand however many changes there are.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soak_batch.processes import INPUT, JOURNAL, all_done, batch, look_at, sandbox, write
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


def readers(folder: Path) -> tuple[dict[str, float], list[str]]:
    """The peak of each command that shows a journal, and those that failed."""
    commands = {
        "status": ("status", JOURNAL),
        "report": ("report", JOURNAL),
        "page": ("report", JOURNAL, "--html", "page.html"),
    }
    ran = {name: look_at(folder, *arguments) for name, arguments in commands.items()}
    failed = [f"{name} of a journal ended with exit code {code}" for name, (code, _) in ran.items() if code]
    return {name: peak for name, (_, peak) in ran.items()}, failed


async def soak(few: int, many: int) -> list[str]:
    """Run both; what was not as promised."""
    violations: list[str] = []
    peaks: list[dict[str, float]] = []
    with TemporaryDirectory() as name:
        async with sandbox(write(Path(name, "orders.jsonl"), changes(min(ORDERS, many)))) as url:
            for count in (few, many):
                folder = Path(name, str(count))
                write(folder / INPUT, changes(count))
                ran = await batch(folder, url)
                violations += all_done(ran, count, f"{count:,} changes")
                shown, failed = readers(folder)
                violations += failed
                peaks.append({"run": ran.peak} | shown)
                size = (folder / JOURNAL).stat().st_size / 2**20
                rate = count / ran.told["seconds"] if ran.told else 0.0
                print(
                    f"{count:,} changes: {ran.seconds:.1f} s, {rate:,.0f}/s, "
                    f"journal {size:.1f} MiB; peaks in MiB: "
                    + ", ".join(f"{name} {peak:.1f}" for name, peak in peaks[-1].items()),
                    flush=True,
                )
    for name, most in peaks[1].items():
        if most > MOST:
            violations.append(f"{name}: the peak is {most:.1f} MiB; {MOST:g} are allowed")
        if (more := most - peaks[0][name]) > MORE:
            violations.append(f"{name}: many took {more:.1f} MiB more than few; {MORE:g} are allowed")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("few", type=int, nargs="?", default=30_000)
    parser.add_argument("many", type=int, nargs="?", default=300_000)
    options = parser.parse_args()
    sys.exit(main("memory", soak(options.few, options.many)))
