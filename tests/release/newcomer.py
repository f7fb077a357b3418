"""The first steps of somebody new: `norce-order sandbox` in one terminal, the docs' first program in another."""

import re
import subprocess
from pathlib import Path

from release.environment import Environment

_PROGRAM = re.compile(r"## The first program.*?```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def begin(environment: Environment, source: Path, folder: Path) -> None:
    """Follow the quick start, and see that it prints what the page says.

    Raises:
        SystemExit: It prints something else.
    """
    found = _PROGRAM.search((source / "docs" / "quickstart.md").read_text(encoding="utf-8"))
    assert found is not None
    program, expected = found.groups()
    command = [str(environment.programs / "norce-order"), "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment.env, cwd=folder) as sandbox:
        try:
            assert sandbox.stdout is not None
            settings: dict[str, str] = {}
            for line in sandbox.stdout:
                settings |= re.findall(r'(NORCE_\w+)(?: = "|=)([^\s"]+)', line)
                if "consent patch" in line:
                    break
            run = subprocess.run(
                [environment.python, "-W", "error", "-c", program],
                stdout=subprocess.PIPE, text=True, env=environment.env | settings, cwd=folder, check=True,
            )  # fmt: skip
        finally:
            sandbox.terminate()
    if run.stdout != expected:
        raise SystemExit(f"the quick start printed:\n{run.stdout}\ninstead of:\n{expected}")
    print("The quick start prints what its page says.")
