"""For how long each sample of a batch stands."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from norce_order_async.batch.journal import JournalRun, JournalSample

LAST = 1.0
"""Seconds that the last sample of a run stands for that was killed."""


def with_seconds(
    samples: Iterable[JournalSample], runs: Sequence[JournalRun], now: float | None
) -> Iterator[tuple[JournalSample, float]]:
    """Each sample with the seconds until the next one, or until its run ended.

    Args:
        samples: In the order of time.
        runs: The runs of the batch.
        now: The time until which the last run is known to go on; None if it doesn't.
    """
    ends = [run.ended for run in runs]
    if runs and ends[-1] is None:
        ends[-1] = now
    starts = [*(run.started for run in runs[1:]), math.inf]
    place, before = 0, None
    for sample in samples:
        if before is not None:
            yield before, _until(before, ends[place], sample.at, starts[place])
        while place < len(runs) - 1 and sample.at >= starts[place]:
            place += 1
        before = sample
    if before is not None and runs:
        yield before, _until(before, ends[place], math.inf, starts[place])


def _until(sample: JournalSample, ended: float | None, following: float, next_run: float) -> float:
    if following >= next_run:
        following = sample.at + LAST if ended is None else ended
    return max(0.0, min(following, next_run) - sample.at)


def slowed(samples: Iterable[JournalSample], runs: Sequence[JournalRun], now: float | None) -> Counter[str]:
    """For how many whole seconds a batch was slower than it could be, by the reason."""
    seconds: dict[str, float] = {}
    for sample, length in with_seconds(samples, runs, now):
        if sample.reason is not None:
            seconds[sample.reason] = seconds.get(sample.reason, 0.0) + length
    return Counter({reason: round(length) for reason, length in seconds.items() if round(length)})
