"""A new environment, as somebody has it who installs the package."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from dependency_groups import resolve


class Environment:
    """A virtual environment of its own, which sees nothing of the checkout.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", str(folder)], check=True)
        self.programs = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.programs / "python"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("NORCE_", "PYTHON"))}

    def install_wheel(self, wheel: Path, extras: str = "") -> None:
        """Install a wheel by its name and version, so that nothing tells later where the file was."""
        name, version, *_ = wheel.name.split("-")
        self.install("--find-links", str(wheel.parent), f"{name}{extras}=={version}")

    def install_group(self, pyproject: Path, *groups: str) -> None:
        """Install dependency groups."""
        known = tomllib.loads(pyproject.read_text(encoding="utf-8"))["dependency-groups"]
        self.install(*resolve(known, *groups))

    def run(self, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> None:
        """Run this Python; what it imports is what is installed."""
        settings = self.env | {"PYTHONSAFEPATH": "1"} | (env or {})
        subprocess.run([self.python, *arguments], cwd=cwd, env=settings, check=True)

    def install(self, *arguments: str) -> None:
        """Have pip install something."""
        self._pip("install", *arguments)

    def uninstall(self, name: str) -> None:
        """Remove a package, and none of its dependencies."""
        self._pip("uninstall", "--yes", name)

    def _pip(self, *arguments: str) -> None:
        # The pip of this Python: a new environment has nothing but what it is told to install.
        subprocess.run([sys.executable, "-m", "pip", "--quiet", "--python", str(self.python), *arguments], check=True)
