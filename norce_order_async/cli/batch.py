"""``norce-order batch run``."""

import argparse
import asyncio
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from norce_order_async.batch.engine.running import RunsOnce
from norce_order_async.batch.inputs import Input, InputFile, total_of
from norce_order_async.batch.journal import Journal, discard
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import check_report_name, report_format_of
from norce_order_async.batch.resolving import JournalResolver
from norce_order_async.cli.batch_check import print_check, tell_before
from norce_order_async.cli.batch_layout import input_of, shown_delimiters
from norce_order_async.cli.batch_makers import batch_of, client_of
from norce_order_async.cli.batch_reports import write_reports
from norce_order_async.cli.batch_resolve import resolve_unknown
from norce_order_async.cli.batch_undo import check_undo, refuse_to_replace, undo_outputs, write_undo
from norce_order_async.cli.display import Display
from norce_order_async.cli.errors import CANNOT_START, advice_for
from norce_order_async.cli.events import Events
from norce_order_async.cli.interrupts import Interrupts
from norce_order_async.cli.open_files import advice_for_open_files, allow_connections
from norce_order_async.cli.output import tell
from norce_order_async.cli.output_files import check_output_file, files_of_journal, is_standard_input
from norce_order_async.cli.summary import Account, account_record, print_account
from norce_order_async.cli.writing import Writing
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError, NotTheApiError, RateLimitedError
from norce_order_async.core.wording import counted, printable, reason_of
from norce_order_async.endpoints.resolution import shown_time
from norce_order_async.wire.json import JSON
from norce_order_async.wire.refusals import is_foreign

if TYPE_CHECKING:
    from norce_order_async.testing import Sandbox

_Ended = RunsOnce | JournalResolver
"""What ended last: the batch, or what looked at its unknown changes."""


def batch_run(options: argparse.Namespace) -> int:
    """Run the batch, show how it goes, and account for every line."""
    if options.fault and not options.sandbox:
        raise InvalidRequestError("--fault goes with --sandbox")
    if options.cluster is not None and (options.workers is not None or options.sandbox):
        raise InvalidRequestError("--cluster goes with neither --workers nor --sandbox")
    if options.processes is not None and (options.cluster is not None or options.workers is not None):
        raise InvalidRequestError("--processes goes with neither --workers nor --cluster")
    if options.resolve and options.cluster is not None:
        raise InvalidRequestError("--resolve does not go with --cluster: give the same command with --resolve here")
    source = input_of(options)
    if (told := shown_delimiters(source)) is not None:
        tell(told)
    if options.dry_run:
        return print_check(source, once=options.once, undo=options.undo is not None, as_json=options.output != "text")
    _check_outputs(options)
    if options.concurrency != "auto" and options.cluster is None:
        allow_connections(options.concurrency * (2 if options.sandbox else 1))  # the sandbox has the other ends
    # Before the event loop starts, so that Ctrl-C ends it at once.
    files = source.survey()
    check_undo(options, files)
    tell_before(options, source, files)
    if options.resolve and any(file.digest is None for file in files):
        raise InvalidRequestError("--resolve reads the changes twice: it goes with files only")
    sandbox = _sandbox(options, source, files) if options.sandbox else None
    with _journal_path(options, files) as path:
        return asyncio.run(_run(options, source, files, path, sandbox))


def _check_outputs(options: argparse.Namespace) -> None:
    """See that what is written at the end can be, and overwrites nothing that is still needed."""
    if options.excel and (options.report is None or report_format_of(Path(options.report)) != "csv"):
        raise InvalidRequestError("--excel goes with --report FILE.csv")
    taken = {name: "the input" for name in options.files if name != "-"}
    if options.journal is None and options.files[0] != "-":
        taken |= files_of_journal(str(_beside(options)))
    named = [("journal", options.journal), ("report", options.report), ("html", options.html), *undo_outputs(options)]
    for flag, name in named:
        if name is None:
            continue
        check_output_file(f"--{flag}", name, taken, at_the_end=flag != "journal")
        if "-" in options.files and is_standard_input(name):
            raise ConfigurationError(f"{name} is the input: choose another --{flag}")
        if flag == "report":
            check_report_name(Path(name))
        elif flag == "journal":
            taken |= files_of_journal(name)
        taken[name] = f"--{flag}"


