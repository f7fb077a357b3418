"""What the measurements were made on and with, and what a process of its own has measured."""

import json
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def conditions(server: str, distributions: Iterable[str]) -> str:
    """One line: when, where, against what, and the versions of what is installed."""
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        _processor(),
        f"{os.cpu_count()} cores",
        f"{platform.system()} {platform.release()}",
        server,
        f"Python {platform.python_version()}",
        *(_version(name) for name in sorted({"norce-order-async", *distributions})),
    ]
    return ", ".join(part for part in parts if part)


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    with suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def memory() -> float:
    """MiB of this process's memory now."""
    return _status("VmRSS")


def peak_memory() -> float:
    """The most MiB that this process had.

    Not ``ru_maxrss``: that one begins with what the parent had.
    """
    return _status("VmHWM")


def _status(name: str) -> float:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise OSError(f"no {name} here")
    return int(found[1]) / 1024


def open_files() -> int:
    """How many descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def allow_files() -> int:
    """Let this process, and those that it starts, open as many files and sockets as they may; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def run_apart(module: str, argument: object) -> dict[str, float]:
    """Run a program of the benchmarks in a process of its own; what it prints as JSON, which is shown, too."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(argument)]
    line = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(line, end="", flush=True)
    found: dict[str, float] = json.loads(line)
    return found
