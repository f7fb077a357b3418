"""What every part of the parser is made with."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from norce_order_async.cli.arguments import fault_text, pair, seconds
from norce_order_async.cli.choices import TRANSPORTS
from norce_order_async.core.wording import meant

SETTINGS = """\
environment:
  Each setting also comes from the environment; a flag wins.
    --environment  NORCE_ENVIRONMENT     --merchant    NORCE_MERCHANT
    --slug         NORCE_SLUG            --channel     NORCE_CHANNEL
    --base-url     NORCE_BASE_URL        --adapter-id  NORCE_ADAPTER_ID
  The token comes from NORCE_TOKEN, or from the file that NORCE_TOKEN_FILE names. There is no flag for it: flags can
  be seen by every user of a machine.
  NORCE_PROFILE names a profile, as --profile does: what neither a flag nor the environment gives comes from there.
  NORCE_PROXY is the URL of an HTTP proxy, NORCE_CA_FILE a PEM file with the authorities to trust instead of the
  system's. This machine's own addresses are reached without the proxy.
"""
EXIT_CODES = """\
exit codes:
  0 all done   1 some failed   2 wrong usage   3 could not start   130 interrupted
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves descriptions as they are, and finds the terminal's width without what argparse would import for it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class Parser(argparse.ArgumentParser):
    """A parser with plain help and one line for an error.

    One without a description stands for a command that was not typed: nothing but its name is used, and making more of
    twenty of them would take as long as all else.

    Attributes:
        is_whole: Whether to make all of each parser nevertheless, for those who look into it.
    """

    is_whole: ClassVar[bool] = False

    def __init__(self, *, description: str | None = None, **kwargs: Any) -> None:
        if description is not None or self.is_whole:
            super().__init__(description=description, **kwargs, formatter_class=_Formatter, allow_abbrev=False)

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Say which words are not known, and which option was meant, perhaps.

        What is given to an option that is not known is never told: it may be a secret.
        """
        from difflib import get_close_matches

        known = self._option_string_actions
        options = [_name_of(word) for word in words if word.startswith("-")]
        near = [
            match
            for option in options
            for match in [name for name in known if len(option) > 2 and name.startswith(option)][:1]
            or get_close_matches(option, known, 1)
        ]
        hint = meant(near)
        if any("token" in option for option in options):
            hint = " (there is no flag for the token: set NORCE_TOKEN or NORCE_TOKEN_FILE)"
        self.error(f"unrecognized arguments: {' '.join(options or words)}{hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse lets go of what cannot be written: help that nobody gets would be a success.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong."""
        self.exit(2, f"{self.prog}: {message}\n  See: {self.prog} --help\n")


def _name_of(option: str) -> str:
    """An option without its value."""
    return option.partition("=")[0] if option.startswith("--") else option[:2]


def _columns() -> int:
    """How wide the terminal is."""
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}."  # str.capitalize would make "API" small


def add_group(commands: Any, name: str, summary: str) -> Any:
    """Add a group of commands."""
    parser = commands.add_parser(name, help=summary, description=_sentence(summary))
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)


def add_command(
    group: Any,
    name: str,
    summary: str,
    *,
    settings: bool = False,
    outputs: Sequence[str] = ("text", "json"),
    examples: str = "",
    details: str = "",
) -> argparse.ArgumentParser:
    """Add a command; ``command`` of what it parses is all its words after the program's name."""
    parts = [f"examples:\n{examples}" if examples else "", details, SETTINGS if settings else "", EXIT_CODES]
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=summary, description=_sentence(summary), epilog="\n".join(part for part in parts if part)
    )
    parser.set_defaults(command=parser.prog.partition(" ")[2], parser=parser)
    if settings:
        _add_settings(parser, outputs)
    return parser


def add_fault(parser: Any, purpose: str) -> None:
    """Add ``--fault``, which may be repeated."""
    parser.add_argument(
        "--fault",
        metavar="FAULT",
        type=fault_text,
        action="append",
        default=[],
        help=f"{purpose}: latency:SECONDS, status:CODE, drop-before, drop-after, "
        "apply-late:SECONDS, truncate or slow:SECONDS, each with "
        ":times=N, :share=P%%, :operation=NAME, :order=ID or :merchant=NAME, "
        "a status also with :retry-after=SECONDS; may be repeated",
    )


def add_set(parser: Any, purpose: str) -> None:
    """Add ``--set``, which may be repeated."""
    parser.add_argument("--set", metavar="NAME=VALUE", type=pair, action="append", default=[], help=purpose)


def _add_settings(parser: argparse.ArgumentParser, outputs: Sequence[str]) -> None:
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="settings from this table of ~/.config/norce-order/config.toml (below %%APPDATA%% on Windows), or of the "
        "file that NORCE_CONFIG names",
    )
    group.add_argument(
        "--environment",
        metavar="NAME",
        choices=("playground", "stage", "production"),
        help="playground, stage or production",
    )
    group.add_argument("--slug", help="the identifier in the address that Norce assigned")
    group.add_argument("--base-url", metavar="URL", help="the API's address, instead of environment and slug")
    group.add_argument("--merchant", help="sent as x-merchant")
    group.add_argument("--channel", help="sent as x-channel")
    group.add_argument("--adapter-id", metavar="ID", help="sent as x-adapterid: its hooks are not called")
    group.add_argument(
        "--proxy-from-env", action="store_true", help="without NORCE_PROXY, do as HTTPS_PROXY and NO_PROXY say"
    )
    group.add_argument("--timeout", metavar="SECONDS", type=seconds, help="for each call, retries included")
    group.add_argument(
        "--transport",
        choices=TRANSPORTS,
        help="what carries the requests; auto is httptools where it is installed (default: auto for batch run, aiohttp "
        "for all else); workers use aiohttp",
    )
    lines = ", jsonl an object a line" if "jsonl" in outputs else ""
    group.add_argument("--output", choices=outputs, help=f"default: text; json is one value{lines}")
    parser.set_defaults(outputs=outputs, settings=None, verbose=False)
