"""Who imports whom: between the modules of a package, and between its rooms, the entries at its top.

Every import statement counts, also inside a function and under TYPE_CHECKING. A package is an importer of its own:
the module that its `__init__.py` is, and at the top the room `__init__`. What is loaded by a name in a string is not
seen.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

Graph = Mapping[str, frozenset[str]]
"""Each importer with what it imports."""


def sources(package: Path) -> list[Path]:
    """The files with code, stubs as well."""
    return sorted(path for path in package.rglob("*.py*") if path.suffix in (".py", ".pyi"))


def room_of(name: str) -> str:
    """The room of a module or a file, by its dotted name or its path in the package."""
    return name.replace("/", ".").split(".")[0]


def modules(package: Path) -> Graph:
    """What the modules of a package import of it, by their dotted names inside it."""
    paths: dict[str, list[Path]] = {}
    for path in sources(package):
        paths.setdefault(_name(path.relative_to(package)), []).append(path)
    found: dict[str, frozenset[str]] = {}
    for name, files in paths.items():
        targets = {target for path in files for target in _targets(path, package)}
        found[name] = frozenset(_known(target, paths) for target in targets) - {name}
    return found


def rooms(graph: Graph) -> Graph:
    """What the rooms import of each other."""
    found: dict[str, set[str]] = {}
    for name, targets in graph.items():
        room = room_of(name)
        found.setdefault(room, set()).update({room_of(target) for target in targets} - {room})
    return {room: frozenset(targets) for room, targets in sorted(found.items())}


def circles(graph: Graph) -> list[list[str]]:
    """The groups in which each reaches each other by imports."""
    reach = {node: _reach(graph, node) for node in graph}
    groups = {frozenset(other for other in reach[node] if node in reach[other]) for node in graph}
    return sorted(sorted(group) for group in groups if group)


def floors(graph: Graph) -> dict[str, int]:
    """The length of the longest chain of imports from each node, itself included; no node is passed twice."""
    circle_of = {node: circle for circle in circles(graph) for node in circle}

    @cache
    def floor(node: str) -> int:
        return walk(node, frozenset({node}))

    def walk(node: str, passed: frozenset[str]) -> int:
        circle = circle_of.get(node, [])
        following = graph[node] - passed
        return 1 + max((walk(n, passed | {n}) if n in circle else floor(n) for n in following), default=0)

    return {node: floor(node) for node in graph}


def climbing(graph: Graph, floor_of: Mapping[str, int]) -> list[tuple[str, str]]:
    """The imports between modules of different rooms that do not lead to a lower floor.

    Where there are none, every room stands above all that it imports, and there is no circle of rooms.
    """
    return [
        (name, target)
        for name, targets in graph.items()
        for target in sorted(targets)
        if room_of(name) != room_of(target) and floor_of[room_of(target)] >= floor_of[room_of(name)]
    ]


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _targets(path: Path, package: Path) -> Iterator[str]:
    """What a file imports of its package, by dotted names inside it."""
    whole = (package.name, *path.relative_to(package).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            above = whole[: len(whole) - node.level] if node.level else ()
            base = [*above, *([node.module] if node.module else [])]
            names = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == package.name:
                yield rest


def _known(target: str, paths: Mapping[str, object]) -> str:
    """The module that a name is, or is taken from."""
    while target and target not in paths:
        target = target.rpartition(".")[0]
    return target or "__init__"


def _reach(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found
