"""The first steps of somebody new: a sandbox in one terminal, the docs' first program in another, and a recipe."""

import re
import subprocess
from pathlib import Path
from textwrap import indent

from release.environment import Environment

_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
_OUTPUT = re.compile(r"```text\n(.*?)```", re.DOTALL)


def begin(environment: Environment, source: Path, folder: Path) -> None:
    """Follow the quick start and the first recipe, and see that they print what their pages say.

    Raises:
        SystemExit: One prints something else.
    """
    quickstart, cookbook = source / "docs" / "quickstart.md", source / "docs" / "cookbook.md"
    command = [str(environment.programs / "norce-order"), "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment.env, cwd=folder) as sandbox:
        try:
            assert sandbox.stdout is not None
            settings: dict[str, str] = {}
            for line in sandbox.stdout:
                settings |= re.findall(r'(NORCE_\w+)(?: = "|=)([^\s"]+)', line)
                if "consent patch" in line:
                    break
            _try(environment, *_first(quickstart, "## The first program"), settings, folder)
        finally:
            sandbox.terminate()
    recipe, expected = _first(cookbook)
    # The page awaits without a function around it.
    whole = f"import asyncio\nasync def main():\n{indent(recipe, '    ')}\nasyncio.run(main())"
    _try(environment, whole, expected, {}, folder)
    print("The quick start and the first recipe print what their pages say.")


def _first(page: Path, heading: str = "") -> tuple[str, str]:
    """The Python between a heading, or the page's beginning, and the first output that is shown; and that output."""
    text = page.read_text(encoding="utf-8")
    text = text[text.index(heading) :]
    shown = _OUTPUT.search(text)
    assert shown is not None
    return "".join(_PROGRAM.findall(text[: shown.start()])), shown[1]


def _try(environment: Environment, program: str, expected: str, settings: dict[str, str], folder: Path) -> None:
    printed = subprocess.run(
        [environment.python, "-W", "error", "-c", program],
        stdout=subprocess.PIPE, text=True, env=environment.env | settings, cwd=folder, check=True,
    ).stdout  # fmt: skip
    if printed != expected:
        raise SystemExit(f"It printed:\n{printed}\ninstead of:\n{expected}")
