"""The command line, as a person or a script meets it: a process with output and an exit code."""

import os
import subprocess
import sys
from pathlib import Path

CLI = [sys.executable, "-W", "error", "-m", "norce_order_async"]


def run(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with an environment that has nothing of the tester's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NORCE_")}
    return subprocess.run(
        [*CLI, *arguments], capture_output=True, text=True, env=clean | (env or {}), cwd=cwd, timeout=60, check=False
    )
