"""What can be read of a journal, while a run writes it or afterwards."""

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from norce_order_async.batch.engine.endings import ALLOWED_BY_ONCE
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.errors import reading
from norce_order_async.batch.journal.old_values import OldValues, is_kept
from norce_order_async.batch.journal.records import INTERRUPTED, UNTOLD, JournalRun, JournalSample
from norce_order_async.batch.journal.statements import BEGUN, IS_OPEN, IS_REOPENED, OF_NOW, ended_so
from norce_order_async.batch.journal.tables import count, moment, row_of, seconds, text_or_none
from norce_order_async.batch.lines import NOT_TWICE
from norce_order_async.batch.report import ErrorSummary, JournalRow, Summary
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.outcome import OutcomeKind

_PAGE = 500
_PAGE_SIZE = 1024 * 1024  # characters of records
_ERROR = OF_NOW.format("error")
_ROWS = f"""
    SELECT number, line, file, {IS_OPEN}, outcome, attempts, started, elapsed, status, request_id, error, message,
        record, attributes, {{waited}}, {{evidence}}
    FROM {{changes}}
"""
# The count of what can be read only once is of another time, if more was begun.
_INPUTS = """
    SELECT name, digest, CASE WHEN digest IS NOT NULL OR (SELECT total(changes) FROM inputs) >=
        (SELECT coalesce(max(number), 0) FROM changes) THEN changes END
    FROM inputs ORDER BY place
"""
_WAITED = "(SELECT seconds FROM waits WHERE waits.number = changes.number)"


