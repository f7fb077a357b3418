"""A picture of a comparison: bars, drawn by hand as SVG, for light and for dark screens."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from operator import attrgetter
from statistics import median
from textwrap import wrap

import attrs

from benchmarks.measure import Results, Slice, baseline_of
from benchmarks.subjects import Lane

_WIDTH, _LABELS, _GAP = 1000, 270, 20
_PANEL = (_WIDTH - _LABELS - 3 * _GAP) // 3
_BAR = _PANEL - 62  # what is left of a panel beside the longest number
_ROW, _TOP, _NOTE = 26, 74, 18
_CLIPPED = 6
"""A bar that would be so many times longer than hand-written aiohttp's is cut off."""

_STYLE = """
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; } .head { font-weight: 600; } .note, .unit { fill: #59636e; font-size: 12px; }
  .ours { fill: #0a7d5a; } .other { fill: #9aa5b1; } text.mine { font-weight: 600; } .cut { stroke: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #12161c; } .note, .unit { fill: #9198a1; }
    .ours { fill: #3fc28f; } .other { fill: #56606b; } .cut { stroke: #12161c; }
  }
"""


@attrs.frozen
class _Panel:
    """Bars of one value."""

    head: str
    unit: str
    results: Results
    of: Callable[[Slice], float]
    form: str

    def value(self, lane: Lane) -> float:
        return median(map(self.of, self.results[lane]))

    def longest(self) -> float:
        """The value whose bar is as long as can be."""
        values = [self.value(lane) for lane in self.results]
        baseline = baseline_of(self.results)
        return min(max(values), _CLIPPED * median(map(self.of, baseline))) if baseline else max(values)


def draw(some: Results, many: Results, conditions: str) -> str:
    """Draw throughput and CPU with some calls in flight, and the slow calls with many; the fastest on top."""
    panels = [
        _Panel("Calls a second", "32 in flight, more is better", some, attrgetter("per_second"), ",.0f"),
        _Panel("CPU for a call, µs", "32 in flight, less is better", some, attrgetter("cpu"), ",.0f"),
        _Panel("99 of 100 calls took, ms", "256 in flight, less is better", many, attrgetter("p99"), ",.0f"),
    ]
    lanes = sorted(some, key=panels[0].value, reverse=True)
    notes = [
        f"Medians. A bar that is cut is more than {_CLIPPED} times as long as that of aiohttp by hand, json=.",
        *wrap(", ".join(part.replace(" ", "\u00a0") for part in conditions.split(", ")), 140, break_on_hyphens=False),
    ]
    foot = _TOP + len(lanes) * _ROW + 22
    height = foot + len(notes) * _NOTE
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' role="img">',
        "<title>The same change through several clients</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="8"/>',
        *_labels(lanes),
        *(line for place, panel in enumerate(panels) for line in _bars(panel, lanes, place)),
        *(
            f'<text class="note" x="{_GAP}" y="{foot + place * _NOTE}">{escape(note)}</text>'
            for place, note in enumerate(notes)
        ),
        "</svg>",
        "",
    ])  # fmt: skip


def _labels(lanes: Sequence[Lane]) -> Iterator[str]:
    for row, lane in enumerate(lanes):
        kind = "mine" if lane.subject.ours else ""
        yield f'<text class="{kind}" x="{_GAP}" y="{_baseline(row)}">{escape(lane.label)}</text>'


def _bars(panel: _Panel, lanes: Sequence[Lane], place: int) -> Iterator[str]:
    left = _LABELS + _GAP + place * (_PANEL + _GAP)
    longest = panel.longest()
    yield f'<text class="head" x="{left}" y="32">{panel.head}</text>'
    yield f'<text class="unit" x="{left}" y="52">{panel.unit}</text>'
    for row, lane in enumerate(lanes):
        value, top = panel.value(lane), _TOP + row * _ROW + 4
        width = max(2.0, min(1.0, value / longest) * _BAR)
        kind = "ours" if lane.subject.ours else "other"
        yield f'<rect class="{kind}" x="{left}" y="{top}" width="{width:.1f}" height="{_ROW - 8}" rx="2"/>'
        if value > longest:
            x = left + _BAR - 18
            yield f'<path class="cut" stroke-width="4" d="M{x} {top + _ROW - 7}l8 -{_ROW - 6}"/>'
        yield f'<text x="{left + width + 6:.1f}" y="{_baseline(row)}">{value:{panel.form}}</text>'


def _baseline(row: int) -> int:
    return _TOP + row * _ROW + 17
