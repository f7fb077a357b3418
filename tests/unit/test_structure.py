"""The command that counts what the package is built of, on small packages."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from structure.imports import Graph, circles, climbing, floors, modules, rooms
from structure.picture import draw
from structure.sizes import lines_by_kind, long_files, long_functions
from structure.ways import PACKAGE, Steps, changes, way


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with every kind of import, and one circle, of modules."""
    files = {
        "toy/__init__.py": "from toy.app import run\n",
        "toy/base.py": "import os\nimport toyota.base\n",
        "toy/rooms/__init__.py": "",
        "toy/rooms/kitchen.py": "from . import cellar\nfrom ..base import x, y\n",
        "toy/rooms/cellar.py": "def fetch():\n    import toy.rooms.kitchen\n\n    return 1\n",
        "toy/app.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.rooms import kitchen\n",
        "toy/app.pyi": "from toy import __version__\nimport toy.base as base\n",
        "toy/page.css": "a\nb\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "toy"


def test_every_kind_of_import_counts(package: Path) -> None:
    graph = modules(package)
    assert graph == {
        "__init__": {"app"},
        "app": {"rooms.kitchen", "base", "__init__"},
        "base": set(),
        "rooms": set(),
        "rooms.cellar": {"rooms.kitchen"},
        "rooms.kitchen": {"rooms.cellar", "base"},
    }
    assert rooms(graph) == {"__init__": {"app"}, "app": {"rooms", "base", "__init__"}, "base": set(), "rooms": {"base"}}


def test_circles_are_found_between_modules_and_between_rooms(package: Path) -> None:
    graph = modules(package)
    assert circles(graph) == [["__init__", "app"], ["rooms.cellar", "rooms.kitchen"]]
    assert circles(rooms(graph)) == [["__init__", "app"]]


def graph_of(text: str) -> Graph:
    """A graph of arrows such as `a>b`."""
    arrows = [arrow.split(">") for arrow in text.split()]
    return {node: frozenset(b for a, b in arrows if a == node) for arrow in arrows for node in arrow}


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ("a>b b>c a>c", {"a": 3, "b": 2, "c": 1}),
        ("a>b b>a b>c", {"a": 3, "b": 2, "c": 1}),  # it does not come back
        ("a>b a>d b>c c>b d>c c>e", {"a": 4, "b": 3, "c": 2, "d": 3, "e": 1}),
    ],
)
def test_a_floor_is_the_longest_chain_of_imports(arrows: str, expected: dict[str, int]) -> None:
    assert floors(graph_of(arrows)) == expected


def test_an_import_that_leads_to_no_lower_floor_is_found() -> None:
    graph = graph_of("a.one>b b>c c>b a.two>a.one c>d")
    assert climbing(graph, {"a": 3, "b": 2, "c": 2, "d": 1}) == [("b", "c"), ("c", "b")]
    assert climbing(graph, {"a": 4, "b": 2, "c": 3, "d": 1}) == [("b", "c")]


def test_lines_are_counted_and_what_is_too_long_is_named(package: Path) -> None:
    assert lines_by_kind(package) == {".css": 2, ".py": 12, ".pyi": 2}
    assert long_files(package, 3) == {"rooms/cellar.py": 4}
    assert long_functions(package, 3) == {"rooms/cellar.py:1 fetch": 4}
    assert long_functions(package, 4) == {}


def test_changes_are_counted_from_step_to_step() -> None:
    assert changes(["a", "a", "b", "a", "a", "c"]) == 3
    steps = Steps()
    steps.files = ["__main__.py", "testing/__init__.py", "__main__.py", "__init__.py"]
    found = way(steps)
    assert list(found["files"]) == ["__main__.py", "testing/__init__.py", "__init__.py"]
    assert (found["steps"], found["file_changes"], found["room_changes"]) == (4, 3, 3)
    assert found["lines"] == sum(found["files"].values())


def test_the_picture_shows_every_room_once_and_every_arrow_that_no_other_implies() -> None:
    svg = ElementTree.fromstring(draw(graph_of("top>middle middle>base top>base top>other")))
    drawn = [element.text for element in svg.iter() if element.get("class") is None and element.text]
    assert sorted(text for text in drawn if text.isalpha()) == ["base", "middle", "other", "top"]
    assert sum(element.get("class") == "arrow" for element in svg.iter()) == 3


def test_the_picture_in_the_docs_is_drawn_from_the_imports() -> None:
    """Draw it again with: PYTHONPATH=tests python -m structure --picture docs/_static/floors.svg."""
    picture = Path(__file__).parents[2] / "docs" / "_static" / "floors.svg"
    assert picture.read_text(encoding="utf-8") == draw(rooms(modules(PACKAGE)))
