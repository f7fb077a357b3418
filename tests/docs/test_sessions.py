"""The sessions of noxfile.py: none is lost, and each installs what its programs import."""

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from command import run_code
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
NOXFILE = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
FUNCTIONS = [node for node in NOXFILE.body if isinstance(node, ast.FunctionDef)]

IMPORTS = """
import importlib, sys
sys.modules["pytest"] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "dependency_groups":  # its own session installs it
            raise
"""


def calls(node: ast.AST, name: str) -> list[ast.Call]:
    found = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return [call for call in found if ast.unparse(call.func) == name]


def test_a_function_that_takes_a_session_is_one_or_is_called_by_one() -> None:
    taking = {node for node in FUNCTIONS if any("nox.Session" in ast.unparse(arg) for arg in node.args.args)}
    sessions = {node.name for node in taking if any("nox.session" in ast.unparse(one) for one in node.decorator_list)}
    assert "tests" in sessions
    assert [node.name for node in taking if node.name not in sessions and not calls(NOXFILE, node.name)] == [
        "run_program"  # it is made a session for each of PROGRAMS
    ]


def test_floor_and_newest_ask_for_other_bounds_of_the_same_requirements() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {"PYPROJECT": pyproject, "chain": chain, "re": re}
    function = {node.name: node for node in FUNCTIONS}
    exec(ast.unparse(function["bounded"]), names)
    for session, example in [("floor", "tenacity==9.0"), ("newest", "tenacity>=9.0.dev0")]:
        [call] = calls(function[session], "bounded")
        requirements = [Requirement(line) for line in eval(ast.unparse(call), names)]
        assert example in map(str, requirements)
        assert {str(one.marker) for one in requirements if one.name == "pyarrow"} == {
            'python_version < "3.13"',
            'python_version >= "3.13"',
        }


def without_pytest() -> Iterator[str]:
    """The modules that are run by sessions which do not install the packages of the tests."""
    for node in FUNCTIONS:
        if not any("'tests'" in ast.unparse(call) for call in calls(node, "group")):
            for call in calls(node, "session.run"):
                match call.args:
                    case [ast.Constant("python"), ast.Constant("-m"), ast.Constant(str(module)), *_]:
                        yield module
                    case _:
                        pass
    yield from (f"soak_batch.{path.stem}" for path in ROOT.glob("tests/soak_batch/*.py"))


def test_a_session_that_does_not_install_pytest_runs_no_program_that_imports_it() -> None:
    modules = [f"{name}.__main__" if ROOT.joinpath("tests", name).is_dir() else name for name in without_pytest()]
    assert "invariants" in modules
    env = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    ended = run_code(IMPORTS, *modules, env=env)
    assert ended.returncode == 0, ended.stderr
