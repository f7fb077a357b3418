"""``norce-order batch run``."""

import argparse
import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from norce_order_async.batch.files import Entry, count_changes, read_changes
from norce_order_async.batch.report import Report, Summary, failed_path
from norce_order_async.batch.run import Outcome, bad_line, run_batch
from norce_order_async.cli.display import NOT_TRIED, Display, print_summary
from norce_order_async.cli.errors import CANNOT_START, advice_for
from norce_order_async.cli.settings import client_from, timeout_from
from norce_order_async.client import OrderClient
from norce_order_async.config import Timeout
from norce_order_async.errors import ConfigurationError, InvalidRequestError
from norce_order_async.outcome import OutcomeKind
from norce_order_async.policy import RetryPolicy

if TYPE_CHECKING:
    from norce_order_async.testing import Sandbox

_HOPELESS = {kind.__name__: kind for kind in CANNOT_START}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_HOPELESS_AFTER = 5
"""This many failures of that kind at the very beginning end the batch: the rest would fail alike."""


def batch_run(options: argparse.Namespace) -> int:
    """Run the batch, show how it goes, and account for every line."""
    if options.fault and not options.sandbox:
        raise InvalidRequestError("--fault goes with --sandbox")
    path = Path(options.file)
    try:
        report = _report_path(path) if options.report is None else Path(options.report)
        _check_paths(path, report)
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror or error}") from None
    # Before the event loop starts, so that Ctrl-C ends it at once.
    total = count_changes(path, options.format)
    sandbox = _sandbox(options, path) if options.sandbox else None
    return asyncio.run(_run(options, path, report, total, sandbox))


def _report_path(path: Path) -> Path:
    """The first name for a report in the current folder that is still free."""
    name, number = Path(f"{path.stem}.report.jsonl"), 1
    while name.exists() or failed_path(name).exists():
        number += 1
        name = Path(f"{path.stem}.report-{number}.jsonl")
    return name


def _check_paths(path: Path, report: Path) -> None:
    if not path.exists():
        return  # reading it says so
    if not path.is_file():
        raise ConfigurationError(f"{path} is not a file: a batch is read more than once")
    for output in (report, failed_path(report)):
        if output.exists() and output.samefile(path):
            raise ConfigurationError(f"{output} would be overwritten, but it is the input: choose another --report")


def _sandbox(options: argparse.Namespace, path: Path) -> "Sandbox":
    """A sandbox with the orders that the file names."""
    from norce_order_async.cli.sandbox import add_orders_of
    from norce_order_async.testing import Sandbox

    sandbox = Sandbox()
    sandbox.faults.add(*options.fault)
    options.merchant, options.channel = options.merchant or "norce", options.channel or "1"
    entries = read_changes(path, options.format)
    add_orders_of(sandbox, entries, merchant=options.merchant, channel=options.channel)
    return sandbox


async def _run(
    options: argparse.Namespace, path: Path, report_path: Path, total: int, sandbox: "Sandbox | None"
) -> int:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await _client(options, sandbox, stack))
        report = stack.enter_context(Report(report_path))
        display = stack.enter_context(Display(total))
        batch = _Batch(client, read_changes(path, options.format), report, display, options.concurrency)
        started = time.monotonic()
        await batch.run()
        elapsed = time.monotonic() - started
        batch.account_for_the_rest()
    print_summary(
        batch.summary,
        elapsed=elapsed,
        stopped=batch.stopped,
        advice=batch.advice,
        title=f"{path.name} against {'a sandbox' if options.sandbox else client.base_url}",
        report=report.path,
        failed=report.failed_path if batch.summary.failed else None,
        as_json=options.output == "json",
    )
    if batch.interrupted:
        return 130
    if batch.hopeless:
        return 3
    return 1 if batch.summary.failed else 0


async def _client(options: argparse.Namespace, sandbox: "Sandbox | None", stack: AsyncExitStack) -> OrderClient:
    retry, timeout = RetryPolicy.batch(), Timeout.batch()
    if sandbox is None:
        return client_from(options, retry=retry, timeout=timeout)
    from norce_order_async.testing import SANDBOX_TOKEN, SandboxServer

    server = await stack.enter_async_context(SandboxServer(sandbox))
    return OrderClient(
        base_url=server.url,
        merchant=options.merchant,
        channel=options.channel,
        adapter_id=options.adapter_id,
        auth=SANDBOX_TOKEN,
        retry=retry,
        timeout=timeout_from(options, timeout),
    )


class _Batch:
    """One run: what was taken from the file, what became of it, and whether to go on."""

    def __init__(
        self, client: OrderClient, entries: Iterator[Entry], report: Report, display: Display, concurrency: int
    ) -> None:
        self.summary = Summary()
        self.stopped: str | None = None
        self.advice: str | None = None
        self.interrupted = False
        self._client = client
        self._entries = entries
        self._report = report
        self._display = display
        self._concurrency = concurrency
        self._open: dict[int, Entry] = {}
        self._hopeless = 0
        self._worked = False

    async def run(self) -> None:
        """Make the changes; Ctrl-C once finishes what is in flight, twice ends at once."""
        making = asyncio.create_task(self._make())
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            if self.interrupted:
                making.cancel()
                return
            self.interrupted = True
            self.stopped = "interrupted"
            self._display.note("Finishing what is in flight; press Ctrl-C again to end at once.")

        for name in _SIGNALS:
            with suppress(NotImplementedError):  # on Windows, Ctrl-C cancels this task instead
                loop.add_signal_handler(name, interrupt)
        try:
            await asyncio.wait([making])
        except asyncio.CancelledError:
            self.interrupted = True
            self.stopped = "interrupted"
            making.cancel()
            await asyncio.wait([making])
        finally:
            for name in _SIGNALS:
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(name)
        if not making.cancelled():
            making.result()

    @property
    def hopeless(self) -> bool:
        """Whether all that was sent failed in a way that everything would."""
        return self._hopeless > 0 and not self._worked

    async def _make(self) -> None:
        async with aclosing(run_batch(self._client, self._take(), concurrency=self._concurrency)) as outcomes:
            async for outcome in outcomes:
                del self._open[outcome.line]
                self._add(outcome)
                if outcome.error in _HOPELESS:
                    self._hopeless += 1
                elif outcome.attempts:
                    self._worked = True
                if self.stopped is None and self.hopeless and self._hopeless >= _HOPELESS_AFTER:
                    self.stopped = f"stopped, because everything failed alike: {outcome.message}"
                    self.advice = advice_for(_HOPELESS[outcome.error or ""])

    def _take(self) -> Iterator[Entry]:
        while self.stopped is None and (entry := next(self._entries, None)) is not None:
            self._open[entry.line] = entry
            yield entry

    def account_for_the_rest(self) -> None:
        """Add the outcomes of what was not tried, or not to its end."""
        for entry in self._open.values():
            self._add(_without_call(entry, OutcomeKind.UNKNOWN, "Interrupted", "ended while it was in flight"))
        if self.stopped is not None:
            for entry in self._entries:
                self._add(_without_call(entry, OutcomeKind.NOT_SENT, NOT_TRIED, self.stopped))

    def _add(self, outcome: Outcome) -> None:
        self.summary.add(outcome)
        self._report.add(outcome)
        self._display.update(self.summary)


def _without_call(entry: Entry, kind: OutcomeKind, error: str, message: str) -> Outcome:
    if entry.change is None:
        return bad_line(entry)
    return Outcome(line=entry.line, change=entry.change, outcome=kind, error=error, message=message)
