"""What can be typed after ``norce-order batch``."""

import argparse
from typing import Any

from norce_order_async.cli.arguments import (
    address,
    concurrency,
    count,
    delimiter,
    file_name,
    number,
    outcomes,
    output_name,
    pair,
    seconds,
    seconds_or_0,
)
from norce_order_async.cli.parsing import add_command, add_fault, add_set
from norce_order_async.cli.plan_parser import add_plan

_EXAMPLES = """\
  norce-order batch run changes.jsonl --sandbox            try it
  norce-order batch run changes.csv --dry-run              check every line, send nothing
  norce-order batch run changes.csv --environment stage --slug acme --rate 50
  norce-order batch run changes.csv --environment stage --slug acme --rate 50
                                                           the same once more: go on where it was stopped
  norce-order batch run changes.csv --environment stage --slug acme --only unknown,not_sent
  norce-order batch run changes.csv --environment stage --slug acme --undo undo.jsonl
  norce-order batch run undo.jsonl --environment stage --slug acme --once
                                                           and everything back
  norce-order batch run ids.txt --set op=delete_consent --set consent_id=ci_newsletter --dry-run
  norce-order batch run orders.xlsx --column order_id=OrderNo --ignore-columns --set op=delete_order --dry-run
  zcat export-*.jsonl.gz | norce-order batch run - --journal export.journal
"""
_DETAILS = """\
input, one change a line (JSON Lines; or CSV with these names in its first line, attributes as JSON):
  {"op": "patch_consent", "order_id": "o_123", "consent_id": "ci_newsletter", "checked": false}
  {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_newsletter"}
  {"op": "patch_attributes", "order_id": "o_123", "attributes": {"exported": true}}
  {"op": "update_reference", "order_id": "o_123", "reference": "web-17"}
  op is any operation that changes something, as the Python functions are called; what is not safe to repeat
  (create_hook, say) is refused without --once. merchant and channel may stand on each line.
  A bad line is reported and stops nothing.

journal:
  Every change is written down before it is sent, and again with its outcome. The same command goes on where a run
  was stopped or killed; what ended is never sent again, except with --only.

Ctrl-C finishes what is in flight, a second one ends at once. Both can be continued.
"""


def add_batch(group: Any) -> None:
    """Add ``batch plan``, ``batch run``, ``batch status`` and ``batch report``."""
    add_plan(group)
    _batch_run(group)
    status = add_command(group, "status", "tell how a batch stands, from its journal")
    status.add_argument("journal", type=file_name, metavar="JOURNAL", help="the journal of the batch")
    status.add_argument("--output", choices=("text", "json"), default="text", help="json is for programs")
    report = add_command(
        group,
        "report",
        "print a line for each change, from the journal of a batch",
        examples="""\
  norce-order batch report changes.jsonl.journal --only failed > failed.jsonl
  norce-order batch report changes.jsonl.journal --format csv > outcomes.csv
  norce-order batch report changes.jsonl.journal --html report.html
""",
    )
    report.add_argument("journal", type=file_name, metavar="JOURNAL", help="the journal of the batch")
    _only(report, "only changes that ended so")
    report.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default: jsonl")
    report.add_argument("--delimiter", metavar="CHARACTER", type=delimiter, help="what separates the columns of CSV")
    report.add_argument("--excel", action="store_true", help="begin CSV with a byte order mark, for Excel")
    report.add_argument(
        "--html", type=output_name, metavar="FILE", help="write one page with charts instead, for a browser"
    )
    report.add_argument(
        "--undo",
        type=output_name,
        metavar="FILE",
        help="write the changes that bring the old values back instead, of a batch that ran with --undo",
    )


def _batch_run(group: Any) -> None:
    parser = add_command(
        group,
        "run",
        "make the changes that files list, or go on with it",
        settings=True,
        outputs=("text", "json", "jsonl"),
        examples=_EXAMPLES,
        details=_DETAILS,
    )
    _input(parser)
    _pace(parser)
    _where(parser)