@contextmanager
def _journal_path(options: argparse.Namespace, files: tuple[InputFile, ...]) -> Generator[Path]:
    """Where the journal is: beside the first file, and for a sandbox, whose orders are new, it is new too."""
    if options.journal is not None:
        yield Path(options.journal)
    elif files[0].digest is None:
        tell("What is read only once cannot be continued, and nothing is kept of it but --report: see --journal.")
        with _temporary_folder() as folder:
            yield Path(folder, "batch.journal")
    else:
        path = _beside(options)
        if options.sandbox and path.exists():
            discard(path)
        yield path


def _temporary_folder() -> TemporaryDirectory[str]:
    """A folder that is deleted at the end.

    Raises:
        ConfigurationError: The system has no place for it.
    """
    try:
        return TemporaryDirectory(prefix="norce-order-")
    except OSError as error:
        raise ConfigurationError(
            f"there is no place for a temporary journal: {reason_of(error)}: name one with --journal or TMPDIR"
        ) from error


def _beside(options: argparse.Namespace) -> Path:
    """The journal that is chosen by default."""
    return Path(f"{Path(options.files[0])}.{'sandbox.' if options.sandbox else ''}journal")


def _sandbox(options: argparse.Namespace, source: Input, files: tuple[InputFile, ...]) -> "Sandbox":
    """A sandbox with the orders that the files name."""
    from norce_order_async.cli.sandbox import add_orders_of
    from norce_order_async.testing import Sandbox

    if any(file.digest is None for file in files):
        raise InvalidRequestError("--sandbox reads the changes twice: it goes with files only")
    sandbox = Sandbox()
    sandbox.faults.add(*options.fault)
    options.merchant, options.channel = options.merchant or "norce", options.channel or "1"
    add_orders_of(sandbox, source, merchant=options.merchant, channel=options.channel)
    return sandbox


async def _run(
    options: argparse.Namespace, source: Input, files: tuple[InputFile, ...], path: Path, sandbox: "Sandbox | None"
) -> int:
    total, writing = total_of(files), Writing()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await client_of(options, sandbox, stack))
        target = f"{'a sandbox' if sandbox else client.base_url} as {client.merchant}/{client.channel}"
        journal = stack.enter_context(_journal(path, files, target, undo=options.undo is not None))
        begun = journal.begun
        if known := journal.summary().total:
            tell(f"Continuing {printable(str(path))}, with {counted(known, 'change')} begun before.")
        refuse_to_replace(options.undo, journal)
        async with batch_of(options, source, journal, client) as batch:
            display = Display(batch, writing, total)
            names: list[JSON] = [file.name for file in files]
            events = Events(batch, writing, is_on=options.output == "jsonl")
            begin: dict[str, JSON] = {"inputs": names, "total": total, "target": target, "journal": str(path)}
            interrupted, failure = await _follow(batch, display, events, writing, begin)
        last: _Ended = batch
        if options.resolve and failure is None and batch.state.stopped is None:
            resolver, interrupted = await resolve_unknown(
                options, source, journal, client, writing, worked=batch.worked
            )
            batch.state.worked = resolver.worked
            last = batch if resolver.stopped is None else resolver  # the batch may have left a merchant undone
        if failure is not None and not batch.progress.ended and batch.error is None:
            raise failure
        _end(journal, source, last.stopped)
        await client.aclose()  # its idle connections are open files, and the reports need some
        unwritten = write_reports(options, source, journal)
        account = Account(
            title=f"{', '.join(Path(file.name).name for file in files)} against {target}",
            summary=journal.summary(),
            samples=tuple(journal.samples()),
            runs=journal.runs,
            total=total_of(journal.inputs),
            ended=batch.progress.ended,
            elapsed=display.elapsed,
            stopped=last.stopped,
            advice=_advice(last),
            journal=None if options.journal is None and files[0].digest is None else path,
            goes_on=options.journal is not None or not options.sandbox,
            only=options.only is not None,
            undo=write_undo(options, journal, unwritten),
        )
    await events.tell("end", account_record(account))
    await writing.aclose()
    if options.output != "jsonl":
        print_account(account, as_json=options.output == "json")
    unwritten += events.unwritten
    for problem in unwritten:
        tell(f"norce-order: {problem}")
    if not account.ended and failure is None and account.stopped is None:
        _tell_why_nothing(options, files, account, begun)
    if failure is not None or interrupted:
        return 1 if failure is not None else 130
    return _exit_code(last, account) or int(bool(unwritten))


