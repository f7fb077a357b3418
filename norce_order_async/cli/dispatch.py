"""Which function each command is; it is imported when it is run, so that ``--help`` is quick."""

import argparse
import os

from norce_order_async.cli.output import print_utf8


def run(options: argparse.Namespace) -> int:
    """Run the command that was typed and return its exit code."""
    if hasattr(options, "settings") and options.command != "check":  # which says what is wrong with a profile
        from norce_order_async.cli.layers import settle

        settle(options, os.environ)
    if getattr(options, "output", None) in ("json", "jsonl"):
        print_utf8()
    match options.command:
        case "batch run":
            from norce_order_async.cli.batch import batch_run as command
        case "batch plan":
            from norce_order_async.cli.plan import batch_plan as command
        case "batch status":
            from norce_order_async.cli.journal import batch_status as command
        case "batch report":
            from norce_order_async.cli.journal import batch_report as command
        case "sandbox":
            from norce_order_async.cli.sandbox import sandbox as command
        case "check":
            from norce_order_async.cli.check import check as command
        case _:
            from norce_order_async.cli.calls import call as command
    return command(options)
