"""The quick versions of what `nox -s soak_batch` proves at length."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "arguments",
    [
        ["memory", "100", "300"],
        ["kills", "100", "--kills", "1", "--quick"],
        ["every_kind", "1"],
        ["undo", "100", "--kills", "1", "--quick"],
    ],
    ids=["memory", "kills", "every_kind", "undo"],
)
def test_soak(arguments: list[str]) -> None:
    script, *options = arguments
    result = subprocess.run(
        [sys.executable, "-m", f"soak_batch.{script}", *options],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"{script}: 0 violations\n")