def _input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        type=file_name,
        nargs="+",
        metavar="FILE",
        help="the changes: *.csv and *.tsv, *.xlsx and *.parquet, *.json with one array, *.txt with ids and --set; "
        "anything else is JSON Lines; gzip is unpacked; - is standard input",
    )
    _columns(parser)
    parser.add_argument(
        "--journal",
        type=output_name,
        metavar="FILE",
        help="the file of the journal, which a run goes on from (default: FILE.journal)",
    )
    _only(parser, "make only those changes again that ended so, and none that was never begun")
    parser.add_argument(
        "--once",
        action="store_true",
        help="take changes that are not safe to repeat, too (create_hook, say), and make each at most once",
    )
    parser.add_argument(
        "--resolve",
        action="store_true",
        help="look at every unknown change at the end, and make again what is not applied and safe to repeat",
    )
    parser.add_argument(
        "--undo",
        type=output_name,
        metavar="FILE",
        help="first read what is there, and write the changes that bring it back, as a batch (*.jsonl); what cannot be "
        "taken back stands in FILE's name with .left, and --dry-run tells it before",
    )
    parser.add_argument("--dry-run", action="store_true", help="check all lines and count them, and send nothing")
    parser.add_argument(
        "--report", type=output_name, metavar="FILE", help="write a line for each change (jsonl or csv)"
    )
    parser.add_argument(
        "--excel", action="store_true", help="begin a report in CSV with a byte order mark, by which Excel knows UTF-8"
    )
    parser.add_argument("--html", type=output_name, metavar="FILE", help="write one page with charts, for a browser")


def _columns(parser: argparse.ArgumentParser) -> None:
    columns = parser.add_argument_group("what stands in the files")
    columns.add_argument(
        "--format",
        choices=("jsonl", "csv", "json", "ids", "xlsx", "parquet"),
        help="the files' format, whatever their names; ids is a list with the id of an order on each line",
    )
    columns.add_argument(
        "--column",
        metavar="NAME=COLUMN",
        type=pair,
        action="append",
        default=[],
        help="where the value of order_id, say, stands; then only the columns named so, merchant and channel are read",
    )
    columns.add_argument("--ignore-columns", action="store_true", help="pass over columns that are not read")
    add_set(columns, "what is the same for every line and stands in none: --set op=delete_consent")
    columns.add_argument(
        "--delimiter",
        metavar="CHARACTER",
        type=delimiter,
        help="what separates the columns of CSV (default: told from the first line)",
    )


def _pace(parser: argparse.ArgumentParser) -> None:
    pace = parser.add_argument_group("pace")
    pace.add_argument(
        "--concurrency",
        metavar="N",
        type=concurrency,
        default="auto",
        help="how many changes at once, on each worker (default: auto, which finds out, up to 100)",
    )
    pace.add_argument("--rate", metavar="N", type=number, help="how many requests a second at most")
    pace.add_argument("--max-failures", metavar="N", type=count, help="stop after so many changes that failed")
    pace.add_argument(
        "--patience",
        metavar="SECONDS",
        type=seconds,
        default=300.0,
        help="how long to wait for a server that cannot be reached (default: 300)",
    )
    pace.add_argument(
        "--settle",
        metavar="SECONDS",
        type=seconds_or_0,
        help="how long the next change of a resource waits after a request whose answer never came "
        "(default: as long as a request may take; 0: not at all)",
    )


def _where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--sandbox",
        action="store_true",
        help="start a sandbox on a free port, create the orders that the files name, and run against that",
    )
    add_fault(where, "with --sandbox: let it misbehave")
    where.add_argument("--verbose", action="store_true", help="say also how it runs")
    where.add_argument(
        "--processes", metavar="N", type=count, help="send from N processes of this machine (at most 100)"
    )
    where.add_argument(
        "--workers", metavar="N", type=count, help="start N Dask workers on this machine (needs the extra dask)"
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        type=address,
        help="run on a Dask cluster, say tcp://scheduler:8786; it has the token itself",
    )


def _only(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--only",
        metavar="OUTCOMES",
        type=outcomes,
        help=f"{purpose}: applied, accepted, applied_inferred, rejected, not_sent, unknown, or failed for the last "
        "three; several with commas",
    )
