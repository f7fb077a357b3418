"""The section of the page that shows a batch over time."""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from norce_order_async.batch.page.charts import Series, Slow, duration, number, shown, time_chart
from norce_order_async.batch.page.history import BatchHistory, Bucket, Timeline
from norce_order_async.batch.page.parts import section, table


def course(history: BatchHistory) -> str:
    """Charts of what ended, was under way and was allowed, and why it was slowed down; empty where nothing is known."""
    timeline = history.timeline
    if not timeline.placed and not any(bucket.samples for bucket in timeline.buckets):
        return ""
    longest = sorted(timeline.reasons.items(), key=lambda item: -item[1])
    reasons = [reason for reason, _ in longest]
    letters = {reason: chr(ord("A") + place) for place, reason in enumerate(reasons)}
    parts = _charts(timeline, letters)
    if reasons:
        rows = [
            (f'<i class="letter">{letters[reason]}</i>{shown(reason)}', duration(length), "", "")
            for reason, length in longest
        ]
        parts.append(f"<h3>Slowed down</h3>{table(('Why', 'How long', '', ''), rows, wide=True)}")
    runs = len(timeline.stretches)
    note = "The axis is running time: the pauses between runs are left out." if runs > 1 else None
    return section("Over time", "".join(parts), note=note)


def _charts(timeline: Timeline, letters: Mapping[str, str]) -> list[str]:
    buckets = _carried(timeline.buckets)
    slow = list(_slow(buckets, letters))
    borders = [stretch.offset for stretch in timeline.stretches[1:]]

    def chart(title: str, note: str, series: Sequence[Series], titles: Iterable[str]) -> str:
        named = [
            f"{_span(index, timeline.width)}: {text}{_because(bucket)}"
            for index, (bucket, text) in enumerate(zip(buckets, titles, strict=True))
        ]
        drawn = time_chart(title, series, named, length=timeline.length, borders=borders, slow=slow)
        return f'<figure><figcaption>{title}<span class="note">{note}</span></figcaption>{drawn}</figure>'

    speeds = [bucket.ended / timeline.width for bucket in buckets]
    ended = (f"{bucket.ended:,} changes, {number(speed)}/s" for bucket, speed in zip(buckets, speeds, strict=True))
    parts = [chart("Changes ended per second", "each where it ended last", [Series("area", speeds)], ended)]
    if any(bucket.samples for bucket in buckets):
        allowed = [_mean(bucket.allowed, bucket.samples) for bucket in buckets]
        under_way = [_mean(bucket.in_flight, bucket.samples) for bucket in buckets]
        key = '<i class="key area-key"></i>under way <i class="key line-key"></i>allowed'
        titles = (
            f"{number(flying or 0)} under way, {number(most or 0)} allowed"
            for flying, most in zip(under_way, allowed, strict=True)
        )
        parts.append(chart("Changes at once", key, [Series("area", under_way), Series("line", allowed)], titles))
    if any(bucket.rated for bucket in buckets):
        rates = [_mean(bucket.rate, bucket.rated) for bucket in buckets]
        titles = ("no limit" if rate is None else f"at most {number(rate)}/s" for rate in rates)
        parts.append(chart("Requests allowed per second", "a gap is no limit", [Series("line", rates)], titles))
    return parts


def _carried(buckets: Sequence[Bucket]) -> list[Bucket]:
    """The buckets; what no sample falls into is as the one before."""
    carried = list[Bucket]()
    for bucket in buckets:
        if not bucket.samples and carried:
            bucket = attrs.evolve(carried[-1], ended=bucket.ended)
        carried.append(bucket)
    return carried


def _slow(buckets: Sequence[Bucket], letters: Mapping[str, str]) -> Iterable[Slow]:
    """Neighbouring buckets with the same reason, together."""
    first = 0
    reasons = [max(bucket.reasons, key=bucket.reasons.__getitem__) if bucket.reasons else None for bucket in buckets]
    for index, reason in enumerate(reasons):
        if index + 1 == len(reasons) or reasons[index + 1] != reason:
            if reason is not None:
                yield Slow(first, index + 1, letters[reason])
            first = index + 1


def _because(bucket: Bucket) -> str:
    return f"; slowed down: {', '.join(bucket.reasons)}" if bucket.reasons else ""


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _span(index: int, width: float) -> str:
    return f"{duration(index * width)} to {duration((index + 1) * width)}"
