"""The page of the command line has every command, and every command that any page shows can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from shell import Shell

from norce_order_async.cli.commands import COMMANDS, Command
from norce_order_async.cli.parser import parse
from norce_order_async.wire.table import ROWS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/cli.md"
SHOWN = sorted(
    (page.name, command)
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    for command in re.findall(r"^\$ norce-order (.*)", page.read_text("utf-8").replace("\\\n", ""), re.MULTILINE)
)


def table() -> str:
    lines = ["| command | operation | |", "| --- | --- | --- |"]
    for command in COMMANDS:
        ids = " ".join(name.removesuffix("_id").upper() for name in ROWS[command.operation].ids)
        lines.append(f"| `{command.name}{f' {ids}' if ids else ''}` | {command.operation} | {command.summary} |")
    return "\n".join(lines)


def test_the_words_of_a_summary_keep_their_case(shell: Shell) -> None:
    told = " ".join(shell("sandbox", "--help")[1].split())
    assert "Serve a local stand-in for the API until Ctrl-C." in told


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_says_in_words_how_sure_an_operation_is(shell: Shell, command: Command) -> None:
    code, told = shell(*command.name.split(), "--help")
    assert code == 0
    assert "v1_types" not in told


@pytest.mark.parametrize("command", [*(command.name for command in COMMANDS), "batch run", "batch plan", "sandbox"])
def test_no_line_of_help_is_longer_than_120_columns(shell: Shell, command: str) -> None:
    assert [line for line in shell(*command.split(), "--help")[1].splitlines() if len(line) > 120] == []


def test_the_page_has_the_table_of_all_commands() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- commands: begin -->\n")
    shown, _, _ = rest.partition("\n<!-- commands: end -->")
    assert shown == table()


@pytest.mark.parametrize("command", ["order get", "batch run", "batch report", "sandbox", "check"])
def test_the_page_has_all_flags(shell: Shell, command: str) -> None:
    flags = set(re.findall(r"^ +(--[a-z-]+)", shell(*command.split(), "--help")[1], re.MULTILINE))
    assert flags
    assert flags <= set(re.findall(r"`(--[a-z-]+)", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("page", "command"), SHOWN)
def test_a_command_that_a_page_shows_can_be_typed(page: str, command: str) -> None:
    """Also one whose example is skipped."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    typed: list[str] = []
    for word in words:
        if word in (">", "|", "&&", ";"):
            break
        typed.append(word)
    code: object = 0
    try:
        parse(typed)
    except SystemExit as ended:  # also of --help
        code = ended.code
    assert code == 0, page
