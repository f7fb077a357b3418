"""What can be typed after ``norce-order``. Imports nothing heavy, so that ``--help`` is quick."""

import argparse
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from norce_order_async.core.version import __version__

if TYPE_CHECKING:
    from norce_order_async.core.outcome import OutcomeKind

_SETTINGS = """\
environment:
  Each setting also comes from the environment; a flag wins.
    --environment  NORCE_ENVIRONMENT     --merchant    NORCE_MERCHANT
    --slug         NORCE_SLUG            --channel     NORCE_CHANNEL
    --base-url     NORCE_BASE_URL        --adapter-id  NORCE_ADAPTER_ID
  The token comes from NORCE_TOKEN, or from the file that NORCE_TOKEN_FILE names. There is no flag for it: flags can
  be seen by every user of a machine.
  NORCE_PROXY is the URL of an HTTP proxy, NORCE_CA_FILE a PEM file with the authorities to trust instead of the
  system's. This machine's own addresses are reached without the proxy.
"""
_EXIT_CODES = """\
exit codes:
  0 all done   1 some failed   2 wrong usage   3 could not start   130 interrupted
"""
_COMMANDS = "norce_order_async.cli.commands"
_JOURNAL = "norce_order_async.cli.journal"


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n  See: {self.prog} --help\n")


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
    parser.add_argument(
        "--version", action="version", version=f"norce-order {__version__}", help="print the version and exit"
    )
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
    _batch(_group(commands, "batch", "make many changes from files"))
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
    _batch_run(group)
    status = _command(group, "status", "batch_status", "tell how a batch stands, from its journal", module=_JOURNAL)
    status.add_argument("journal", type=_file_name, metavar="JOURNAL", help="the journal of the batch")
    status.add_argument("--output", choices=("text", "json"), default="text", help="json is for programs")
    report = _command(
        group,
        "report",
        "batch_report",
        "print a line for each change, from the journal of a batch",
        module=_JOURNAL,
        examples="""\
  norce-order batch report changes.jsonl.journal --only failed > failed.jsonl
  norce-order batch report changes.jsonl.journal --format csv > outcomes.csv
  norce-order batch report changes.jsonl.journal --html report.html
""",
    )
    report.add_argument("journal", type=_file_name, metavar="JOURNAL", help="the journal of the batch")
    _only(report, "only changes that ended so")
    report.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default: jsonl")
    report.add_argument(
        "--html", type=_file_name, metavar="FILE", help="write one page with charts instead, for a browser"
    )


