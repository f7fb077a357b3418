"""Changes of every kind whose answers are lost, in virtual time: what ``resolve`` makes of them, by kind.

PYTHONPATH=tests python -m soak_resolve 80
"""

import argparse
import sys
from collections import Counter, defaultdict

import virtual
from unknowns import lose_many

from norce_order_async import Verdict


def main(seeds: int) -> int:
    """Print a table and what was told wrong; the exit status."""
    cases = virtual.run(lose_many(range(seeds)))
    kinds: defaultdict[str, Counter[Verdict]] = defaultdict(Counter[Verdict])
    for case in cases:
        kinds[case.kind][case.resolution.verdict] += 1
    print(f"{'change':<26}{'unknown':>9}{'applied':>9}{'not':>9}{'cannot tell':>13}")
    for kind, verdicts in kinds.items():
        share = verdicts[Verdict.CANNOT_TELL] / verdicts.total()
        counts = f"{verdicts[Verdict.APPLIED]:>9,}{verdicts[Verdict.NOT_APPLIED]:>9,}{share:>13.0%}"
        print(f"{kind:<26}{verdicts.total():>9,}{counts}")
    resolutions = [case.resolution for case in cases]
    unclear = Counter(_reason(each.evidence) for each in resolutions if each.verdict is Verdict.CANNOT_TELL)
    for reason, count in unclear.most_common(8):
        print(f"  {count:>5,}  {reason}")
    wrong = [case for case in cases if case.is_wrong]
    for case in wrong:
        print(f"  WRONG {case}")
    print(f"resolve: {len(cases):,} unknown changes, {len(wrong)} told wrong")
    return int(bool(wrong))


def _reason(evidence: str) -> str:
    """The kind of reason: the sentence's end, without what it is about."""
    known = ("may still be carried out", "may have been before", "could not be read", "no mark", "some are not")
    return next((reason for reason in known if reason in evidence), "other")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="?", default=80)
    sys.exit(main(parser.parse_args().seeds))
