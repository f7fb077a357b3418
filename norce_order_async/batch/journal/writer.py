"""A journal that is written, but for what is done for every line, which is in ``run_writer.py``."""

import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

from norce_order_async.batch.inputs import InputFile, check_files
from norce_order_async.batch.journal import lock, old_values, statements
from norce_order_async.batch.journal.errors import telling
from norce_order_async.batch.journal.files import create_file, look_at
from norce_order_async.batch.journal.records import INTERRUPTED, UNTOLD, JournalSample
from norce_order_async.batch.journal.reopening import reopen
from norce_order_async.batch.journal.run_writer import RunWriter, Values
from norce_order_async.batch.journal.schema import create, upgrade
from norce_order_async.batch.journal.tables import plain
from norce_order_async.batch.journal.uri import beside, is_there
from norce_order_async.batch.journal.wal import BEGIN_IN_WAL, LOCK_TIMEOUT, checkpoint, connect, roll_back
from norce_order_async.core.checks import check_switch
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.outcome import OutcomeKind


class Journal(RunWriter):
    """A journal that is written: every change is marked before it is sent, and closed with its outcome.

    What was written stays written if the process is killed. One run at a time writes a journal: a file beside it,
    its name with ``.lock`` added, is locked meanwhile; the file stays, the lock ends with the process.

    Where another program locks the file, :meth:`open`, :meth:`end` and :meth:`close` wait for it. All others raise
    :class:`JournalBusy`: nothing is written then, and they may be called again.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, held: sqlite3.Connection, run: int) -> None:
        super().__init__(path, db, run)
        self._lock, self._run = held, run
        self._began = time.monotonic()
        self._is_closed = self._has_ended = False

    @classmethod
    def open(cls, path: Path | str, *, inputs: Sequence[InputFile], target: str, undo: bool = False) -> "Journal":
        """Create a journal, or continue one, and begin a run.

        Args:
            path: The file.
            inputs: The files that the batch reads; none where changes are given as values. The same contents are the
                same input, whatever the files are called.
            target: The API's address, merchant and channel.
            undo: Whether what is there before each change is read and kept, for :func:`save_undo`. The journal stays
                with that: it goes on neither with it if it was begun without, nor without.

        Raises:
            TypeError: ``path`` is none.
            ConfigurationError: Another argument is of the wrong kind. Or it belongs to another batch, is in use by
                another run, isn't a journal, is damaged, lacks its WAL, or cannot be written.
        """
        path, inputs = Path(path), check_files(inputs)
        if not isinstance(target, str):
            raise ConfigurationError(f"target must be a str, got {kind_of(target)}")
        check_switch("undo", undo)
        target = plain(target)
        with telling(path, "opened"), ExitStack() as stack:
            is_changing = is_there(beside(path, "-journal"))  # before the file is made: its name may be too long
            create_file(path)
            if not is_changing:
                look_at(path)
            held = stack.enter_context(closing(lock.hold(path)))
            with telling(path, "written"):
                roll_back(path)
            version = look_at(path, inputs, target)
            with telling(path, "written"):
                db = stack.enter_context(closing(connect(path, "rw", LOCK_TIMEOUT)))
                db.execute("PRAGMA journal_mode = WAL")
                # What is there before a change has to outlast a power cut that comes after the change.
                db.execute(f"PRAGMA synchronous = {'FULL' if undo else 'NORMAL'}")
                db.execute("PRAGMA wal_autocheckpoint = 0")
                db.execute("PRAGMA journal_size_limit = 0")  # a WAL that begins anew is no longer than what is in it
                with db:
                    db.execute("BEGIN IMMEDIATE")
                    if not version:
                        create(db, inputs, target)
                    upgrade(db, version)
                    old_values.begin(db, path, undo=undo)
                    run = _begin_run(db, undo=undo)
                if not checkpoint(db):
                    raise ConfigurationError(f"the journal {path} cannot be written: another program reads it")
                db.execute("PRAGMA busy_timeout = 0")
            journal = cls(path, db, held, run)
            stack.pop_all()
        return journal

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

    def write_resolution(self, number: int, outcome: OutcomeKind, evidence: str) -> None:
        """Write down what was found out about a change whose outcome was ``unknown``, and how.

        No request of it may be under way.

        Args:
            number: Its place in the input, from 1.
            outcome: What it has come to; ``unknown`` when that cannot be told.
            evidence: What was seen.

        Raises:
            ConfigurationError: It cannot be written.
            ValueError: The journal has no such change, or its outcome is known.
        """
        members = {"number": number, "outcome": outcome.value, "done": outcome.done, "evidence": plain(evidence)}
        with self._files.writing() as db:
            if not db.execute(statements.RESOLVE, members).rowcount:
                raise ValueError(f"the outcome of change {number} is not unknown")

    def not_applied(self) -> list[int]:
        """The changes that were found not to be applied, and were not made again; those that are safe to repeat.

        Raises:
            ConfigurationError: It cannot be read.

        :meta private:
        """
        return [int(number) for (number,) in self._read(f"SELECT number FROM changes WHERE {statements.NOT_APPLIED}")]

    def give_up(self, numbers: Sequence[int], why: str) -> None:
        """Write down that changes which are sent at most once, and are open, have come to nobody knows what.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            db.executemany(
                f"{statements.CLOSE_ONCE} AND number = ?", [(INTERRUPTED, why, number) for number in numbers]
            )

    def set_stopped(self, reason: str | None) -> None:
        """Write down why this run ends before its input does.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            values = (None if reason is None else plain(reason), self._run)
            db.execute("UPDATE runs SET stopped = ? WHERE number = ?", values)

    def write_counts(self, counts: Sequence[int | None]) -> None:
        """Write down how many changes each input holds that can be read only once, as far as that is known by now.

        Raises:
            ConfigurationError: It cannot be written.

        :meta private:
        """
        with self._files.writing() as db:
            db.executemany(
                "UPDATE inputs SET changes = max(coalesce(changes, 0), ?) WHERE place = ? AND digest IS NULL",
                [(count, place) for place, count in enumerate(counts) if count is not None],
            )

    @property
    def is_running(self) -> bool:
        """Whether the run is under way: until :meth:`end`."""
        return not self._has_ended

    def end(self) -> None:
        """End the run; what has no outcome then is ``unknown``. Once more does nothing.

        Raises:
            ConfigurationError: The run's end could not be written.
        """
        if not self._has_ended:
            self._has_ended = True
            self._db.execute(f"PRAGMA busy_timeout = {round(LOCK_TIMEOUT * 1000)}")
            with self._files.writing() as db:
                # Not the wall clock, which may be set meanwhile.
                took = time.monotonic() - self._began
                db.execute("UPDATE runs SET ended = started + ? WHERE number = ?", (took, self._run))

    def close(self) -> None:
        """End the run and close the journal; once more does nothing. No WAL is left, unless somebody reads it.

        Raises:
            ConfigurationError: The run's end could not be written. The journal is closed nevertheless.
        """
        with self._mutex:
            if self._is_closed:
                return
            self._is_closed = True
            with closing(self._lock), closing(self._db):
                self.end()
                self._files.end()


def _begin_run(db: sqlite3.Connection, *, undo: bool) -> int:
    """Write down that a run begins, and what is left of one that was killed; the number of the run."""
    if undo:
        db.execute(statements.WITHDRAW_UNSENT)
    db.execute(statements.CLOSE_ONCE, (INTERRUPTED, UNTOLD))
    run = db.execute("INSERT INTO runs (started) VALUES (?)", (time.time(),)).lastrowid
    db.execute(BEGIN_IN_WAL, (undo,))
    return cast("int", run)
