"""The account of a batch: a line for every outcome, a file of what is left to do, and the sums."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from norce_order_async.batch.run import Outcome
from norce_order_async.codec import encode_shown
from norce_order_async.errors import ConfigurationError, InvalidRequestError
from norce_order_async.outcome import OutcomeKind
from norce_order_async.wire import JSON


@attrs.define
class Problem:
    """One kind of failure.

    Attributes:
        count: How many changes it ended.
        line: The first line that it ended.
        message: What was said there.
    """

    line: int
    message: str
    count: int = 0


@attrs.define
class Summary:
    """The sums of a batch; its size doesn't grow with it.

    Attributes:
        outcomes: How many changes ended in each outcome.
        problems: What went wrong, by the class of the error.
        requests: How many requests were made.
        retried: How many changes took more than one request.
    """

    outcomes: Counter[OutcomeKind] = attrs.Factory(Counter[OutcomeKind])
    problems: dict[str, Problem] = attrs.Factory(dict[str, Problem])
    requests: int = 0
    retried: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.outcomes[outcome.outcome] += 1
        self.requests += outcome.attempts
        self.retried += outcome.attempts > 1
        if outcome.error is not None:
            problem = self.problems.setdefault(outcome.error, Problem(outcome.line, outcome.message or ""))
            problem.count += 1

    @property
    def total(self) -> int:
        """How many changes have an outcome."""
        return self.outcomes.total()

    @property
    def done(self) -> int:
        """How many changes are on the server."""
        return sum(count for kind, count in self.outcomes.items() if kind.done)

    @property
    def failed(self) -> int:
        """How many changes are not on the server, or perhaps not."""
        return self.total - self.done


class Report:
    """Writes outcomes to a JSON Lines file, and what failed to a second one that can be run again.

    What failed goes beside the report, for ``report.jsonl`` to ``report.failed.jsonl``. Both files are replaced if
    they exist; the second one is removed again if nothing failed.

    Args:
        path: The report.

    Raises:
        ConfigurationError: A file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed_path = failed_path(path)
        try:
            self._report = path.open("wb")
            self._failed = self.failed_path.open("wb")
        except OSError as error:
            raise _unwritable(path, error) from None
        self._any_failed = False

    def add(self, outcome: Outcome) -> None:
        """Write one outcome.

        Raises:
            ConfigurationError: A file cannot be written any more.
        """
        try:
            self._report.write(_line(report_line(outcome)))
            if not outcome.outcome.done:
                self._any_failed = True
                self._failed.write(_line(failed_line(outcome)))
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Close both files.

        Raises:
            ConfigurationError: What was still to be written could not be.
        """
        try:
            with self._report, self._failed:
                pass
            if not self._any_failed:
                self.failed_path.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"the report {error.filename or path} cannot be written: {error.strerror or error}")


def failed_path(report: Path) -> Path:
    """Where a report's failed changes go.

    Raises:
        ConfigurationError: The path has no file name.
    """
    if not report.name:
        raise ConfigurationError(f"{str(report)!r} is not the name of a file for a report")
    return report.with_name(f"{report.stem}.failed.jsonl")


def report_line(outcome: Outcome) -> dict[str, JSON]:
    """An outcome as one object of a report; what is not known is left out."""
    line: dict[str, JSON] = {"line": outcome.line, "outcome": outcome.outcome}
    if outcome.change is not None:
        line |= {name: value for name, value in outcome.change.record().items() if name != "attributes"}
    for name in ("attempts", "status", "request_id", "error", "message"):
        if (value := getattr(outcome, name)) is not None:
            line[name] = value
    line["elapsed"] = round(outcome.elapsed, 6)
    return line


def failed_line(outcome: Outcome) -> dict[str, JSON]:
    """A failed change as a line that can be run again, with notes on where it stood and what went wrong."""
    record: dict[str, JSON] = {}
    if outcome.change is not None:
        record = outcome.change.record()
    elif isinstance(outcome.source, Mapping):
        record = {name: value for name, value in outcome.source.items() if name not in ("_line", "_outcome", "_error")}
    return record | {"_line": outcome.line, "_outcome": outcome.outcome, "_error": outcome.message}


def _line(record: dict[str, JSON]) -> bytes:
    try:
        return encode_shown(record) + b"\n"
    except InvalidRequestError:
        # Attributes can hold what JSON cannot: NaN, nesting without end. They were not sent for that very reason.
        notes = {name: value for name, value in record.items() if name.startswith("_") and name != "_raw"}
        return encode_shown(notes | {"_raw": ascii(record)}) + b"\n"
