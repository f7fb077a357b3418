"""The files of a journal while it is written: the main one and its WAL."""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from norce_order_async.batch.journal.errors import telling
from norce_order_async.batch.journal.wal import MARK, TAKE_BACK, wal_path
from norce_order_async.core.errors import ConfigurationError

MAX_WAL = 4 * 1024 * 1024
"""Bytes of the WAL after which it is copied to the main file."""


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
        self._is_marked = True
        self._real_path, self._wal = path.resolve(), wal_path(path)
        self._identity = _identity_of(self._real_path)

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction. What the WAL has grown to is copied to the main file after it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._mutex, telling(self._path, "written"):
            is_full = self._check() > MAX_WAL
            with self._db as db:
                db.execute("BEGIN IMMEDIATE")
                if is_full:
                    db.execute(MARK)
                elif self._is_marked:
                    db.execute(TAKE_BACK)
                yield db
            self._is_marked = is_full
            if is_full:
                self._checkpoint()

    def end(self) -> None:
        """Copy all of the WAL to the main file, and delete it unless somebody reads it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        # All rows first, so that the main file never lacks one when it says that it is whole.
        with self.writing() as db:
            db.execute(MARK)
        self._is_marked = True
        try:
            with telling(self._path, "written"):
                self._checkpoint()
        finally:  # where that fails, SQLite does it when the connection is closed
            with self.writing():
                pass
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            self._db.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            return  # somebody reads it; both files together are whole

    def _checkpoint(self) -> None:
        """Copy the WAL to the main file; the next transaction tries again what a reader holds up."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._is_marked = True

    def _check(self) -> int:
        """The size of the WAL.

        Raises:
            ConfigurationError: A file of the journal is gone, or another one stands in its place.
        """
        try:
            if _identity_of(self._real_path) == self._identity:
                return self._wal.stat().st_size
        except FileNotFoundError:
            pass
        raise ConfigurationError(
            f"the journal {self._path} was deleted or replaced while a run wrote it: nothing more is sent, because "
            "nothing of it could be written down"
        )


def _identity_of(path: Path) -> tuple[int, int]:
    """What tells a file from another one that has its name."""
    status = path.stat()
    return status.st_dev, status.st_ino
