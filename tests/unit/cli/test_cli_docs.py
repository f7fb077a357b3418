"""The page of the command line has every command."""

from pathlib import Path

import pytest
from shell import Shell

from norce_order_async.cli.calls import COMMANDS, Command
from norce_order_async.wire.table import ROWS

PAGE = Path(__file__).parents[3] / "docs/cli.md"


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


def test_the_page_has_the_table_of_all_commands() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- commands: begin -->\n")
    shown, _, _ = rest.partition("\n<!-- commands: end -->")
    assert shown == table()
