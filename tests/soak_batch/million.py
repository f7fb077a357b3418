"""A batch of a million changes through the command: its memory, and its CPU for a change.

    PYTHONPATH=tests python -m soak_batch.million
    PYTHONPATH=tests python -m soak_batch.million 300000 --processes 2

Against nginx, or where there is none a small server in a process of its own. With ``--processes``, the memory is that
of the largest process, and the CPU that of all.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.server import serve
from soak_batch.processes import INPUT, all_done, batch, write
from soak_injectors.programs import main

MOST = 64.0
"""MiB."""


def changes(count: int) -> Iterator[str]:
    """Consent changes, each of an order of its own."""
    change = {"op": "patch_consent", "consent_id": "ci_newsletter", "checked": True}
    return (json.dumps(change | {"order_id": f"o_{number:07}"}) for number in range(count))


async def soak(count: int, processes: int | None) -> list[str]:
    """Run it; what was not as promised."""
    arguments = () if processes is None else ("--processes", str(processes))
    with TemporaryDirectory() as name, serve() as server:
        folder = Path(name, "batch")
        write(folder / INPUT, changes(count))
        ran = await batch(folder, server.url, *arguments)
        size = (folder / f"{INPUT}.journal").stat().st_size
    print(
        f"{count:,} changes against {server.name}: {ran.seconds:.0f} s, {count / ran.seconds:,.0f}/s, "
        f"{ran.cpu / count * 1e6:.0f} µs of CPU a change, peak {ran.peak:.1f} MiB, "
        f"journal {size / count:.0f} bytes a change"
    )
    violations = all_done(ran, count, f"{count:,} changes")
    if ran.peak > MOST:
        violations.append(f"the peak is {ran.peak:.1f} MiB; {MOST:g} are allowed")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--processes", type=int)
    options = parser.parse_args()
    sys.exit(main("million", soak(options.count, options.processes)))
