"""The first steps of somebody new: all that docs/quickstart.md says, in its order, and the first recipe."""

import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import indent

import attrs
from shown import differences

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"Save this as `([\w.]+)`")
_COMMAND = re.compile(r"^\$ ", re.MULTILINE)
_ADDRESS = re.compile(r"127\.0\.0\.1:\d+")
_SERVERS = ("norce-order sandbox", "python hook.py")


class Stumbled(Exception):
    """The page shows something else than what happens."""


@attrs.define
class Newcomer:
    """Somebody with a new environment, who follows the page.

    Attributes:
        programs: Where the environment has its programs.
        python: Its Python.
        folder: An empty one, to work in.
        env: The environment variables.
        addresses: Where the servers are that the page has at other ports.
        ending: Ends the servers.
    """

    programs: Path
    python: Path
    folder: Path
    env: dict[str, str]
    addresses: dict[str, str] = attrs.Factory(dict[str, str])
    ending: ExitStack[bool | None] = attrs.Factory(ExitStack)

    def follow(self, page: Path) -> None:
        """Do what the page says.

        Raises:
            Stumbled: It prints something else than the page shows.
        """
        shown = ""
        with self.ending:
            for before, kind, block in _blocks(page.read_text(encoding="utf-8")):
                if "% skip: next" in before:
                    continue
                if kind == "console":
                    for command, expected in _commands(block):
                        _compare(command, expected, self._run(command, expected))
                elif kind == "text":
                    _compare("python", block, shown)
                elif found := _FILE.search(before):
                    # A port that is free: the operating system chooses one.
                    text = block.replace("port=8788", "port=0")
                    self.folder.joinpath(found[1]).write_text(text, encoding="utf-8")
                else:
                    shown = self._output([str(self.python), "-c", block])

    def program(self, name: str, text: str, expected: str) -> None:
        """Run a program.

        Raises:
            Stumbled: It prints something else.
        """
        _compare(name, expected, self._output([str(self.python), "-W", "error", "-c", text]))

    def _run(self, command: str, expected: str) -> str:
        for shown, real in self.addresses.items():
            command = command.replace(shown, real)
        words = shlex.split(command)
        if words[0] == "export":
            self.env |= dict(word.split("=", 1) for word in words[1:])
            return ""
        program = self.python if words[0] == "python" else self.programs / words[0]
        if command in _SERVERS:
            return self._serve([str(program), *words[1:]], expected)
        return self._output([str(program), *words[1:]])

    def _output(self, command: list[str]) -> str:
        # A failure shows in what is printed.
        run = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", env=self.env, cwd=self.folder
        )
        return run.stdout

    def _serve(self, command: list[str], expected: str) -> str:
        """Start a server; the lines of its output that the page shows."""
        options = ["--port", "0"] if command[-1] == "sandbox" else []
        server = self.ending.enter_context(
            subprocess.Popen(
                [*command, *options], stdout=subprocess.PIPE, encoding="utf-8", env=self.env, cwd=self.folder
            )
        )
        self.ending.callback(server.terminate)
        assert server.stdout is not None
        said = "".join(server.stdout.readline() for _ in range(expected.count("\n")))
        if found := _ADDRESS.search(said):
            self.addresses[_ADDRESS.findall(expected)[0]] = found[0]
        return said


def _blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Each block of code with the paragraph before it."""
    end = 0
    for found in _BLOCK.finditer(page):
        yield page[end : found.start()].rstrip().rpartition("\n\n")[2], found[1], found[2]
        end = found.end()


def _commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command with the output that is shown."""
    for part in _COMMAND.split(block)[1:]:
        command, _, expected = part.replace("\\\n", "").partition("\n")
        yield command, expected


def _compare(command: str, expected: str, printed: str) -> None:
    if failure := differences(expected, printed):
        raise Stumbled(f"$ {command}\n{failure}")


def _recipe(page: Path) -> tuple[str, str]:
    """A program of the first recipe, which awaits without a function around it, and what it prints."""
    blocks: list[str] = []
    for _, kind, block in _blocks(page.read_text(encoding="utf-8")):
        if kind == "text":
            return f"import asyncio\nasync def main():\n{indent(''.join(blocks), '    ')}\nasyncio.run(main())", block
        blocks.append(block)
    raise ValueError(f"{page} shows no output")


def begin(programs: Path, python: Path, env: dict[str, str], docs: Path) -> None:
    """Follow the quick start and the first recipe in an environment.

    Raises:
        Stumbled: One prints something else than its page shows.
    """
    plain = {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory() as folder:
        newcomer = Newcomer(programs, python, Path(folder), env | plain)
        newcomer.follow(docs / "quickstart.md")
        recipe, expected = _recipe(docs / "cookbook.md")
        newcomer.program("the first recipe", recipe, expected)
    print("The quick start and the first recipe print what their pages say.")
