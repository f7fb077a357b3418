"""What can be typed after ``norce-order``. Imports nothing heavy, so that ``--help`` is quick."""

import argparse
from collections.abc import Sequence
from typing import Any

from norce_order_async.cli.arguments import count, seconds
from norce_order_async.cli.commands import GROUPS
from norce_order_async.cli.parsing import EXIT_CODES, SETTINGS, Parser, add_command, add_fault, add_group
from norce_order_async.core.version import __version__

_OTHERS = {
    "batch": "make many changes from files",
    "sandbox": "serve a local stand-in for the API until Ctrl-C",
    "check": "say whether address, TLS, token, merchant and channel are right",
}


def build_parser(words: Sequence[str]) -> Parser:
    """The parser of the command that these words begin; of the others it knows the names only."""
    parser = Parser(
        prog="norce-order",
        description="Read and change orders through the Norce Checkout Order Management API.",
        epilog=f"""\
to try it without an account:
  norce-order batch run changes.jsonl --sandbox    a batch, against a sandbox of its own
  norce-order sandbox                              a sandbox that stays, for every other command

{SETTINGS}
{EXIT_CODES}""",
    )
    parser.add_argument(
        "--version", action="version", version=f"norce-order {__version__}", help="print the version and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    first, second = (*(word for word in words if not word.startswith("-")), "", "")[:2]
    for name, summary in (GROUPS | _OTHERS).items():
        if name != first:
            commands.add_parser(name, help=summary)
        elif name in GROUPS:
            from norce_order_async.cli.call_parser import add_calls

            add_calls(add_group(commands, name, summary), name, second)
        else:
            _add_other(commands, name, summary)
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What these words ask for.

    Raises:
        SystemExit: Help, or wrong usage, which was told of.
    """
    parser = build_parser(words)
    if (option := _before_command(words)) is not None:
        if all(word.startswith("-") for word in words):
            parser.refuse([option])
        parser.error(f"{option} stands before the command: options stand after it")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.parser.refuse(unknown)
    return options


def prints_plan(words: Sequence[str]) -> bool:
    """Whether a plan is asked for on standard output."""
    named = [word for word in words if not word.startswith("-")][:2] == ["batch", "plan"]
    return named and not any(word.partition("=")[0] in ("--out", "--dry-run", "--count") for word in words)


def _before_command(words: Sequence[str]) -> str | None:
    """The option that stands before the last word of the command, if any does."""
    ends = 2 if words and words[0] in {*GROUPS, "batch"} else 1
    options = (word.partition("=")[0] for word in words[:ends] if word.startswith("-"))
    return next((option for option in options if option not in ("-h", "--help", "--version")), None)


def _add_other(commands: Any, name: str, summary: str) -> None:
    match name:
        case "batch":
            from norce_order_async.cli.batch_parser import add_batch

            add_batch(add_group(commands, name, summary))
        case "sandbox":
            _add_sandbox(commands, summary)
        case _:
            add_command(
                commands,
                name,
                summary,
                settings=True,
                outputs=("text", "json"),
                examples="  norce-order check --profile stage\n",
                details="It reads at most one order, and prints where each setting comes from, never the token.\n",
            )


def _add_sandbox(commands: Any, summary: str) -> None:
    parser = add_command(
        commands,
        "sandbox",
        summary,
        examples="""\
  norce-order sandbox
  norce-order sandbox --port 0 --fault latency:0.2 --fault status:503:share=5%
  norce-order sandbox --seed-orders 5000
""",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8787, help="the port, 0 for a free one (default: 8787)")
    parser.add_argument(
        "--orders-from", metavar="FILE", help="create the orders and consents that this batch file names"
    )
    parser.add_argument(
        "--seed-orders", type=count, default=0, metavar="N", help="create N plausible orders, the same each time"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="take exactly what the contract says: no other case in enumerations, no customer without a type",
    )
    parser.add_argument(
        "--ignore-filter",
        action="append",
        default=[],
        metavar="NAME",
        help="do not look at this filter of order list (status, date_from ...), as a service may do; may be repeated",
    )
    add_fault(parser, "misbehave")
    parser.add_argument("--console-writes", action="store_true", help="let the console, the page at /, switch faults")
    _add_callbacks(parser)


def _add_callbacks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-callbacks",
        action="append",
        default=[],
        metavar="HOST",
        help="call hooks, validations and notifications on this host too, not on this machine alone; may be repeated",
    )
    parser.add_argument(
        "--callback-deadline",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long an adapter may take to answer a call (default: 5)",
    )
    parser.add_argument(
        "--on-hook-failure",
        choices=("refuse", "allow"),
        default="refuse",
        help="what follows when a hook is down, too slow or answers nonsense (default: refuse)",
    )
