"""A picture of the floors: each room above all that it imports, with arrows, as SVG for light and for dark screens.

An arrow that others imply is left out, and so is one that does not lead down: a room in a circle has a broken border.
"""

from collections.abc import Iterator
from html import escape
from itertools import pairwise

from structure.imports import Graph, circles, floors

_LETTER, _PADDING, _GAP, _HEIGHT, _FLOOR, _MARGIN, _LABEL = 9, 12, 20, 30, 84, 20, 40
_LANE = 4
"""The width that an arrow takes on a floor that it passes."""
_SWEEPS = 8

_STYLE = """
  text { font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; text-anchor: middle; }
  .page { fill: #ffffff; } .room { fill: #eef6f2; stroke: #0a7d5a; } .circle { stroke: #cf222e; stroke-dasharray: 4 3; }
  .arrow { fill: none; stroke: #6e7781; } .head { fill: #6e7781; } .floor { fill: #59636e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #12161c; } .room { fill: #14261f; stroke: #3fc28f; }
    .circle { stroke: #ff7b72; } .arrow { stroke: #8b949e; } .head { fill: #8b949e; } .floor { fill: #9198a1; }
  }
"""

Route = list[str]
"""An arrow: the room it begins at, a lane on each floor that it passes, and the room it leads to."""


def draw(graph: Graph) -> str:
    """Draw the rooms of a graph."""
    floor_of = floors(graph)
    routes = [_route(room, target, floor_of) for room, target in _arrows(graph, floor_of)]
    rows: dict[int, list[str]] = {floor: [] for floor in range(max(floor_of.values()), 0, -1)}
    for name in dict.fromkeys([*sorted(graph), *(name for route in routes for name in route)]):
        rows[floor_of.get(name) or int(name.rpartition("@")[2])].append(name)
    middles = _arranged(list(rows.values()), routes, graph)
    width = max(middles[name] + _width(name, graph) / 2 for name in middles) + _MARGIN
    tops = {floor: _MARGIN + row * _FLOOR for row, floor in enumerate(rows)}
    height = tops[1] + _HEIGHT + _MARGIN
    walled = {room for circle in circles(graph) for room in circle}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">',
        f"<style>{_STYLE}</style>",
        '<marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker>',
        f'<rect class="page" width="{width:.0f}" height="{height}"/>',
    ]
    for route in routes:
        parts.append(f'<path class="arrow" marker-end="url(#head)" d="{_path(route, middles, tops, floor_of)}"/>')
    for floor, names in rows.items():
        parts.append(f'<text class="floor" x="{_MARGIN}" y="{tops[floor] + 20}">{floor}</text>')
        for room in (name for name in names if name in graph):
            wide, kind = _width(room, graph), "room circle" if room in walled else "room"
            box = f'x="{middles[room] - wide / 2:.1f}" y="{tops[floor]}" width="{wide}" height="{_HEIGHT}"'
            parts.append(f'<rect class="{kind}" rx="5" {box}/>')
            parts.append(f'<text x="{middles[room]:.1f}" y="{tops[floor] + 20}">{escape(room)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _arrows(graph: Graph, floor_of: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The imports of lower floors that no chain of other such imports implies."""
    down = {room: {target for target in graph[room] if floor_of[target] < floor_of[room]} for room in graph}
    below: dict[str, set[str]] = {}
    for room in sorted(graph, key=lambda room: floor_of[room]):
        implied = {other for target in down[room] for other in below[target]}
        below[room] = implied | down[room]
        yield from ((room, target) for target in sorted(down[room] - implied))


def _route(room: str, target: str, floor_of: dict[str, int]) -> Route:
    lanes = [f"{room}>{target}@{floor}" for floor in range(floor_of[room] - 1, floor_of[target], -1)]
    return [room, *lanes, target]


def _arranged(rows: list[list[str]], routes: list[Route], graph: Graph) -> dict[str, float]:
    """The middle of each room and lane, near to those above and below that it is connected with."""
    near: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for route in routes:
        for one, other in pairwise(route):
            near[one].append(other)
            near[other].append(one)
    widest = max(sum(_width(name, graph) + _GAP for name in row) for row in rows)
    middles: dict[str, float] = {}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wish = {
                name: sum(known) / len(known)
                for name in row
                if (known := [middles[other] for other in near[name] if other in middles])
            }
            row.sort(key=lambda name: wish.get(name, widest / 2))
            x = _LABEL + (widest - sum(_width(name, graph) + _GAP for name in row)) / 2
            for name in row:
                middles[name] = x + (_width(name, graph) + _GAP) / 2
                x += _width(name, graph) + _GAP
    return middles


def _width(name: str, graph: Graph) -> int:
    return len(name) * _LETTER + 2 * _PADDING if name in graph else _LANE


def _path(route: Route, middles: dict[str, float], tops: dict[int, int], floor_of: dict[str, int]) -> str:
    floor = floor_of[route[0]]
    parts = [f"M{middles[route[0]]:.1f},{tops[floor] + _HEIGHT}"]
    for before, name in pairwise(route):
        floor -= 1
        start, end, bend = tops[floor + 1] + _HEIGHT, tops[floor], (_FLOOR - _HEIGHT) / 2
        x, y = middles[before], middles[name]
        parts.append(f"C{x:.1f},{start + bend} {y:.1f},{end - bend} {y:.1f},{end}")
        if name != route[-1]:
            parts.append(f"V{end + _HEIGHT}")
    return " ".join(parts)
