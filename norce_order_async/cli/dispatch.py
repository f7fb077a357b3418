"""Which function each command is; it is imported when it is run, so that ``--help`` is quick."""

import argparse


def run(options: argparse.Namespace) -> int:
    """Run the command that was typed and return its exit code."""
    match options.command:
        case "order get":
            from norce_order_async.cli.commands import order_get as command
        case "consent patch":
            from norce_order_async.cli.commands import consent_patch as command
        case "consent delete":
            from norce_order_async.cli.commands import consent_delete as command
        case "attributes patch":
            from norce_order_async.cli.commands import attributes_patch as command
        case "batch run":
            from norce_order_async.cli.batch import batch_run as command
        case "batch status":
            from norce_order_async.cli.journal import batch_status as command
        case "batch report":
            from norce_order_async.cli.journal import batch_report as command
        case _:  # sandbox
            from norce_order_async.cli.commands import sandbox as command
    return command(options)
