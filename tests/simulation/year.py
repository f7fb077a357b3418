"""A year of a client over each transport, in a process of its own each: what the two come to together.

PYTHONPATH=tests python -m simulation year --days 365
"""

import argparse
import gc
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from simulation.runs import TRANSPORTS, Result, run
from simulation.scene import Scene

_DAY = 86_400.0
_STATM = Path("/proc/self/statm")


def memory() -> float:
    """MiB of this process that are in memory now; where the system does not tell, the most there have been."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tell(scene: Scene, every: float) -> None:
    """Print how it stands now and then; nothing of the run depends on it."""
    world, watch = scene.world, scene.watch
    due = 0.0

    def look() -> None:
        nonlocal due
        if (passed := world.now - world.began) >= due:
            due = passed + every
            print(
                f"{scene.transport} day {passed / _DAY:.0f}: {watch.ended:,} calls, "
                f"{len(watch.violations)} violations, {memory():.1f} MiB, {time.process_time():.0f} s of CPU",
                flush=True,
            )

    watch.on_ended = look


def _year(transport: str, seed: int, days: float, every: float) -> Result:
    gc.freeze()  # modules are not looked through again and again
    return run("year", seed, transport, days * 24, begin=partial(_tell, every=every))


def main(arguments: Sequence[str]) -> int:
    """Run the year; 1 where something was seen that must not be."""
    parser = argparse.ArgumentParser(
        prog="simulation year", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=365.0, help="virtual days of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=30.0, help="virtual days between two lines about each")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with ProcessPoolExecutor(len(TRANSPORTS), mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(_year, each, options.seed, options.days, options.every * _DAY) for each in TRANSPORTS]
        results = [each.result() for each in runs]
    took = time.monotonic() - began
    for result in results:
        print(result)
        if result.violations:
            print(result.explanation)
    calls, cpu = sum(each.calls for each in results), sum(each.took for each in results)
    print(
        f"{calls:,} calls in {options.days:g} virtual days over each transport: {took:.0f} s, {calls / took:,.0f} "
        f"calls a second; {cpu:.0f} s of CPU, {calls / cpu:,.0f} calls a second of it; "
        f"{min(each.virtual for each in results) / took:,.0f} virtual seconds a second"
    )
    return int(any(result.violations for result in results))
