"""What a batch does with its journal for every line: its rows, the transaction that writes them, and the files.

What else a run writes is in ``writer.py``; the rows of changes that are not merely done are in ``rare_rows.py``.
"""

import sqlite3
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import attrs

from norce_order_async.batch.changes import Change, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.journal import statements
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.journal.errors import journal_error, reading, telling
from norce_order_async.batch.journal.old_values import OldValues
from norce_order_async.batch.journal.rare_rows import failed, head_of, in_full
from norce_order_async.batch.journal.records import State
from norce_order_async.batch.journal.schema import VERSION
from norce_order_async.batch.journal.tables import plain, seconds
from norce_order_async.batch.journal.wal import CLEAR_IN_WAL, SET_IN_WAL, SET_SYNCED, checkpoint, wal_path
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.outcome import DONE, OutcomeKind

MAX_WAL = 4 * 1024 * 1024
"""Bytes of the WAL after which it is copied to the main file."""
Values = tuple[Any, ...]


@attrs.frozen
class Rows:
    """What is written at once, as values of SQL.

    Attributes:
        marks: Changes that are about to be sent; the number comes first.
        done: Changes that are done; the number comes last.
        failed: Changes that are not done and have a mark; the number comes last.
        in_full: Lines that have no mark, or whose attributes cannot be written; the number comes first.
        waits: Numbers, and the seconds that their changes waited.
    """

    marks: list[Values]
    done: list[Values]
    failed: list[Values]
    in_full: list[Values]
    waits: list[tuple[int, float]]

    @property
    def ended(self) -> list[int]:
        """The numbers of what has ended."""
        return [row[-1] for row in self.done] + [row[-1] for row in self.failed] + [row[0] for row in self.in_full]

    @property
    def outcomes(self) -> dict[tuple[OutcomeKind, int], int]:
        """How many changes have ended with an outcome, in a number of requests."""
        counts = Counter((row[0], row[1]) for row in (*self.done, *self.failed))
        counts.update((row[4], row[5]) for row in self.in_full)
        return {(OutcomeKind(value), attempts): count for (value, attempts), count in counts.items()}

    def renumbered(self, numbers: Mapping[int, int]) -> "Rows":
        """The same of other numbers."""
        return Rows(
            [(numbers[row[0]], *row[1:]) for row in self.marks],
            [(*row[:-1], numbers[row[-1]]) for row in self.done],
            [(*row[:-1], numbers[row[-1]]) for row in self.failed],
            [(numbers[row[0]], *row[1:]) for row in self.in_full],
            [(numbers[number], waited) for number, waited in self.waits],
        )


def rows_of(marks: Sequence[WorkItem], outcomes: Sequence[Outcome]) -> Rows:
    """What is written of changes that are about to be sent, and of those that have ended."""
    waits = [(outcome.number, outcome.waited) for outcome in outcomes if outcome.waited]
    rows = Rows([mark(item) for item in marks], [], [], [], waits)
    for outcome in outcomes:
        if outcome.error is None and outcome.outcome in DONE:
            rows.done.append(done(outcome))
        elif outcome.change is not None and (row := failed(outcome)) is not None:
            rows.failed.append(row)
        else:
            rows.in_full.append(in_full(outcome))
    return rows


def mark(item: WorkItem) -> tuple[object, ...]:
    """What is written before a change is sent."""
    change, resource = item.change, item.resource
    try:  # costs nothing, unlike a look at its class
        if not resource.isascii():
            resource = plain(resource)
    except AttributeError:
        raise TypeError(f"resource of {type(change).__name__} must be a str, got {kind_of(resource)}") from None
    entry = item.entry
    file = statements.NO_FILE if entry.file is None else plain(entry.file)
    digest = statements.NO_DIGEST if entry.digest is None else entry.digest
    once = 0 if change.not_twice is None else 1  # sqlite3 looks for an adapter of a bool, too
    return (
        item.number, entry.line, file, digest, change.op, once, item.request_id, item.started, resource, _head(change),
    )  # fmt: skip


def _head(change: Change) -> str:
    """The record of a change without its attributes, by hand where it can be: it is most of what a journal costs."""
    if type(change) is PatchConsent:
        checked = "true" if change.checked else "false"
        rest = f',"consent_id":{encode_basestring(change.consent_id)},"checked":{checked}}}'
    elif type(change) is DeleteConsent:
        rest = f',"consent_id":{encode_basestring(change.consent_id)}}}'
    elif type(change) is PatchAttributes:
        rest = "}"
    else:
        return head_of(change)
    text = f'{{"op":"{change.op}","order_id":{encode_basestring(change.order_id)}'  # ids hold no lone surrogates
    if change.merchant is not None:
        text += f',"merchant":{encode_basestring(change.merchant)}'
    if change.channel is not None:
        text += f',"channel":{encode_basestring(change.channel)}'
    return text + rest


def done(outcome: Outcome) -> tuple[object, ...]:
    """What is written of a change that is done."""
    return (
        statements.OUTCOMES[outcome.outcome],
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.number,
    )


