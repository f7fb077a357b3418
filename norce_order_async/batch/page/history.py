"""What a journal says of a batch, in an amount of memory that does not grow with it."""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from norce_order_async.batch.inputs import total_of
from norce_order_async.batch.journal import JournalRun, JournalSample
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.page.charts import nice_step
from norce_order_async.batch.report import JournalRow, Summary
from norce_order_async.batch.samples import LAST, with_seconds
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import counted, listed

BUCKETS = 240
"""Buckets of time, at most."""
EXAMPLES = 3
"""Changes that are kept of each error."""
PER_DECADE = 10
"""Columns of latencies for each power of ten."""

_FINE = 250  # for each power of ten: 0.9 % wide
_SHORTEST = 1e-6
_SHORTEST_AXIS = 0.1
_REASONS = 20
_OTHER_REASONS = "other reasons"


@attrs.define
class Stretch:
    """A run on the axis of running time, which leaves out the time between runs.

    Attributes:
        run: The run.
        ended: When it ended, or was last seen.
        offset: The seconds that the runs before it took.
    """

    run: JournalRun
    ended: float
    offset: float

    @property
    def length(self) -> float:
        """Seconds that it took."""
        return max(0.0, self.ended - self.run.started)


@attrs.define
class Bucket:
    """What happened in a moment of a batch.

    Attributes:
        ended: How many changes ended.
        samples: How many samples there are; ``allowed`` and ``in_flight`` are their sums.
        rated: How many of them have a rate; ``rate`` is the sum.
        reasons: For how many seconds it was slowed down, by the reason.
    """

    ended: int = 0
    samples: int = 0
    allowed: int = 0
    in_flight: int = 0
    rate: float = 0.0
    rated: int = 0
    reasons: dict[str, float] = attrs.Factory(dict[str, float])


