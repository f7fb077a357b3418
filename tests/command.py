"""The command line, as a person or a script meets it: arguments in, output and an exit code out.

:func:`run` and :func:`start` use a process of its own; :func:`call` does not, and costs a fraction of that.
"""

import io
import os
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import pytest

from norce_order_async import ConfigurationError, JournalReader
from norce_order_async.cli import main

CLI = [sys.executable, "-W", "error", "-m", "norce_order_async"]


def clean(env: dict[str, str] | None = None) -> dict[str, str]:
    """An environment that has nothing of the tester's settings, but these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NORCE_")} | (env or {})


def call(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run the command in this process: enough for what it says, writes and returns."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with patch.dict(os.environ, clean(env), clear=True), chdir(cwd or "."), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    for stream in (out, err):
        stream.seek(0)
    return CompletedProcess(arguments, code, out.read(), err.read())


def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [*CLI, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean(env), cwd=cwd, timeout=60, check=False)


def start(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*CLI, *arguments], env=clean(env), cwd=cwd, **streams | options)


def start_batch(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a batch of ``changes.jsonl`` in a process of its own."""
    return start("batch", "run", "changes.jsonl", "--output", "json", *arguments, cwd=cwd, **options)


def until_some_are_done(process: subprocess.Popen[str], journal: Path, least: int = 20) -> None:
    """Wait until so many changes of the batch are done and written down."""
    while process.poll() is None:
        with suppress(ConfigurationError), JournalReader.open(journal) as reader:  # at first there is none
            if reader.summary().done >= least:
                return
        time.sleep(0.01)
    pytest.fail(f"it ended too early: {process.communicate()}")
