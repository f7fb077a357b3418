"""``norce-order batch run``: what is written at the end."""

import argparse
from pathlib import Path

from norce_order_async.batch.inputs import Input
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.report import save_report
from norce_order_async.core.errors import ConfigurationError


def write_reports(options: argparse.Namespace, source: Input, journal: Journal) -> list[ConfigurationError]:
    """Write what is asked for, and return why some of it could not be: the batch has run, and is accounted for."""
    problems: list[ConfigurationError] = []
    if options.report is not None:
        try:
            path = Path(options.report)
            of_input = source.delimiters[0] if source.delimiters and path.suffix.lower() != ".tsv" else None
            save_report(journal.rows(), path, delimiter=options.delimiter or of_input, bom=options.excel)
        except ConfigurationError as error:
            problems.append(error)
    if options.html is not None:
        from norce_order_async.batch.page.page import write_html_report

        try:
            write_html_report(journal, Path(options.html))
        except ConfigurationError as error:
            problems.append(error)
    return problems
