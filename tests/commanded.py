"""The command line in the test's own process, at a fraction of the cost; and looks at what one of its own has done."""

import io
import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import pytest
from command import clean

from norce_order_async import ConfigurationError
from norce_order_async.batch import JournalReader
from norce_order_async.cli import main


def exit_code(words: Sequence[str]) -> int:
    """Run the command in this process, and nothing more."""
    try:
        return main(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def call(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run the command in this process: enough for what it says, writes and returns."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with patch.dict(os.environ, clean(env), clear=True), chdir(cwd or "."), redirect_stdout(out), redirect_stderr(err):
        code = exit_code(arguments)
    for stream in (out, err):
        stream.seek(0)
    return CompletedProcess(arguments, code, out.read(), err.read())


def batch(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a batch, and what it tells a program; its exit code is there, too."""
    result = call("batch", "run", *arguments, "--output", "json", cwd=cwd, env=env)
    assert "Traceback" not in result.stderr
    assert result.stdout, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)
    return told | {"code": result.returncode}


def until_some_are_done(process: subprocess.Popen[str], journal: Path, least: int = 20) -> None:
    """Wait until so many changes of the batch are done and written down."""
    while process.poll() is None:
        with suppress(ConfigurationError), JournalReader.open(journal) as reader:  # at first there is none
            if reader.summary().done >= least:
                return
        time.sleep(0.01)
    pytest.fail(f"it ended too early: {process.communicate()}")
