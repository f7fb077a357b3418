"""The command line in a process of its own, as a person or a script meets it: its output and an exit code.

Nothing of the package is imported here: a program that measures the memory of such a process has to stay small, because
a process begins with the peak of the one that starts it.
"""

import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

CLI = [sys.executable, "-W", "error", "-m", "norce_order_async"]


def clean(env: dict[str, str] | None = None) -> dict[str, str]:
    """An environment that has nothing of the tester's settings, but these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NORCE_")} | (env or {})


def sandbox_settings(url: str) -> dict[str, str]:
    """The settings of a command that calls a sandbox there."""
    return {
        "NORCE_BASE_URL": url,
        "NORCE_MERCHANT": "norce",
        "NORCE_CHANNEL": "1",
        "NORCE_TOKEN": "sandbox-token",  # SANDBOX_TOKEN
    }


def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [*CLI, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean(env), cwd=cwd, timeout=60, check=False)


def run_code(code: str, *arguments: str, **options: Any) -> CompletedProcess[str]:
    """Run a program in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def run_program(name: str, *arguments: str) -> CompletedProcess[str]:
    """Run a program that is among the tests in a process of its own."""
    command = [sys.executable, "-m", name, *arguments]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def start(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*CLI, *arguments], env=clean(env), cwd=cwd, **streams | options)


def start_batch(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a batch of ``changes.jsonl`` in a process of its own."""
    return start("batch", "run", "changes.jsonl", "--output", "json", *arguments, cwd=cwd, **options)


def measured(*arguments: str, **options: Any) -> tuple[int, float, float]:
    """Run a command to its end: its exit code, its largest resident set in MiB, and its seconds of CPU.

    It begins with the peak of the process that starts it.
    """
    with subprocess.Popen([*CLI, *arguments], **options) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
