"""The lock of a journal: one run at a time writes it."""

import os
import sqlite3
import stat
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from norce_order_async.batch.journal.errors import is_busy
from norce_order_async.batch.journal.uri import beside, uri_of
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of

_WAIT = 0.1  # seconds; a reader that looks whether a run is under way holds the lock for a moment
_LONGEST_TIDYING = 10.0  # seconds; a reader that puts away what a kill has left keeps runs out meanwhile


def touch(path: Path, mode: int) -> None:
    """Make an empty file with these permissions, whatever the umask gives beyond them.

    Raises:
        OSError: It exists, or cannot be made.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def hold(path: Path, *, for_run: bool = True) -> sqlite3.Connection:
    """A connection that holds the lock until it is closed, or its process ends.

    Args:
        path: The journal.
        for_run: Whether a run holds it; otherwise it keeps runs out, which wait for it, and none seems under way.

    Raises:
        ConfigurationError: Another run holds it, or it cannot be made.
    """
    file = beside(path, ".lock")
    try:
        with suppress(FileExistsError):
            touch(file, stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise ConfigurationError(
            f"the journal {path} cannot be locked: {file.name} cannot be made beside it: {reason_of(error)}"
        ) from None
    began = time.monotonic()
    while True:
        try:
            return _begin(file, "EXCLUSIVE" if for_run else "IMMEDIATE")
        except sqlite3.Error as error:
            if not is_busy(error):
                raise ConfigurationError(f"the journal {path} cannot be locked: {file.name}: {error}") from None
            if is_held(path) or time.monotonic() - began > _LONGEST_TIDYING:
                raise ConfigurationError(f"the journal {path} is in use by another run") from None


def _begin(file: Path, how: str) -> sqlite3.Connection:
    with ExitStack() as stack:
        db = sqlite3.connect(file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        stack.enter_context(closing(db))
        db.execute(f"BEGIN {how}")
        stack.pop_all()
    return db


def is_held(path: Path) -> bool:
    """Whether a run holds it; one that was killed does not."""
    try:
        with closing(sqlite3.connect(uri_of(beside(path, ".lock"), "mode=ro"), uri=True, timeout=0)) as db:
            db.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        return is_busy(error)
    return False
