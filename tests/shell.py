"""The command line in this process, against a sandbox in memory."""

import json
from typing import Any

import pytest
from commanded import exit_code

from norce_order_async.testing import Sandbox


def no_transport(_: object) -> None:
    """In place of the one that the options of a batch choose: that of the sandbox in memory."""


class Shell:
    """Runs the command in this process, against one sandbox."""

    def __init__(self, sandbox: Sandbox, capture: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self._capture = capture
        self.errors = ""

    def __call__(self, *words: str) -> tuple[int, str]:
        code = exit_code(words)
        out, self.errors = self._capture.readouterr()
        return code, out

    def id_of(self, *words: str) -> str:
        """Create something, and return the id that is printed."""
        code, out = self(*words)
        assert code == 0, self.errors
        return out.strip()

    @property
    def order(self) -> Any:
        return json.loads(self("order", "get", "o_123", "--output", "json")[1])