def _batch_run(group: Any) -> None:
    parser = _command(
        group,
        "run",
        "batch_run",
        "make the changes that files list, or go on with it",
        module="norce_order_async.cli.batch",
        settings=True,
        examples="""\
  norce-order batch run changes.jsonl --sandbox            try it
  norce-order batch run changes.csv --dry-run              check every line, send nothing
  norce-order batch run changes.csv --environment stage --slug acme --rate 50
  norce-order batch run changes.csv --environment stage --slug acme --rate 50
                                                           the same once more: go on where it was stopped
  norce-order batch run changes.csv --environment stage --slug acme --only unknown,not_sent
  zcat export-*.jsonl.gz | norce-order batch run - --journal export.journal
""",
        details="""\
input, one change a line (JSON Lines; or CSV with these names in its first line, attributes as JSON):
  {"op": "patch_consent", "order_id": "o_123", "consent_id": "ci_newsletter", "checked": false}
  {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_newsletter"}
  {"op": "patch_attributes", "order_id": "o_123", "attributes": {"exported": true}}
  merchant and channel may stand on each line. A bad line is reported and stops nothing.

journal:
  Every change is written down before it is sent, and again with its outcome. The same command goes on where a run
  was stopped or killed; what ended is never sent again, except with --only.

Ctrl-C finishes what is in flight, a second one ends at once. Both can be continued.
""",
    )
    parser.add_argument(
        "files",
        type=_file_name,
        nargs="+",
        metavar="FILE",
        help="the changes: *.csv is CSV, anything else JSON Lines; gzip is unpacked; - is standard input",
    )
    parser.add_argument("--format", choices=("jsonl", "csv"), help="the files' format, whatever their names")
    parser.add_argument(
        "--journal", type=_file_name, metavar="FILE", help="where it is written down (default: FILE.journal)"
    )
    _only(parser, "make only those changes again that ended so")
    parser.add_argument("--dry-run", action="store_true", help="check all lines and count them, and send nothing")
    parser.add_argument("--report", type=_file_name, metavar="FILE", help="write a line for each change (jsonl or csv)")
    parser.add_argument("--html", type=_file_name, metavar="FILE", help="write one page with charts, for a browser")
    pace = parser.add_argument_group("pace")
    pace.add_argument(
        "--concurrency",
        metavar="N",
        type=_concurrency,
        default="auto",
        help="how many changes at once, on each worker (default: auto, which finds out, up to 100)",
    )
    pace.add_argument("--rate", metavar="N", type=_number, help="how many requests a second at most")
    pace.add_argument("--max-failures", metavar="N", type=_count, help="stop after so many changes that failed")
    pace.add_argument(
        "--patience",
        metavar="SECONDS",
        type=_seconds,
        default=300.0,
        help="how long to wait for a server that cannot be reached (default: 300)",
    )
    pace.add_argument(
        "--settle",
        metavar="SECONDS",
        type=_seconds_or_0,
        help="how long the next change of a resource waits after a request whose answer never came "
        "(default: as long as a request may take; 0: not at all)",
    )
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--sandbox",
        action="store_true",
        help="start a sandbox on a free port, create the orders that the files name, and run against that",
    )
    _fault(where, "with --sandbox: let it misbehave")
    where.add_argument(
        "--transport",
        choices=("auto", "aiohttp", "httptools"),
        default="auto",
        help="what carries the requests (default: auto, which is httptools where it is installed); workers use aiohttp",
    )
    where.add_argument("--verbose", action="store_true", help="say also how it runs")
    where.add_argument("--workers", metavar="N", type=_count, help="start so many processes for it on this machine")
    where.add_argument(
        "--cluster", metavar="ADDRESS", help="run on a Dask cluster, say tcp://scheduler:8786; it has the token itself"
    )


def _only(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--only",
        metavar="OUTCOMES",
        type=_outcomes,
        help=f"{purpose}: applied, accepted, applied_inferred, rejected, not_sent, unknown, or failed for the last "
        "three; several with commas",
    )


def _sandbox(commands: Any) -> None:
    parser = _command(
        commands,
        "sandbox",
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
        "--seed-orders", type=_count, default=0, metavar="N", help="create N plausible orders, the same each time"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="take exactly what the contract says: no other case in enumerations, no customer without a type",
    )
    _fault(parser, "misbehave")


def _fault(parser: Any, purpose: str) -> None:
    parser.add_argument(
        "--fault",
        metavar="FAULT",
        type=_fault_text,
        action="append",
        default=[],
        help=f"{purpose}: latency:SECONDS, status:CODE, drop-before, drop-after, "
        "apply-late:SECONDS, truncate or slow:SECONDS, each with "
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
    group.add_argument(
        "--proxy-from-env", action="store_true", help="without NORCE_PROXY, do as HTTPS_PROXY and NO_PROXY say"
    )
    group.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="for each call, retries included")
    group.add_argument("--output", choices=("text", "json"), default="text", help="json is for programs")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _concurrency(text: str) -> int | str:
    return text if text == "auto" else _count(text)


def _number(text: str) -> float:
    with suppress(argparse.ArgumentTypeError):
        if isfinite(value := _seconds(text)):
            return value
    raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")


def _outcomes(text: str) -> "frozenset[OutcomeKind]":
    from norce_order_async.core.outcome import OutcomeKind

    failed = {kind for kind in OutcomeKind if kind.failed}
    kinds: set[OutcomeKind] = set()
    for name in text.split(","):
        if name.strip() == "failed":
            kinds |= failed
        elif name.strip() in set(OutcomeKind):
            kinds.add(OutcomeKind(name.strip()))
        else:
            known = ", ".join([*OutcomeKind, "failed"])
            raise argparse.ArgumentTypeError(f"{name!r} is none of {known}")
    return frozenset(kinds)


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


def _seconds_or_0(text: str) -> float:
    return 0.0 if text.strip() == "0" else _seconds(text)


def _fault_text(text: str) -> str:
    from norce_order_async.core.errors import ConfigurationError
    from norce_order_async.testing import Fault

    try:
        Fault.parse(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
