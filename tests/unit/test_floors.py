"""The structure of the package: who may import whom, what is exported, what an import loads."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import norce_order_async

PACKAGE = Path(norce_order_async.__file__).parent

FLOORS = {
    0: {
        "checks", "clock", "errors", "outcome", "policy", "config", "environ", "call", "http", "stats", "perloop",
        "inloop", "timelimit", "plain", "kinds",
    },
    1: {"wire", "fastjson", "strict", "unread", "models", "codec", "operations", "answers"},
    2: {"middleware", "transport", "tokens"},
    3: {"client"},
    4: {"endpoints"},
    5: {"batch", "testing"},
    6: {"cli", "__main__"},
}  # fmt: skip
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}


def imports_of(path: Path) -> set[str]:
    """The rooms of our own package that a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("norce_order_async.")}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_floor_imports_only_the_floors_below(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    higher = {name for name in imports_of(path) if FLOOR_OF[name] > FLOOR_OF[room]}
    assert not higher


def test_every_module_stands_on_a_floor() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")}
    assert rooms - {"__init__", "py.typed"} == FLOOR_OF.keys()


def test_every_export_exists_and_stands_once() -> None:
    exported = norce_order_async.__all__
    assert len(exported) == len(set(exported))
    for name in exported:
        assert getattr(norce_order_async, name) is not None
    assert set(exported) <= set(dir(norce_order_async))


def test_type_checkers_and_python_see_the_same_exports() -> None:
    tree = ast.parse(Path(norce_order_async.__file__).read_text(encoding="utf-8"))
    typed = {
        (alias.name, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("norce_order_async.")
        for alias in node.names
    }
    assert {name for name, _ in typed} == set(norce_order_async.__all__)
    for name, module in typed:
        assert getattr(import_module(module), name) is getattr(norce_order_async, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="OrderCleint"):
        norce_order_async.OrderCleint  # noqa: B018  # pyright: ignore


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import norce_order_async", ["aiohttp", "attrs", "cattrs", "tenacity", "asyncio", "rich", "argparse"]),
        ("from norce_order_async import OrderClient, delete_consent", ["aiohttp", "rich", "argparse"]),
        (
            "from norce_order_async import OrderClient, run_batch",
            ["norce_order_async.testing", "norce_order_async.cli"],
        ),
        ("from norce_order_async.cli.parser import build_parser; build_parser()", ["aiohttp", "cattrs", "asyncio"]),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print([name for name in {absent!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_testing_package_exports_what_it_says() -> None:
    from norce_order_async import testing

    for name in testing.__all__:
        assert getattr(testing, name) is not None
