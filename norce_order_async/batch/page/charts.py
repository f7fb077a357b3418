"""Charts as inline SVG, drawn from a fixed number of values, however many changes stand behind them."""

import math
from collections.abc import Sequence
from html import escape

import attrs

from norce_order_async.core.wording import printable

_WIDTH, _HEIGHT = 800, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 34, 28, 38  # there is room for the larger letters of a phone
_PLOT, _BASE = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM
_LABEL_ROOM = 64
_LETTER_ROOM = 14
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

PATTERNS = """\
<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>
<pattern id="stripes" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect class="under" width="7" height="7"/><rect class="over" width="3.5" height="7"/></pattern>
<pattern id="bars" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
<rect class="under" width="6" height="6"/><rect class="over" width="2" height="6"/></pattern>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">
<rect class="under" width="6" height="6"/><circle class="over" cx="3" cy="3" r="1.5"/></pattern>
<pattern id="slow" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect class="under" width="8" height="8"/><rect class="over" width="2" height="8"/></pattern>
</defs></svg>"""
"""What the fills of the charts refer to; a page has it once, before them."""


@attrs.frozen
class Series:
    """Values in buckets of the same width.

    Attributes:
        style: ``area`` or ``line``.
        values: One for each bucket; None is a gap.
    """

    style: str
    values: Sequence[float | None]


@attrs.frozen
class Slow:
    """A stretch of time in which a batch was slowed down, in buckets.

    Attributes:
        first: Its first bucket.
        after: The first bucket after it.
        letter: What stands for its reason.
    """

    first: int
    after: int
    letter: str


def shown(text: object) -> str:
    """Anybody's words, fit for an HTML page."""
    return escape(printable(str(text)))