class JournalAccount:
    """What can be read of a journal, while a run writes it or afterwards.

    One thread after another may use it, and several at once wait for each other.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, version: int) -> None:
        self.path = path
        self._db = db
        self._version = version
        self._mutex = threading.RLock()
        self.undo: OldValues | None = None
        """What was there before the batch; None where it does not keep that."""
        with reading(path):
            if version and is_kept(db):
                self.undo = OldValues(path, self._read, self._pages)

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files that the batch reads, by the names that they had at first."""
        rows = self._read(_INPUTS)
        with reading(self.path):
            return tuple(InputFile(str(name), digest, count(changes)) for name, digest, changes in rows)

    @property
    def target(self) -> str:
        """Where the changes are made: the API's address, merchant and channel."""
        rows = self._read("SELECT target FROM batch")
        with reading(self.path):
            return str(rows[0][0])

    @property
    def begun(self) -> float:
        """When the batch began, in seconds since 1970-01-01 UTC."""
        rows = self._read("SELECT begun FROM batch")
        with reading(self.path):
            return moment(rows[0][0])

    @property
    def runs(self) -> tuple[JournalRun, ...]:
        """Every run so far, the first one first."""
        rows = self._read("SELECT started, ended, stopped FROM runs ORDER BY number")
        with reading(self.path):
            return tuple(
                JournalRun(moment(started), None if ended is None else moment(ended), text_or_none(stopped))
                for started, ended, stopped in rows
            )

    @property
    def is_running(self) -> bool:
        """Whether a run is under way; one that was killed is not."""
        return lock.is_held(self.path)

    def summary(self) -> Summary:
        """The sums over all runs.

        A change that was sent, and whose outcome was never written, is in flight while a run goes on and has the
        outcome ``unknown`` when none does.
        """
        is_running = self.is_running
        begun = self._begun(is_running)
        summary = Summary()
        # Those that were sent at most once are not continued.
        once, seen = ("sum(once)", "sum(evidence IS NOT NULL)") if self._version >= 2 else ("0", "0")
        with self._mutex, reading(self.path), self._db:
            self._db.execute("BEGIN")
            sums = self._db.execute(
                f"SELECT {IS_OPEN} AS is_open, outcome, op, count(*), sum(attempts), sum(attempts > 1), {once}, "
                f"{seen}, total({IS_REOPENED}) / 2, total(error = ?), total(op IS NULL AND instr(message, ?)) "
                f"FROM {begun} GROUP BY is_open, outcome, op",
                (InvalidRequestError.__name__, ALLOWED_BY_ONCE),
            ).fetchall()
            problems = self._db.execute(
                f"SELECT {IS_OPEN} AS is_open, {_ERROR} AS shown, min(number), line, file, message, count(*) "
                f"FROM {begun} WHERE {IS_OPEN} OR error IS NOT NULL GROUP BY is_open, shown ORDER BY 3"
            ).fetchall()
            if self._version >= 2:
                summary.requests += int(self._db.execute("SELECT total(withdrawn) FROM runs").fetchone()[0])
        with reading(self.path):
            for is_open, outcome, op, changes, attempts, retried, ended, looked_at, again, invalid, refused in sums:
                summary.requests += int(attempts)
                summary.retried += int(retried)
                if op is not None:
                    summary.operations[str(op)] += changes
                if op in NOT_TWICE and not (is_open and is_running) and (is_open or outcome == OutcomeKind.UNKNOWN):
                    summary.not_again += changes
                    summary.looked_at += looked_at
                if not is_open:
                    kind = OutcomeKind(outcome)
                    summary.outcomes[kind] += changes
                    summary.unfinished += int(again)
                    if kind in (OutcomeKind.REJECTED, OutcomeKind.NOT_SENT):
                        summary.with_once[kind] += changes if op in NOT_TWICE else int(refused)
                    if kind is OutcomeKind.NOT_SENT:
                        summary.bad += int(invalid - refused)
                elif is_running:
                    summary.in_flight += changes
                else:
                    summary.unfinished += changes - ended
                    summary.outcomes[OutcomeKind.UNKNOWN] += changes
        for is_open, error, _, line, file, message, changes in problems:
            if is_open and is_running:
                continue
            name, text = (INTERRUPTED, UNTOLD) if error is None else (str(error), text_or_none(message) or "")
            problem = summary.problems.setdefault(name, ErrorSummary(line, text, file))
            problem.count += changes
        return summary

    def rows(self, only: Collection[OutcomeKind] | None = None) -> Iterator[JournalRow]:
        """The changes in the order of the input, one after another; with ``only``, those that ended so.

        A change whose outcome was never written is among them as in :meth:`summary`; while a run goes on it has no
        outcome.
        """
        is_running = self.is_running
        wanted = "1"
        if only is not None:
            wanted = f"(NOT {IS_OPEN} AND {ended_so(only)})"
            wanted += f" OR {IS_OPEN}" if OutcomeKind.UNKNOWN in only and not is_running else ""
        yield from self._rows(wanted, is_running=is_running)

    def unknown(self) -> list[JournalRow]:
        """The changes whose outcome is unknown, those among them that are still open; call it when nothing is sent.

        Raises:
            ConfigurationError: It cannot be read.
        """
        return list(self._rows(f"{IS_OPEN} OR outcome = 'unknown'", is_running=False))

    def _rows(self, wanted: str, *, is_running: bool) -> Iterator[JournalRow]:
        (has_waits,) = self._read("SELECT count(*) FROM sqlite_master WHERE name = 'waits'")[0]
        query = _ROWS.format(
            waited=_WAITED if has_waits else "NULL",
            evidence="evidence" if self._version >= 2 else "NULL",
            changes=self._begun(is_running),
        )
        for values in self._pages(f"{query} WHERE number > ? AND ({wanted}) ORDER BY number"):
            with reading(self.path):
                row = row_of(values, is_running)
            yield row

    def _begun(self, is_running: bool) -> str:
        """The changes, in SQL: while no run goes on, without those that a killed one has marked and not sent."""
        return "changes" if is_running or self.undo is None else BEGUN

    def samples(self) -> Iterator[JournalSample]:
        """How fast the batch was, moment after moment."""
        query = "SELECT rowid, at, concurrency, rate, in_flight, reason FROM samples WHERE rowid > ? ORDER BY rowid"
        for _, at, concurrency, rate, in_flight, reason in self._pages(query):
            with reading(self.path):
                sample = JournalSample(
                    at=moment(at),
                    concurrency=int(concurrency),
                    rate=seconds(rate),
                    in_flight=int(in_flight),
                    reason=text_or_none(reason),
                )
            yield sample

    def close(self) -> None:
        """Close it; once more does nothing."""
        with self._mutex:
            self._db.close()

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._mutex, reading(self.path):
            return self._db.execute(query, values).fetchall()

    def _pages(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Rows by their first column, which the query begins after.

        No statement stays open between two pages: a reader that is slow would keep the WAL from being reset, which
        would grow without end.
        """
        last: int = -(2**63)
        while True:
            page: list[tuple[Any, ...]] = []
            size, has_more = 0, False
            with self._mutex, reading(self.path), closing(self._db.execute(query, (last,))) as found:
                for row in found:
                    page.append(row)
                    size += sum(len(value) for value in row if isinstance(value, str))
                    if has_more := len(page) == _PAGE or size > _PAGE_SIZE:
                        break
            yield from page
            if not has_more:
                return
            last = page[-1][0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()
