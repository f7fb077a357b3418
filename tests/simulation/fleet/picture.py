"""A picture of a scenario: lines over time for each policy, drawn by hand as SVG, for light and for dark screens."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import attrs
from simulation.fleet import figures
from simulation.fleet.running import Run
from simulation.fleet.scenarios import CAPACITY

_WIDTH, _LEFT, _RIGHT = 1000, 60, 20
_TOP, _HEIGHT, _BETWEEN = 104, 170, 60
_KINDS = ("a", "b", "c", "d", "e")
_POINTS = 240
"""How many points a line has at most."""
_CLIPPED = 6 * CAPACITY
"""Requests a second at which a line is cut off."""
_STYLE = """
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; } .head { font-weight: 600; } .note { fill: #59636e; font-size: 12px; }
  .grid { stroke: #d1d9e0; } .trouble { fill: #59636e; opacity: 0.12; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .a { stroke: #0a7d5a; stroke-width: 3; } .b { stroke: #c2410c; } .c { stroke: #6b7280; stroke-dasharray: 6 3; }
  .d { stroke: #7c3aed; stroke-dasharray: 2 3; } .e { stroke: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #12161c; } .note { fill: #9198a1; } .grid { stroke: #30363d; }
    .trouble { fill: #9198a1; }
    .a { stroke: #3fc28f; } .b { stroke: #ff8a4c; } .c { stroke: #9aa5b1; } .d { stroke: #b794f6; }
    .e { stroke: #58a6ff; }
  }
"""


@attrs.frozen
class _Panel:
    """Lines of one value over time."""

    head: str
    top: int
    most: float
    form: str
    lines: Mapping[str, Sequence[float]]

    def y(self, value: float) -> float:
        """Where a value stands."""
        return self.top + _HEIGHT * (1 - min(value, self.most) / self.most)


def draw(runs: Mapping[str, Run]) -> str:
    """Draw requests a second and the share of calls that succeed, over time."""
    scenario = next(iter(runs.values())).scenario
    lines = {name: _thin(figures.rates(run)) for name, run in runs.items()}
    highest = min(_CLIPPED, max(max(line) for line in lines.values()))
    second = _TOP + _HEIGHT + _BETWEEN
    shares = {name: _thin(figures.shares(run)) for name, run in runs.items()}
    panels = [
        _Panel("Requests a second", _TOP, _even(highest), ",.0f", lines),
        _Panel("Calls that succeed, by when they begin", second, 1.0, ".0%", shares),
    ]
    seconds = max(len(run.backlog) for run in runs.values())
    height = second + _HEIGHT + 50
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' role="img">',
        f"<title>{escape(scenario.head)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="8"/>',
        f'<text class="head" x="{_LEFT}" y="26">{escape(scenario.head)}</text>',
        *_legend(list(runs)),
        *(line for panel in panels for line in _panel(panel, seconds, scenario.begins, scenario.lasts)),
        f'<text class="note" x="{_LEFT}" y="{height - 12}">Seconds. Grey: while it lasts. Means of '
        f"{_step(seconds)} s. Of lines that coincide, the first is seen.</text>",
        "</svg>",
        "",
    ])  # fmt: skip


def _even(value: float) -> float:
    """The next value above, of which a quarter is a multiple of ten."""
    return -(-value // 40) * 40


def _step(seconds: int) -> int:
    return max(2, -(-seconds // _POINTS))


def _thin(values: Sequence[float]) -> Sequence[float]:
    step = _step(len(values))
    return [sum(part := values[at : at + step]) / len(part) for at in range(0, len(values), step)]


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, name in enumerate(names):
        x = _LEFT + place * 150
        yield f'<path class="line {_KINDS[place]}" d="M{x} 50h28"/>'
        yield f'<text x="{x + 36}" y="55">{escape(name)}</text>'


def _panel(panel: _Panel, seconds: int, begins: float, lasts: float) -> Iterator[str]:
    width = _WIDTH - _LEFT - _RIGHT
    left, across = _LEFT + width * begins / seconds, max(2.0, width * lasts / seconds)
    yield f'<rect class="trouble" x="{left:.1f}" y="{panel.top}" width="{across:.1f}" height="{_HEIGHT}"/>'
    yield f'<text class="head" x="{_LEFT}" y="{panel.top - 10}">{panel.head}</text>'
    for part in range(5):
        value = panel.most * part / 4
        y = panel.y(value)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        yield f'<text class="note" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">{value:{panel.form}}</text>'
    every = 60 if seconds <= 600 else 120
    for second in range(0, seconds + 1, every):
        x = _LEFT + width * second / seconds
        yield f'<text class="note" text-anchor="middle" x="{x:.1f}" y="{panel.top + _HEIGHT + 18}">{second}</text>'
    for kind, line in reversed(list(zip(_KINDS, panel.lines.values(), strict=False))):
        points = " ".join(
            f"{_LEFT + width * (at + 0.5) / len(line):.1f},{panel.y(value):.1f}" for at, value in enumerate(line)
        )
        yield f'<polyline class="line {kind}" points="{points}"/>'