def number(value: float) -> str:
    """A number as a person reads it: three digits say enough below a hundred."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def seconds(value: float) -> str:
    """A short time, to three digits."""
    if value >= 60:
        return duration(value)
    return f"{value * 1000:.3g} ms" if value < 0.9995 else f"{value:.3g} s"


def duration(value: float) -> str:
    """A long time, in the two units that matter."""
    if value < 60:
        return f"{value:.1f} s" if value < 59.95 else "1 min 0 s"
    whole = round(value)
    for large, size, small, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // part} {small}"
    raise AssertionError("a minute or more")


def nice_step(least: float) -> float:
    """The smallest step of a time axis that is not below this."""
    return next((step for step in _STEPS if step >= least), math.ceil(least / _STEPS[-1]) * _STEPS[-1])


def bar(parts: Sequence[tuple[str, int, str]]) -> str:
    """One bar of a style, a count and a title for each part; the smallest part can still be seen."""
    total = sum(count for _, count, _ in parts)
    least = 6.0
    shares = [max(least, _WIDTH * count / total) for _, count, _ in parts]
    scale = _WIDTH / sum(shares)
    x, drawn = 0.0, list[str]()
    for (style, _, title), share in zip(parts, shares, strict=True):
        width = share * scale
        drawn.append(
            f'<rect class="{style}" x="{x:.1f}" y="0" width="{max(1, width - 2):.1f}" height="34" rx="2">'
            f"<title>{shown(title)}</title></rect>"
        )
        x += width
    return _svg(34, drawn, "outcomes")


def time_chart(
    name: str,
    series: Sequence[Series],
    titles: Sequence[str],
    *,
    length: float,
    borders: Sequence[float],
    slow: Sequence[Slow],
) -> str:
    """Values over time.

    Args:
        name: What it shows, for those who do not see it.
        series: The values.
        titles: What is told of each bucket under the pointer.
        length: Seconds that the buckets are together.
        borders: Where one run ends and the next one begins, in seconds.
        slow: Where it was slowed down.
    """
    top, drawn = _value_axis(max((value or 0 for one in series for value in one.values), default=0))
    width = _PLOT / len(titles)
    shades, letters = list[str](), list[str]()
    for span in slow:
        x, w = _LEFT + span.first * width, (span.after - span.first) * width
        shades.append(f'<rect class="slow" x="{x:.1f}" y="{_TOP}" width="{w:.1f}" height="{_BASE - _TOP}"/>')
        if w >= _LETTER_ROOM:
            letters.append(
                f'<text class="letter-label" x="{x + w / 2:.1f}" y="{_TOP + 18}">{shown(span.letter)}</text>'
            )
    paths = [
        f'<path class="{one.style}" d="{_steps(one.values, width, top, closed=one.style == "area")}"/>'
        for one in series
    ]
    drawn = [*shades, *drawn, *paths, *letters]
    step = nice_step(length / 6)
    for index in range(math.floor(length / step + 1e-9) + 1):
        drawn.append(_mark(_LEFT + _PLOT * index * step / length, _time(index * step, step)))
    labelled = -math.inf
    for place, border in enumerate(borders, 2):
        x = _LEFT + _PLOT * border / length
        drawn.append(f'<line class="border" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 18}" y2="{_BASE}"/>')
        if x - labelled >= _LABEL_ROOM and x < _WIDTH - _LABEL_ROOM:
            labelled = x
            drawn.append(f'<text class="border-label" x="{x + 5:.1f}" y="{_TOP - 8}">run {place}</text>')
    drawn += [
        f'<rect class="hover" x="{_LEFT + index * width:.2f}" y="{_TOP}" width="{width:.2f}" '
        f'height="{_BASE - _TOP}"><title>{shown(title)}</title></rect>'
        for index, title in enumerate(titles)
    ]
    return _svg(_HEIGHT, drawn, name)


def log_histogram(name: str, counts: dict[int, int], per_decade: int, marks: Sequence[tuple[str, float]]) -> str:
    """How many values there are of each size, on a logarithmic axis of seconds.

    Args:
        name: What it shows, for those who do not see it.
        counts: How many values there are from ``10 ** (key / per_decade)`` to that of the next key.
        per_decade: Bars for each power of ten.
        marks: Names of values that are marked.
    """
    first, after = min(counts), max(counts) + 1
    first, after = min(first, after - per_decade) - 1, after + 1
    width = _PLOT / (after - first)
    top, drawn = _value_axis(max(counts.values()))
    for key, count in sorted(counts.items()):
        x, height = _LEFT + (key - first) * width, max(1.0, (_BASE - _TOP) * count / top)
        low, high = (seconds(10 ** (edge / per_decade)) for edge in (key, key + 1))
        drawn.append(
            f'<rect class="column" x="{x + 0.5:.1f}" y="{_BASE - height:.1f}" width="{max(1, width - 1):.1f}" '
            f'height="{height:.1f}"><title>{low} to {high}: {count:,}</title></rect>'
        )
    decades = (after - first) / per_decade
    factors = (1, 2, 5) if decades <= 2 else (1, 3) if decades <= 4 else (1,)
    for decade in range(math.floor(first / per_decade), math.ceil(after / per_decade) + 1):
        for factor in factors:
            place = decade * per_decade + math.log10(factor) * per_decade
            if first <= place <= after:
                drawn.append(_mark(_LEFT + (place - first) * width, seconds(factor * 10**decade)))
    reach = -math.inf
    for label, value in marks:
        x = _LEFT + (math.log10(value) * per_decade - first) * width
        drawn.append(f'<line class="border" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{_BASE}"/>')
        if x - reach >= 30:
            reach = x
            drawn.append(f'<text class="mark-label" x="{x:.1f}" y="{_TOP - 8}">{shown(label)}</text>')
    return _svg(_HEIGHT, drawn, name)


def _svg(height: int, drawn: Sequence[str], name: str) -> str:
    lines = "\n".join(drawn)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{shown(name)}">\n{lines}\n</svg>'


def _value_axis(most: float) -> tuple[float, list[str]]:
    """The value at the top, and the lines and labels up to it."""
    size = 10.0 ** math.floor(math.log10(most)) if most > 0 else 1.0
    step = next(step for step in (size / 5, size / 2, size, size * 2) if most <= 5 * step)
    count = max(1, math.ceil(most / step - 1e-9))
    drawn = list[str]()
    for index in range(count + 1):
        y = _BASE - (_BASE - _TOP) * index / count
        drawn.append(
            f'<line class="{"grid" if index else "base"}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text class="value" x="{_LEFT - 8}" y="{y:.1f}" dy=".35em">{_brief(index * step)}</text>'
        )
    return step * count, drawn


def _brief(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= max(size, 1e4):
            return f"{value / size:g}{letter}"
    return number(value)


def _mark(x: float, label: str) -> str:
    return (
        f'<line class="base" x1="{x:.1f}" x2="{x:.1f}" y1="{_BASE}" y2="{_BASE + 4}"/>'
        f'<text class="time" x="{x:.1f}" y="{_BASE + 25}">{label}</text>'
    )


def _time(value: float, step: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if step >= size:
            return f"{value / size:g} {unit}"
    return f"{value:.3g} s"


def _steps(values: Sequence[float | None], width: float, top: float, *, closed: bool) -> str:
    """A path that is level over each bucket; closed, it goes down to the axis and back."""
    path, is_drawn = list[str](), False
    for index, value in enumerate([*values, None]):
        x = f"{_LEFT + index * width:.1f}"
        if value is None:
            path += [f"V{_BASE}Z"] if is_drawn and closed else []
            is_drawn = False
            continue
        y = f"{_BASE - (_BASE - _TOP) * value / top:.1f}"
        start = f"M{x} {_BASE}V{y}" if closed else f"M{x} {y}"
        path.append(f"{f'V{y}' if is_drawn else start}H{_LEFT + (index + 1) * width:.1f}")
        is_drawn = True
    return "".join(path)