def _tell_why_nothing(
    options: argparse.Namespace, files: tuple[InputFile, ...], account: Account, begun: float
) -> None:
    """Say why a run made nothing, where it was not stopped."""
    if options.only is not None:
        why = "--only names no outcome of a change that is made again"
        if not options.once and account.summary.to_make_again(options.only)[1]:
            why = "what --only names is made again with --once"
        tell(f"norce-order: nothing was made: {why}")
    elif not account.summary.total:
        tell(f"norce-order: no changes were read from {printable(', '.join(file.name for file in files))}")
    elif not options.resolve:
        tell(
            f"norce-order: nothing was made: every change has its outcome from the batch that was begun "
            f"{shown_time(begun)}. "
            "To make them once more, choose another journal."
        )


def _exit_code(last: _Ended, account: Account) -> int:
    error = last.error
    could_not_start = not last.worked and error is not None and (isinstance(error, CANNOT_START) or is_foreign(error))
    if last.stopped is not None and could_not_start:
        return 3
    summary = account.summary
    return 1 if summary.failed or summary.unfinished or account.left or account.stopped is not None else 0


def _end(journal: Journal, source: Input, stopped: str | None) -> None:
    """Write down how the run ended, and how long its input is, if the journal can still be written."""
    with suppress(ConfigurationError):
        journal.write_counts(source.counts)
    with suppress(ConfigurationError):
        if stopped is not None:
            journal.set_stopped(stopped)
    with suppress(ConfigurationError):
        journal.end()


@contextmanager
def _journal(path: Path, files: tuple[InputFile, ...], target: str, *, undo: bool) -> Generator[Journal]:
    """The journal, closed at the end; what it could not write by then has been told of."""
    journal = Journal.open(path, inputs=files, target=target, undo=undo)
    try:
        yield journal
    finally:
        with suppress(ConfigurationError):
            journal.close()


def _advice(last: _Ended) -> str | None:
    """What to do about the server that stopped it; an outage that is over is no reason."""
    error = last.error
    if error is None or last.stopped is None or not last.stopped.endswith(error.reason):
        return None
    if isinstance(error, RateLimitedError):
        return "Too many requests: wait, or run with a lower --concurrency."
    return advice_for_open_files(error) or advice_for(NotTheApiError if is_foreign(error) else type(error))


async def _follow(
    batch: RunsOnce, display: Display, events: Events, writing: Writing, begin: dict[str, JSON]
) -> tuple[bool, ConfigurationError | None]:
    """Let it run, and show how it goes; once its beginning is told, so is its end.

    Returns:
        Whether it was interrupted, and what of its input or journal was lost while it ran.
    """
    failure: ConfigurationError | None = None
    interrupts = Interrupts(batch, writing, display.note)
    try:
        await events.tell("begin", begin)
        async with display, events:
            async for told in batch:
                if isinstance(told, Outcome):
                    await events.change(told)
    except ConfigurationError as error:
        failure = error
    except asyncio.CancelledError:
        interrupts.interrupted = True
        await batch.aclose()
        batch.state.stopped = "interrupted"
    interrupts.has_ended = True
    return interrupts.interrupted, failure
