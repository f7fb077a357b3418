"""What a run writes to its journal while it goes on, each time in one transaction."""

import sqlite3
from collections.abc import Collection, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from norce_order_async.batch.journal import statements
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.journal.errors import reading, telling
from norce_order_async.batch.journal.old_values import OldValues
from norce_order_async.batch.journal.records import JournalSample, State
from norce_order_async.batch.journal.reopening import reopen
from norce_order_async.batch.journal.rows import Rows, Values, plain
from norce_order_async.batch.journal.schema import VERSION
from norce_order_async.batch.journal.tables import seconds
from norce_order_async.batch.journal.wal import CLEAR_IN_WAL, SET_IN_WAL, SET_SYNCED, checkpoint, wal_path
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import DONE, OutcomeKind

MAX_WAL = 4 * 1024 * 1024
"""Bytes of the WAL after which it is copied to the main file."""


class RunWriter(JournalAccount):
    """A journal that a run writes; see :class:`RunJournal`.

    Args:
        path: The main file, which exists.
        db: The connection that writes.
        run: The number of the run.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, run: int) -> None:
        super().__init__(path, db, VERSION)
        self._run = run
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

    def withdraw(self, numbers: Sequence[int], requests: int) -> None:
        """Take back the marks of changes of which nothing was applied: each is again what it was before its mark.

        Their requests are counted among those of the run. A change that had ended before keeps its outcome; the
        request id and the start that go with it are lost.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        keys = [(number,) for number in numbers]
        with self._files.writing() as db:
            db.executemany("DELETE FROM changes WHERE number = ? AND open AND outcome IS NULL", keys)
            db.executemany(
                f"UPDATE changes SET open = {statements.IS_REOPENED}, request_id = NULL, started = NULL "
                "WHERE number = ? AND open",
                keys,
            )
            db.execute("UPDATE runs SET withdrawn = withdrawn + ? WHERE number = ?", (requests, self._run))

    def leave_open(self, rows: Sequence[Values]) -> None:
        """Write down how changes stand that were sent and are to be continued: they stay open.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            db.executemany(statements.LEAVE_OPEN, rows)

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None, *, once: bool) -> None:
        """Open again what was done after a change of the same resource that ended so, and that is now made again.

        Otherwise the older change would be the last one. It is one step, so that a run that is killed or stopped
        after it is continued with all of them.

        Args:
            only: How changes ended that are made again.
            merchant: Whose orders the changes are about that do not say it.
            channel: The channel of those that do not say it.
            once: Whether what must not be made twice is made again, if it was not applied.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            reopen(db, only, merchant, channel, once=once)

    def sync(self) -> None:
        """Have the disk take each mark and outcome from now on: what must not be made twice outlasts a power cut then.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        self._files.sync()

    def sample(self, sample: JournalSample) -> None:
        """Write down how fast the batch is; see :class:`JournalSample`.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            reason = None if sample.reason is None else plain(sample.reason)
            values = (sample.at, sample.concurrency, sample.rate, sample.in_flight, reason)
            db.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", values)


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
        with self._mutex, telling(self._path, "written"):
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
