"""What can be typed after ``norce-order``. Imports nothing heavy, so that ``--help`` is quick."""

import argparse
from typing import Any

from norce_order_async.cli.arguments import count
from norce_order_async.cli.batch_parser import add_batch
from norce_order_async.cli.parsing import EXIT_CODES, SETTINGS, Parser, add_command, add_fault, add_group
from norce_order_async.core.version import __version__


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = Parser(
        prog="norce-order",
        description="Change orders through the Norce Checkout Order Management API.",
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
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    order = add_group(commands, "order", "read orders")
    get = add_command(order, "get", "print an order", settings=True)
    get.add_argument("order", metavar="ORDER", help="the order's id")

    consent = add_group(commands, "consent", "change an order's consents")
    patch = add_command(consent, "patch", "set whether a consent is given", settings=True)
    _consent_ids(patch)
    given = patch.add_mutually_exclusive_group(required=True)
    given.add_argument("--checked", action="store_true", dest="checked", help="the consent is given")
    given.add_argument("--unchecked", action="store_false", dest="checked", help="the consent is withdrawn")
    _consent_ids(add_command(consent, "delete", "take a consent off an order", settings=True))

    _attributes(add_group(commands, "attributes", "change an order's free-form attributes"))
    add_batch(add_group(commands, "batch", "make many changes from files"))
    _sandbox(commands)
    return parser


def _attributes(group: Any) -> None:
    parser = add_command(
        group,
        "patch",
        "set attributes of an order; those not named stay",
        settings=True,
        examples="""\
  norce-order attributes patch o_123 erpId=A-17 exported:=true note:=null
  norce-order attributes patch o_123 --json '{"erpId": "A-17", "exported": true}'
""",
    )
    parser.add_argument("order", metavar="ORDER", help="the order's id")
    parser.add_argument(
        "pairs", metavar="KEY=TEXT", nargs="*", help="an attribute: KEY=TEXT for text, KEY:=JSON for any other value"
    )
    parser.add_argument(
        "--json", metavar="OBJECT", help="all attributes as one JSON object; @FILE reads it from a file"
    )


def _sandbox(commands: Any) -> None:
    parser = add_command(
        commands,
        "sandbox",
        "serve a local stand-in for the API until Ctrl-C",
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
    add_fault(parser, "misbehave")


def _consent_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order", metavar="ORDER", help="the order's id")
    parser.add_argument("consent", metavar="CONSENT", help="the consent's id")
