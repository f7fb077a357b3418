"""What can be typed after ``norce-order``. Imports nothing heavy, so that ``--help`` is quick."""

import argparse
import sys
from typing import Any, NoReturn

_SETTINGS = """\
environment:
  Each setting also comes from the environment; a flag wins.
    --environment  NORCE_ENVIRONMENT     --merchant    NORCE_MERCHANT
    --slug         NORCE_SLUG            --channel     NORCE_CHANNEL
    --base-url     NORCE_BASE_URL        --adapter-id  NORCE_ADAPTER_ID
  The token comes from NORCE_TOKEN, or from the file that NORCE_TOKEN_FILE names. There is no flag for it: flags can
  be seen by every user of a machine.
"""
_EXIT_CODES = """\
exit codes:
  0 all done   1 some failed   2 wrong usage   3 could not start   130 interrupted
"""
_COMMANDS = "norce_order_async.cli.commands"


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n  See: {self.prog} --help\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"norce-order {version('norce-order-async')}")
        sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command; ``run`` of what it parses names the function to call."""
    parser = _Parser(
        prog="norce-order",
        description="Change orders through the Norce Checkout Order Management API.",
        epilog=f"""\
to try it without an account:
  norce-order batch run changes.jsonl --sandbox    a batch, against a sandbox of its own
  norce-order sandbox                              a sandbox that stays, for every other command

{_SETTINGS}
{_EXIT_CODES}""",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    order = _group(commands, "order", "read orders")
    get = _command(order, "get", "order_get", "print an order", settings=True)
    get.add_argument("order", metavar="ORDER", help="the order's id")

    consent = _group(commands, "consent", "change an order's consents")
    patch = _command(consent, "patch", "consent_patch", "set whether a consent is given", settings=True)
    _consent_ids(patch)
    given = patch.add_mutually_exclusive_group(required=True)
    given.add_argument("--checked", action="store_true", dest="checked", help="the consent is given")
    given.add_argument("--unchecked", action="store_false", dest="checked", help="the consent is withdrawn")
    _consent_ids(_command(consent, "delete", "consent_delete", "take a consent off an order", settings=True))

    _attributes(_group(commands, "attributes", "change an order's free-form attributes"))
    _batch(_group(commands, "batch", "make many changes from a file"))
    _sandbox(commands)
    return parser


def _attributes(group: Any) -> None:
    parser = _command(
        group,
        "patch",
        "attributes_patch",
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


def _batch(group: Any) -> None:
    parser = _command(
        group,
        "run",
        "batch_run",
        "make the changes that a file lists",
        module="norce_order_async.cli.batch",
        settings=True,
        examples="""\
  norce-order batch run changes.jsonl --sandbox
  norce-order batch run changes.csv --environment stage --slug acme --concurrency 16
  norce-order batch run changes.report.failed.jsonl        what failed is itself valid input
""",
        details="""\
input, one change a line (JSON Lines; or CSV with these names in its first line, attributes as JSON):
  {"op": "patch_consent", "order_id": "o_123", "consent_id": "ci_newsletter", "checked": false}
  {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_newsletter"}
  {"op": "patch_attributes", "order_id": "o_123", "attributes": {"exported": true}}

  A bad line is reported and stops nothing. Ctrl-C finishes what is in flight and accounts for the rest; a second one
  ends at once.
""",
    )
    parser.add_argument(
        "file", type=_file_name, metavar="FILE", help="the changes; *.csv is CSV, anything else JSON Lines"
    )
    parser.add_argument("--format", choices=("jsonl", "csv"), help="the file's format, whatever its name")
    parser.add_argument(
        "--concurrency", metavar="N", type=_count, default=32, help="how many changes at once (default: 32)"
    )
    parser.add_argument(
        "--report",
        type=_file_name,
        metavar="FILE",
        help="where each change's outcome is written (default: a new file FILE.report.jsonl in this folder); "
        "what failed goes beside it",
    )
    parser.add_argument(
        "--sandbox",
        action="store_true",
        help="start a sandbox on a free port, create the orders that the file names, and run against that",
    )
    _fault(parser, "with --sandbox: let it misbehave")


def _sandbox(commands: Any) -> None:
    parser = _command(
        commands,
        "sandbox",
        "sandbox",
        "serve a local stand-in for the API until Ctrl-C",
        examples="""\
  norce-order sandbox
  norce-order sandbox --port 0 --fault latency:0.2 --fault status:503:share=5%
""",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8787, help="the port, 0 for a free one (default: 8787)")
    parser.add_argument(
        "--orders-from", metavar="FILE", help="create the orders and consents that this batch file names"
    )
    _fault(parser, "misbehave")


def _fault(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--fault",
        metavar="FAULT",
        type=_fault_text,
        action="append",
        default=[],
        help=f"{purpose}: latency:SECONDS, status:CODE, drop-before, drop-after, truncate or slow:SECONDS, each with "
        ":times=N, :share=P%% or :operation=NAME, a status also with :retry-after=SECONDS; may be repeated",
    )


def _consent_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order", metavar="ORDER", help="the order's id")
    parser.add_argument("consent", metavar="CONSENT", help="the consent's id")


def _group(commands: Any, name: str, summary: str) -> Any:
    parser = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _command(
    group: Any,
    name: str,
    function: str,
    summary: str,
    *,
    module: str = _COMMANDS,
    settings: bool = False,
    examples: str = "",
    details: str = "",
) -> argparse.ArgumentParser:
    parts = [f"examples:\n{examples}" if examples else "", details, _SETTINGS if settings else "", _EXIT_CODES]
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=summary, description=f"{summary.capitalize()}.", epilog="\n".join(part for part in parts if part)
    )
    parser.set_defaults(run=f"{module}:{function}")
    if settings:
        _add_settings(parser)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
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
    group.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="for each call, retries included")
    group.add_argument("--output", choices=("text", "json"), default="text", help="json is for programs")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _file_name(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError("is empty or not a file name")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return value


def _fault_text(text: str) -> str:
    from norce_order_async.errors import ConfigurationError
    from norce_order_async.testing.faults import Fault

    try:
        Fault.parse(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
