"""The lock of a journal: one run at a time writes it."""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from norce_order_async.batch.journal.errors import is_busy
from norce_order_async.batch.journal.uri import beside, uri_of
from norce_order_async.core.errors import ConfigurationError

_WAIT = 0.1  # seconds; a reader that looks whether a run is under way holds the lock for a moment


def touch(path: Path, mode: int) -> None:
    """Make an empty file with these permissions, whatever the umask gives beyond them.

    Raises:
        OSError: It exists, or cannot be made.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def hold(path: Path) -> sqlite3.Connection:
    """A connection that holds the lock until it is closed, or its process ends.

    Raises:
        ConfigurationError: Another run holds it, or it cannot be made.
    """
    file = beside(path, ".lock")
    with suppress(OSError):  # SQLite tells of any
        touch(file, stat.S_IMODE(path.stat().st_mode))
    try:
        db = sqlite3.connect(file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the journal {path} cannot be locked: {error}") from None
    try:
        db.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        db.close()
        if is_busy(error):
            raise ConfigurationError(f"the journal {path} is in use by another run") from None
        raise ConfigurationError(f"the journal {path} cannot be locked: {error}") from None
    return db


def is_held(path: Path) -> bool:
    """Whether a run holds it; one that was killed does not."""
    lock = beside(path, ".lock")
    if not lock.exists():
        return False
    try:
        with closing(sqlite3.connect(uri_of(lock, "mode=ro"), uri=True, timeout=0)) as db:
            db.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        return is_busy(error)
    return False
