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
            found = [] if options.delimiter else source.delimiters[:1]
            delimiter = options.delimiter or (found[0] if found and not options.report.endswith(".tsv") else None)
            save_report(journal.rows(), Path(options.report), delimiter=delimiter, bom=options.excel)
        except ConfigurationError as error:
            problems.append(error)
    if options.html is not None:
        from norce_order_async.batch.page.page import write_html

        try:
            write_html(journal, Path(options.html))
        except ConfigurationError as error:
            problems.append(error)
    return problems
