"""The quick versions of what `nox -s soak_batch` proves at length."""

import pytest
from command import run_program


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
    result = run_program(f"soak_batch.{script}", *options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"{script}: 0 violations\n")
