"""What can be typed after ``norce-order batch plan``."""

from typing import Any

from norce_order_async.cli.arguments import consent_condition, date_time, output_name
from norce_order_async.cli.choices import STATUS
from norce_order_async.cli.parsing import add_command, add_set

_EXAMPLES = """\
  norce-order batch plan --status checkout --created-before 2026-01-01T00:00:00+01:00 \\
      --where-consent ci_newsletter=true --set op=delete_consent --set consent_id=ci_newsletter --dry-run
                                                           count them, and see the first lines
  norce-order batch plan --status checkout --set op=patch_attributes --set 'attributes={"seen": true}' \\
      --out seen.jsonl                                     write the plan; read it
  norce-order batch run seen.jsonl                         make its changes
"""
_DETAILS = """\
about it:
  It reads the list of orders of one merchant and channel, page by page, and changes nothing. The filters are a hint to
  the service: each order is held against every condition here. One whose state, created or consent is missing or cannot
  be read does not fit. At least one condition is needed.
  Nothing is written before the list has ended: a plan is whole or not there. On standard output, a plan that failed is
  a line that is cut off, which batch run refuses.
"""


def add_plan(group: Any) -> None:
    """Add ``batch plan``."""
    parser = add_command(
        group,
        "plan",
        "list the orders that are meant, with one change for each, as a file for batch run",
        settings=True,
        examples=_EXAMPLES,
        details=_DETAILS,
    )
    which = parser.add_argument_group("which orders")
    which.add_argument(
        "--status",
        action="append",
        default=[],
        **STATUS,
        help="one of their states; may be repeated",
    )
    which.add_argument(
        "--created-from", metavar="TIME", type=date_time, help="created then or later, such as 2026-01-31T12:00:00Z"
    )
    which.add_argument("--created-before", metavar="TIME", type=date_time, help="created earlier than that")
    which.add_argument(
        "--where-consent",
        metavar="CONSENT=VALUE",
        type=consent_condition,
        action="append",
        default=[],
        help="whose consent is true, false or absent; may be repeated",
    )
    which.add_argument(
        "--allow-ignored-filters",
        action="store_true",
        help="go on when the service ignores a filter; each order is checked all the same",
    )
    add_set(parser.add_argument_group("the change"), "what the change is, as in a batch file: --set op=delete_consent")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out", metavar="FILE", type=output_name, help="write the plan there (default: standard output)"
    )
    where.add_argument(
        "--dry-run",
        "--count",
        action="store_true",
        dest="dry_run",
        help="count the orders, show the first, write no plan",
    )