class RunWriter(JournalAccount):
    """What a run asks of its journal, and writes to it, for every line; :class:`Journal` has the rest.

    Args:
        path: The main file, which exists.
        db: The connection that writes.
        run: The number of the run.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, run: int) -> None:
        super().__init__(path, db, VERSION)
        self._last = int(self._read("SELECT coalesce(max(number), 0) FROM changes")[0][0])
        self.has_done = bool(self._read(f"SELECT EXISTS (SELECT 1 FROM changes WHERE {statements.IS_DONE})")[0][0])
        self.has_inputs = bool(self.inputs)
        self._files = WrittenFiles(path, db, self._mutex)
        if self.undo is not None:
            self.undo = OldValues(path, self._read, self._pages, self._files.writing, run)

    def states(self, first: int, last: int) -> dict[int, State]:
        """Where the changes from number ``first`` to ``last`` stand; those not known are left out.

        Raises:
            ConfigurationError: It cannot be read.

        :meta private:
        """
        if first > self._last:
            return {}
        rows = self._read(
            f"SELECT number, {statements.IS_OPEN}, open, outcome, digest, once, "
            f"CASE WHEN (outcome = 'unknown' OR attempts > 1) AND NOT {statements.IS_OPEN} THEN started + elapsed END "
            "FROM changes WHERE number BETWEEN ? AND ?",
            first,
            last,
        )
        with reading(self.path):
            return {
                number: State(
                    None if is_open else OutcomeKind(outcome),
                    digest,
                    bool(again) and outcome in DONE,
                    seconds(ended),
                    bool(once),
                )
                for number, is_open, again, outcome, digest, once, ended in rows
            }

    def write(self, rows: Rows) -> None:
        """Write down what is about to be sent and what has ended, all of it or nothing.

        A change that is marked again is open again, keeps the account of its last end until the next one, and its
        attempts are counted on. A change is marked before its outcome comes; a line that could not be read need not
        be. When the run ends before the outcome of one that is sent at most once is known, it is ``unknown`` and not
        continued.

        Raises:
            ConfigurationError: It cannot be written.
            ValueError: A change has ended that was never marked.

        :meta private:
        """
        numbers = [row[0] for row in rows.marks]
        are_new = bool(numbers) and min(numbers) > self._last
        with self._files.writing() as db:
            closed = 0
            if rows.marks:
                db.executemany(statements.MARK_NEW if are_new else statements.MARK, rows.marks)
            if rows.in_full:
                db.executemany(statements.CLOSE, rows.in_full)
            if rows.failed:
                closed += db.executemany(statements.CLOSE_FAILED, rows.failed).rowcount
            if rows.done:
                closed += db.executemany(statements.CLOSE_DONE, rows.done).rowcount
            if rows.waits:
                db.executemany(statements.WAIT, rows.waits)
            if closed < len(rows.failed) + len(rows.done):
                raise ValueError("a change has ended that was never marked")
        self._last = max(self._last, *numbers, *(row[0] for row in rows.in_full), 0)


class WrittenFiles:
    """The files of a journal while it is written. The main one says whether it is whole without its WAL.

    Args:
        path: The main file, which exists.
        db: The connection that writes.
        mutex: Held by who uses the connection.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, mutex: AbstractContextManager[Any]) -> None:
        self._path = path
        self._db = db
        self._mutex = mutex
        self._is_marked = self._begins_anew = True
        self._real_path, self._wal = path.resolve(), wal_path(path)
        self._identity = _identity_of(self._real_path)

    @contextmanager
    def writing(self, *, is_copied: bool = False) -> Generator[sqlite3.Connection]:
        """A transaction; when the WAL has grown, or with ``is_copied``, it is copied to the main file afterwards.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._mutex:
            try:  # what telling() does, which costs more than this for a few lines
                is_copied = (self._check() > MAX_WAL and not self._begins_anew) or is_copied
                with self._db as db:
                    db.execute("BEGIN IMMEDIATE")
                    if is_copied:
                        db.execute(SET_IN_WAL)
                    elif self._is_marked:
                        db.execute(CLEAR_IN_WAL)
                    yield db
                self._is_marked = is_copied
                self._begins_anew = is_copied and self._checkpoint()
            except (OSError, sqlite3.Error) as error:
                raise journal_error(self._path, "written", error) from None

    def sync(self) -> None:
        """Have the disk take each transaction from now on.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._mutex, telling(self._path, "written"):
            self._db.execute("PRAGMA synchronous = FULL")
            with self.writing(is_copied=True) as db:
                db.execute(SET_SYNCED)

    def end(self) -> None:
        """Copy all of the WAL to the main file, and delete it unless somebody reads it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            with self.writing(is_copied=True):
                pass
        finally:  # where that fails, SQLite does it when the connection is closed
            with self.writing():
                pass
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            self._db.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            return  # somebody reads it; both files together are whole

    def _checkpoint(self) -> bool:
        """Copy the WAL to the main file; the next transaction tries again what a reader holds up."""
        return checkpoint(self._db)

    def _check(self) -> int:
        """The size of the WAL.

        Raises:
            OSError: The files cannot be seen.
            ConfigurationError: A file of the journal is gone, or another one stands in its place.
        """
        try:
            if _identity_of(self._real_path) == self._identity:
                return self._wal.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            pass
        raise ConfigurationError(
            f"the journal {self._path} was deleted or replaced while a run wrote it: nothing more is sent, because "
            "nothing of it could be written down"
        )


def _identity_of(path: Path) -> tuple[int, int]:
    """What tells a file from another one that has its name."""
    status = path.stat()
    return status.st_dev, status.st_ino
