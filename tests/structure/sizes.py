"""How large the package is, and what of it is too long."""

import ast
from collections import Counter
from pathlib import Path

from structure.imports import sources

MOST_FILE = 350
"""Lines that a file should have at most."""
MOST_FUNCTION = 50
"""Lines that a function should have at most, from `def` to its end."""


def count_lines(path: Path) -> int:
    """The lines of a text file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def lines_by_kind(package: Path) -> dict[str, int]:
    """The lines of all files of the package, by the ends of their names."""
    lines: Counter[str] = Counter()
    for path in package.rglob("*"):
        if path.is_file() and path.parent.name != "__pycache__":
            lines[path.suffix] += count_lines(path)
    return {kind: lines[kind] for kind in sorted(lines) if lines[kind]}


def long_files(package: Path, most: int = MOST_FILE) -> dict[str, int]:
    """The files with code that have more lines, the longest first."""
    lines = {path.relative_to(package).as_posix(): count_lines(path) for path in sources(package)}
    return {name: lines[name] for name in sorted(lines, key=lambda name: -lines[name]) if lines[name] > most}


def long_functions(package: Path, most: int = MOST_FUNCTION) -> dict[str, int]:
    """The functions that have more lines, the longest first."""
    lines: dict[str, int] = {}
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(package).as_posix()}:{node.lineno} {node.name}"
                lines[name] = (node.end_lineno or node.lineno) - node.lineno + 1
    return {name: lines[name] for name in sorted(lines, key=lambda name: -lines[name]) if lines[name] > most}
