"""Run workloads in simulated time, and print what came of each.

PYTHONPATH=tests python -m simulation --workload worker --seed 7 --trace
PYTHONPATH=tests python -m simulation --seeds 100 --hours 24
PYTHONPATH=tests python -m simulation mutants --sample 20
PYTHONPATH=tests python -m simulation year --days 365
"""

import argparse
import gc
import sys
import time

from simulation import mutating, year
from simulation.runs import TRANSPORTS, WORKLOADS, run


def main() -> int:
    if sys.argv[1:2] == ["mutants"]:
        return mutating.main(sys.argv[2:])
    if sys.argv[1:2] == ["year"]:
        return year.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, help="only this one")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only this one")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--seeds", type=int, default=10, help="so many, from --first")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--hours", type=float, help="virtual hours of each; each workload has its own by default")
    parser.add_argument("--minutes", type=float, help="of real time, after which no other run begins")
    parser.add_argument("--trace", action="store_true", help="print the trace of each")
    options = parser.parse_args()
    begun = time.monotonic()
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    failed = calls = 0
    virtual = 0.0
    for seed in seeds:
        for workload in [options.workload] if options.workload else WORKLOADS:
            for transport in [options.transport] if options.transport else TRANSPORTS:
                if options.minutes is not None and time.monotonic() - begun > options.minutes * 60:
                    continue
                result = run(workload, seed, transport, options.hours, keep=10_000_000 if options.trace else 500)
                print(result, flush=True)
                if options.trace:
                    print(*result.trace, sep="\n")
                elif result.violations:
                    print(result.explanation)
                failed += bool(result.violations)
                calls += result.calls
                virtual += result.virtual
    took = time.monotonic() - begun
    print(
        f"{calls:,} calls in {virtual / 86400:.1f} virtual days and {took:.0f} s: {calls / took:.0f} calls a second, "
        f"{virtual / took:,.0f} virtual seconds a second; {failed} runs failed"
    )
    return int(failed > 0)


if __name__ == "__main__":
    gc.freeze()  # modules are not looked through after each run
    sys.exit(main())
