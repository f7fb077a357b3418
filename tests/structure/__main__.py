"""How the package is built: sizes, floors, circles, and the way of one call and of one line of a batch.

    PYTHONPATH=tests python -m structure
    PYTHONPATH=tests python -m structure --json
    PYTHONPATH=tests python -m structure --picture FILE.svg      draws the floors of the rooms instead

`nox -s structure` runs it too. A room is an entry at the top of the package. There are as many floors as the longest
chain of imports has rooms; it passes none twice. In a circle each room imports each other, directly or not.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from structure.imports import Graph, circles, floors, modules, rooms
from structure.picture import draw
from structure.sizes import MOST_FILE, MOST_FUNCTION, lines_by_kind, long_files, long_functions
from structure.ways import PACKAGE, TRANSPORTS, way_of_call, way_of_line


def shape(graph: Graph) -> dict[str, Any]:
    """What the imports come to."""
    found = floors(graph)
    return {
        "floors": max(found.values()),
        "circles": circles(graph),
        "imports": sum(map(len, graph.values())),
        "floor_of": dict(sorted(found.items(), key=lambda item: (item[1], item[0]))),
    }


def count() -> dict[str, Any]:
    """Count everything."""
    graph = modules(PACKAGE)
    calls = {f"one call over {transport.__name__}": way_of_call(transport) for transport in TRANSPORTS}
    return {
        "lines": lines_by_kind(PACKAGE),
        "long_files": long_files(PACKAGE),
        "long_functions": long_functions(PACKAGE),
        "rooms": shape(rooms(graph)),
        "modules": shape(graph),
        "ways": calls | {"one line of a batch": way_of_line()},
    }


def show(found: dict[str, Any]) -> None:
    """Print what was counted."""
    print("Lines:", ", ".join(f"{lines:,} in {kind}" for kind, lines in found["lines"].items()))
    show_rows(f"Files over {MOST_FILE} lines", found["long_files"])
    show_rows(f"Functions over {MOST_FUNCTION} lines", found["long_functions"])
    show_rows("Entries at the top, each a room, by floor", found["rooms"]["floor_of"])
    for kind in ("rooms", "modules"):
        shape = found[kind]
        print(f"\n{len(shape['floor_of'])} {kind}, {shape['imports']} imports between them")
        print(f"  {shape['floors']} floors, {len(shape['circles'])} circles")
        for circle in shape["circles"]:
            print("  circle:", ", ".join(circle))
    for name, way in found["ways"].items():
        show_rows(f"The way of {name}: files, with their lines, in reading order", way["files"])
        print(f"  {way['lines']:,} lines in {len(way['files'])} files of {len(way['files_by_room'])} rooms")
        print("  files by room:", ", ".join(f"{room} {files}" for room, files in way["files_by_room"].items()))
        print(f"  {way['steps']} steps, {way['file_changes']} changes of file, {way['room_changes']} of room")
        print(f"  {way['frames']} frames at most")


def show_rows(title: str, rows: dict[str, int]) -> None:
    """Print a heading with the number of rows, and the rows."""
    print(f"\n{title}: {len(rows)}")
    for name, number in rows.items():
        print(f"{number:>6}  {name}")


def main() -> None:
    """Print, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print it for programs")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the floors instead")
    options = parser.parse_args()
    if options.picture is not None:
        options.picture.write_text(draw(rooms(modules(PACKAGE))), encoding="utf-8")
    elif options.json:
        print(json.dumps(count(), indent=2))
    else:
        show(count())


if __name__ == "__main__":
    main()
