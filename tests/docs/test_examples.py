"""Run the examples of README.md and docs/: Python as Python, consoles as the command, outputs compared."""

import ast
import asyncio
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import SkipTest
from unittest.mock import patch

import pytest
from commanded import exit_code
from release.newcomer import begin
from shown import differences
from sybil import Document, Example, Sybil
from sybil.parsers.myst import CodeBlockParser, SkipParser

from norce_order_async import AiohttpTransport
from norce_order_async.testing import SANDBOX_TOKEN, Sandbox, SandboxTransport
from norce_order_async.transport import Request, Response, Transport

ROOT = Path(__file__).parents[2]
QUICK_START = ROOT / "docs" / "quickstart.md"
PAGES = [ROOT / "README.md", *sorted(set(ROOT.glob("docs/*.md")) - {QUICK_START})]


class NorceIsASandbox(Transport):
    """The default transport, but what is meant for Norce's hosts goes to a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._norce = SandboxTransport(sandbox)
        self._sockets = AiohttpTransport()

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        transport = self._norce if ".norce.tech/" in request.url else self._sockets
        return await transport.send(request, timeout=timeout)

    async def aclose(self) -> None:
        await self._norce.aclose()
        await self._sockets.aclose()


class Page:
    """The state that the examples of one page share."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.printed = ""
        self.code = 0
        self.server: subprocess.Popen[str] | None = None
        self.address = "127.0.0.1:8787"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.runner.close()
        if self.server is not None:
            self.server.terminate()
            self.server.communicate()

    def parse(self, path: Path) -> Document:
        blocks = {"python": self.python, "text": self.output, "console": self.console}
        parsers = [CodeBlockParser(language, evaluate) for language, evaluate in blocks.items()]
        document = Sybil([SkipParser(), *parsers]).parse(path)
        document.namespace["__name__"] = "__main__"
        return document

    def python(self, example: Example) -> None:
        """Run a block; an ``await`` in it runs on the page's event loop."""
        self.nothing_left()
        source = "\n" * (example.line + example.parsed.line_offset) + str(example.parsed)
        code = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        with redirect_stdout(io.StringIO()) as out:
            result: Any = eval(code, example.namespace)
            if inspect.iscoroutine(result):
                self.runner.run(result)
        self.printed = out.getvalue()

    def output(self, example: Example) -> str | None:
        """Compare a block with what the Python before it printed."""
        printed, self.printed = self.printed, ""
        return differences(str(example.parsed), printed)

    def nothing_left(self) -> None:
        assert not self.printed, f"the page does not show that this is printed: {self.printed}"

    def console(self, example: Example) -> str | None:
        """Run the commands of a block, each followed by what it prints."""
        for part in re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)[1:]:
            command, _, expected = part.replace("\\\n", "").partition("\n")
            if failure := differences(expected, self.run(command, expected)):
                return f"$ {command}\n{failure}"
        return None

    def run(self, command: str, expected: str) -> str:
        words = shlex.split(command.replace("127.0.0.1:8787", self.address), comments=True)
        if command == "echo $?":
            return f"{self.code}\n"
        if words[0] == "export":
            os.environ.update(dict(word.split("=", 1) for word in words[1:]))
            return ""
        if words[0] == "cat":
            return Path(words[1]).read_text(encoding="utf-8")
        assert words[0] == "norce-order", f"the test cannot run {command!r}: put a skip comment before it"
        if words[1] == "sandbox":
            return self.serve(words[2:], lines=expected.count("\n"))
        printed = io.BytesIO()
        out = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
        with redirect_stdout(out), redirect_stderr(out):
            self.code = exit_code(words[1:])
        return printed.getvalue().decode()

    def serve(self, options: list[str], *, lines: int) -> str:
        """Start the sandbox on a free port, for the page's further commands."""
        command = [sys.executable, "-m", "norce_order_async", "sandbox", *options, "--port", "0"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        said = "".join(self.server.stdout.readline() for _ in range(lines))
        (self.address,) = set(re.findall(r"127\.0\.0\.1:\d+", said))
        return said


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    norce = Sandbox(tokens=["TOKEN", SANDBOX_TOKEN])
    norce.add_order("o_123", consents=["ci_newsletter", "ci_terms"])
    for module in ("client", "testing.recording.transport"):
        monkeypatch.setattr(f"norce_order_async.{module}.default_transport", lambda: NorceIsASandbox(norce))
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ, COLUMNS="80", NO_COLOR="1"), Page() as page:
        yield page


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples(path: Path, page: Page) -> None:
    for example in page.parse(path).examples():
        with suppress(SkipTest):  # the page says on what condition
            example.evaluate()
    page.nothing_left()


def test_a_newcomer_can_follow_the_quick_start_and_the_first_recipe() -> None:
    python = Path(sys.executable)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NORCE_", "PYTEST_"))}
    begin(python.parent, python, env, QUICK_START.parent)