class Timeline:
    """The running time of a batch, in buckets.

    Attributes:
        stretches: Its runs.
        took: Seconds that they took.
        length: Seconds that the buckets are together.
        buckets: What happened, each ``width`` seconds long.
        reasons: For how many seconds it was slowed down, by the reason.
        placed: How many changes ended.
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = stretches
        self.took = sum(stretch.length for stretch in stretches)
        self.length = max(_SHORTEST_AXIS, self.took)
        self._starts = [stretch.run.started for stretch in stretches]
        width = nice_step(max(self.length / BUCKETS, min(1.0, self.length / 30)))
        self.buckets = [Bucket() for _ in range(max(1, math.ceil(self.length / width - 1e-9)))]
        self.width = self.length / len(self.buckets)
        self.reasons: dict[str, float] = {}
        self.placed = 0

    def ended(self, at: float) -> None:
        """Count a change that ended then."""
        self.placed += 1
        self._at(at).ended += 1

    def sample(self, sample: JournalSample, seconds: float) -> None:
        """Count a sample, which stands for so many seconds."""
        bucket = self._at(sample.at)
        bucket.samples += 1
        bucket.allowed += sample.concurrency
        bucket.in_flight += sample.in_flight
        if sample.rate is not None:
            bucket.rate += sample.rate
            bucket.rated += 1
        if sample.reason is not None:
            is_new = sample.reason not in self.reasons
            reason = _OTHER_REASONS if is_new and len(self.reasons) >= _REASONS else sample.reason
            for reasons in (bucket.reasons, self.reasons):
                reasons[reason] = reasons.get(reason, 0.0) + seconds

    def _at(self, at: float) -> Bucket:
        stretch = self.stretches[max(0, bisect_right(self._starts, at) - 1)]
        place = stretch.offset + min(max(0.0, at - stretch.run.started), stretch.length)
        return self.buckets[min(int(place / self.width), len(self.buckets) - 1)]


@attrs.define
class Latencies:
    """How long changes took; a million take no more room than a few.

    Each is counted in a bucket 0.9 % wide, so that a quantile is less than 0.5 % off; the longest is exact.
    """

    counts: Counter[int] = attrs.Factory(Counter[int])
    longest: float = 0.0

    def add(self, elapsed: float) -> None:
        """Count one."""
        self.counts[math.floor(math.log10(max(elapsed, _SHORTEST)) * _FINE)] += 1
        self.longest = max(self.longest, elapsed)

    def quantile(self, share: float) -> float:
        """So long did this share of them take at most."""
        rank, seen = math.ceil(share * self.counts.total()), 0
        for key, count in sorted(self.counts.items()):
            seen += count
            if seen >= rank:
                return max(_SHORTEST, min(10 ** ((key + 0.5) / _FINE), self.longest))
        return self.longest

    def columns(self) -> dict[int, int]:
        """How many there are in each tenth of a power of ten."""
        columns: Counter[int] = Counter()
        for key, count in self.counts.items():
            columns[key // (_FINE // PER_DECADE)] += count
        return dict(columns)


@attrs.define(kw_only=True)
class BatchHistory:
    """What there is to show of a batch.

    Attributes:
        journal: Where it is written down.
        made: When it was read.
        files: What the batch reads.
        can_be_read_again: Whether a run can read that once more.
        target: Where the changes are made.
        total: How many changes there are, as far as that is known.
        summary: The sums.
        timeline: How it went.
        is_running: Whether a run has the journal open.
        latencies: How long the changes took that are done.
        examples: The first changes that each error ended.
    """

    journal: Path
    made: float
    files: tuple[str, ...]
    can_be_read_again: bool
    target: str
    total: int
    summary: Summary
    timeline: Timeline
    is_running: bool
    latencies: Latencies = attrs.Factory(Latencies)
    examples: dict[str, list[JournalRow]] = attrs.Factory(dict[str, list[JournalRow]])

    @property
    def input(self) -> str:
        """The input, by the names of its files."""
        return listed([Path(name).name for name in self.files]) or "A batch"

    @property
    def left(self) -> int:
        """Changes of the input that have no outcome and are not under way."""
        return self.summary.left_of(self.total)

    @property
    def verdict(self) -> str:
        """How it stands, in a sentence without its full stop."""
        summary = self.summary
        if not self.total:
            return "No change has been begun"
        if summary.done == self.total:
            return "The one change is done" if self.total == 1 else f"All {self.total:,} changes are done"
        parts = [f"{summary.done:,} of {counted(self.total, 'change')} {'is' if summary.done == 1 else 'are'} done"]
        for count, what in (
            (summary.accepted, "accepted"),
            (summary.failed - summary.outcomes[OutcomeKind.UNKNOWN], "failed"),
            (summary.outcomes[OutcomeKind.UNKNOWN], "unknown"),
            (summary.in_flight, "under way"),
            (self.left, "left"),
        ):
            parts += [f"{count:,} {what}"] if count else []
        return "; ".join(parts)


def read_history(journal: JournalAccount) -> BatchHistory:
    """Read a journal once, from its first change to its last.

    Raises:
        ConfigurationError: It cannot be read, or knows of no run.
    """
    made, is_running = time.time(), journal.is_running
    now = made if is_running else None
    timeline = Timeline(_stretches(journal, now))
    for sample, seconds in with_seconds(journal.samples(), journal.runs, now):
        timeline.sample(sample, seconds)
    files, summary = journal.inputs, journal.summary()
    history = BatchHistory(
        journal=journal.path,
        made=made,
        files=tuple(file.name for file in files),
        can_be_read_again=bool(files) and all(file.digest is not None for file in files),
        target=journal.target,
        total=max(summary.total + summary.in_flight, total_of(files) or 0),
        summary=summary,
        timeline=timeline,
        is_running=is_running,
    )
    for row in journal.rows():
        if row.started is not None and row.elapsed is not None:
            timeline.ended(row.started + row.elapsed)
            if row.outcome is not None and row.outcome.done:
                history.latencies.add(row.elapsed)
        if row.error is not None and len(examples := history.examples.setdefault(row.error, [])) < EXAMPLES:
            examples.append(row)
    return history


def _stretches(journal: JournalAccount, now: float | None) -> list[Stretch]:
    """The runs one after another; one that was killed ends with its last sample."""
    runs = journal.runs
    if not runs:
        raise ConfigurationError(f"the journal {journal.path} knows of no run")
    starts = [run.started for run in runs]
    last = list(starts)
    for sample in journal.samples():
        place = max(0, bisect_right(starts, sample.at) - 1)
        last[place] = max(last[place], sample.at)
    stretches, offset = list[Stretch](), 0.0
    for run, seen, next_start in zip(runs, last, [*starts[1:], math.inf], strict=True):
        ended = run.ended
        if ended is None:
            ended = now if now is not None and next_start == math.inf else min(seen + LAST, next_start)
        stretches.append(Stretch(run, ended, offset))
        offset += stretches[-1].length
    return stretches
