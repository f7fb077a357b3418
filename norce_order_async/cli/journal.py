"""``norce-order batch status`` and ``norce-order batch report``: what a journal tells."""

import argparse
import sys
import time
from pathlib import Path

from norce_order_async.batch.inputs import total_of
from norce_order_async.batch.journal import EmptyJournal, JournalReader
from norce_order_async.batch.report import Summary, write_report
from norce_order_async.batch.undo.files import save_undo
from norce_order_async.cli.batch_undo import refuse_to_replace, undo_lines
from norce_order_async.cli.output_files import check_output_file, files_of_journal
from norce_order_async.cli.summary import Account, print_account
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.endpoints.resolution import shown_time


def batch_status(options: argparse.Namespace) -> int:
    """Tell how a batch stands: 0 all done or accepted, 1 not all, or not yet."""
    path = Path(options.journal)
    try:
        reader = JournalReader.open(path)
    except EmptyJournal:
        state = "its run was killed at its beginning: nothing was sent"
        empty = Account(title=str(path), summary=Summary(), state=state, journal=path)
        print_account(empty, as_json=options.output == "json")
        return 1
    with reader as journal:
        files = journal.inputs
        if not journal.runs:
            raise ConfigurationError(f"the journal {path} knows of no run")
        run = journal.runs[-1]
        began = shown_time(run.started)
        is_running = journal.is_running
        if is_running:
            state = f"running since {began}"
        elif run.ended is None:
            how = "was killed or could not write its end" if run.stopped is None else "could not write its end"
            state = f"the last run, of {began}, {how}"
        else:
            state = f"the last run, of {began}, ended after {run.ended - run.started:.1f} s"
        summary = journal.summary()
        if run.ended is None and not is_running and not (summary.total or summary.requests):
            state += ": nothing was sent"
        account = Account(
            title=f"{', '.join(Path(file.name).name for file in files) or 'a batch'} against {journal.target}",
            summary=summary,
            samples=tuple(journal.samples()),
            runs=journal.runs,
            now=time.time() if is_running else None,
            total=total_of(files),
            state=state,
            stopped=run.stopped,
            journal=path,
            goes_on=not is_running and not path.name.endswith(".sandbox.journal"),
        )
    print_account(account, as_json=options.output == "json")
    all_done = (
        run.ended is not None
        and run.stopped is None
        and not (summary.failed or summary.in_flight or summary.unfinished or account.left)
    )
    return 0 if all_done else 1


def batch_report(options: argparse.Namespace) -> int:
    """Print a line for each change, or write the page, or the way back."""
    if options.format != "csv" and (options.excel or options.delimiter is not None):
        raise InvalidRequestError("--excel and --delimiter go with --format csv")
    if options.format != "jsonl" and (options.html is not None or options.undo is not None):
        raise InvalidRequestError("--format goes with neither --html nor --undo")
    with JournalReader.open(Path(options.journal)) as journal:
        folder, names = Path(options.journal).parent, [file.name for file in journal.inputs if file.digest is not None]
        taken = {place: "the input" for name in names for place in (name, str(folder / Path(name).name))}
        taken |= files_of_journal(options.journal)
        if options.undo is not None:
            if options.only is not None or options.html is not None:
                raise InvalidRequestError("--undo goes with neither --only nor --html")
            check_output_file("--undo", options.undo, taken)
            refuse_to_replace(options.undo, journal)
            print("\n".join(undo_lines(save_undo(journal, Path(options.undo)))))
        elif options.html is None:
            if sys.stdout is not None:
                rows, delimiter = journal.rows(options.only), options.delimiter or ","
                write_report(rows, sys.stdout.buffer, options.format, delimiter=delimiter, bom=options.excel)
        elif options.only is not None:
            raise InvalidRequestError("--html shows the whole batch: it does not go with --only")
        else:
            from norce_order_async.batch.page.page import write_html_report

            check_output_file("--html", options.html, taken)
            write_html_report(journal, Path(options.html))
    return 0
