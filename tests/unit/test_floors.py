"""The structure of the package: who may import whom, what is exported, what an import loads."""

import ast
import inspect
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest
from command import run_code
from public_names import FACES, PACKAGE
from structure.imports import Graph, circles, climbing, modules

import norce_order_async

FLOORS = {
    0: {"core"},
    1: {"loops", "telemetry", "wire"},
    2: {"models", "operations", "receiving", "transport"},
    3: {"auth", "sending"},
    4: {"middleware", "environ"},
    5: {"client"},
    6: {"endpoints"},
    7: {"batch", "testing", "web"},
    8: {"cli"},
    9: {"__main__", "__pyinstaller"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}


def imports() -> Graph:
    """What our modules import of each other; the top imports everything, and nothing imports the top."""
    return {name: targets for name, targets in modules(PACKAGE).items() if name != "__init__"}


def test_a_floor_imports_only_the_floors_below() -> None:
    assert not climbing(imports(), FLOOR_OF)


def test_no_import_closes_a_circle() -> None:
    assert not circles(imports())


def test_every_module_stands_on_a_floor() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")}
    assert rooms - {"__init__", "__init__.pyi", "py.typed"} == FLOOR_OF.keys()


def test_every_public_name_exists_and_has_one_home() -> None:
    for face, names in FACES.items():
        module = import_module(face)
        assert all(getattr(module, name) is not None for name in names)
    counted = Counter(name for names in FACES.values() for name in names)
    assert [name for name, count in counted.items() if count > 1] == []
    assert set(FACES["norce_order_async"]) < set(dir(norce_order_async))


@pytest.mark.parametrize("face", FACES)
def test_the_types_of_public_functions_and_classes_can_be_read(face: str) -> None:
    module = import_module(face)
    for name in set(FACES[face]) - {"Callbacks"}:  # it may hold a Receiver, which loads asyncio: not with the sandbox
        given = getattr(module, name)
        if inspect.isclass(given) or inspect.isfunction(given):
            get_type_hints(given)  # a NameError where one cannot be read


@pytest.mark.parametrize("face", FACES)
def test_type_checkers_and_python_see_the_same_names(face: str) -> None:
    module = import_module(face)
    file = Path(str(module.__file__))
    stub = file.with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else file).read_text(encoding="utf-8"))
    typed: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module != face:
            names = [alias.asname or alias.name for alias in node.names]
            typed |= dict.fromkeys(import_module(node.module).__all__ if names == ["*"] else names, node.module)
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {"Handler"}
    assert set(FACES[face]) <= typed.keys() | defined
    for name in typed.keys() & set(FACES[face]):
        assert getattr(import_module(typed[name]), name) is getattr(module, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="OrderCleint"):
        norce_order_async.OrderCleint  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import norce_order_async", ["aiohttp", "attrs", "cattrs", "tenacity", "asyncio", "rich", "argparse"]),
        (
            "from norce_order_async.wire.table import ROWS",
            ["attrs", "cattrs", "asyncio", "norce_order_async.wire.models"],
        ),
        (
            "from norce_order_async.operations import OPERATIONS; [each.evidence for each in OPERATIONS.values()]",
            ["aiohttp"],
        ),
        *(
            (f"import norce_order_async.{face}", ["aiohttp", "attrs", "cattrs", "asyncio", "norce_order_async.wire"])
            for face in ("batch", "models", "operations", "testing")
        ),
        (
            "from norce_order_async.testing import Fault, Sandbox; Sandbox()",
            ["aiohttp", "asyncio", "cattrs", "tenacity"],
        ),
        ("import norce_order_async.batch.changes", ["aiohttp", "norce_order_async.batch.run", "sqlite3"]),
        ("from norce_order_async.models import JSON", ["attrs", "cattrs", "asyncio"]),
        ("from norce_order_async import OrderClient, delete_consent", ["aiohttp", "rich", "argparse"]),
        ("from norce_order_async.receiving import Receiver, parse_hook", ["aiohttp", "norce_order_async.client"]),
        (
            "from norce_order_async import OrderClient; from norce_order_async.batch import run_batch",
            ["norce_order_async.testing", "norce_order_async.cli"],
        ),
        *(
            (
                f"from norce_order_async.cli.parser import build_parser; build_parser({words!r}).format_help()",
                ["aiohttp", "attrs", "cattrs", "asyncio", "tomllib", "norce_order_async.wire.models"],
            )
            for words in ([], ["order"], ["order", "list"], ["payment", "create"], ["batch", "run"])
        ),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print([name for name in {absent!r} if name in sys.modules])"
    ran = run_code(code)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_no_module_uses_a_lazy_name_while_it_is_imported() -> None:
    """It would hold its own lock, and wait for that of the names; another thread may hold this one, and wait for it."""
    code = (
        "import norce_order_async; from importlib import import_module; from pkgutil import walk_packages\n"
        "from norce_order_async.core import lazy_names\n"
        "lazy_names._LOADING = None\n"
        "for module in walk_packages(norce_order_async.__path__, 'norce_order_async.'):\n"
        "    if '__' not in module.name: import_module(module.name)"
    )
    assert run_code(code).stderr == ""


def test_two_threads_that_use_names_first_at_the_same_moment_get_them() -> None:
    code = (
        "import threading; from norce_order_async import batch; begin = threading.Barrier(2)\n"
        "def use(name): begin.wait(); getattr(batch, name)\n"
        "for name in ('JournalReader', 'write_html_report'): threading.Thread(target=use, args=(name,)).start()"
    )
    ran = run_code(code)
    assert (ran.returncode, ran.stderr) == (0, "")
