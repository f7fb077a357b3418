"""What others say of the two files, and what is installed with them."""

import subprocess
import sys
from pathlib import Path

from release.building import Built
from release.environment import Environment


def check(built: Built, root: Path) -> None:
    """Have the metadata, the contents and pyproject.toml checked."""
    programs = Path(sys.executable).parent
    for command in (
        ["twine", "check", "--strict", str(built.sdist), str(built.wheel)],
        ["check-wheel-contents", str(built.wheel)],
        ["validate-pyproject", str(root / "pyproject.toml")],
    ):
        subprocess.run([programs / command[0], *command[1:]], cwd=root, check=True)


def write_sbom(environment: Environment, pyproject: Path, target: Path) -> None:
    """Write a bill of materials of an environment with the package, in CycloneDX's format.

    Raises:
        SystemExit: It tells of this machine.
    """
    target.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--pyproject", str(pyproject), "--output-file", str(target), str(environment.python)]
    subprocess.run(command, check=True)
    if "file:" in target.read_text(encoding="utf-8"):
        raise SystemExit(f"{target} names files of this machine")
