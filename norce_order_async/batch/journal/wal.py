"""The main file of a journal and its write-ahead log (WAL), and the mark that tells whether it is whole without that.

While a run is under way, its rows stand in ``JOURNAL-wal`` until a checkpoint copies them to the main file. The mark is
written before a checkpoint, and taken back by the first transaction after it. So the main file alone has the mark, and
the main file with its WAL does not: neither here nor in what SQLite makes of both after a kill.
"""

import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.errors import telling
from norce_order_async.batch.journal.schema import version_of
from norce_order_async.batch.journal.uri import beside, uri_of
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of

SET_IN_WAL = "UPDATE batch SET in_wal = 1"
"""Say that rows may stand only in the WAL."""
CLEAR_IN_WAL = "UPDATE batch SET in_wal = 0 WHERE in_wal"
"""Say that the main file and its WAL, if there is one, are the whole journal."""

LOCK_TIMEOUT = 10.0
"""Seconds for what another program does in one step."""


def wal_path(path: Path) -> Path:
    """Where SQLite keeps the WAL."""
    return beside(path, "-wal")


def connect(path: Path, mode: str, timeout: float = 0.0) -> sqlite3.Connection:
    """Open the file: ``rw``, ``ro``, or ``immutable``, where nobody can write."""
    how = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    uri = uri_of(path.resolve(), how)
    return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def is_marked(db: sqlite3.Connection, version: int) -> bool:
    """Whether the journal has the mark."""
    return version >= 2 and db.execute("SELECT max(in_wal) FROM batch").fetchone()[0] == 1


def check_whole(path: Path, db: sqlite3.Connection, version: int, has_wal: bool) -> None:
    """See that rows are not missing.

    Args:
        path: The journal.
        db: A connection to it.
        version: Of its tables.
        has_wal: Whether its WAL was beside it, before anything opened it.

    Raises:
        ConfigurationError: They stand only in a WAL that is not there.
    """
    if not has_wal and is_marked(db, version):
        raise ConfigurationError(
            f"rows of the journal {path} stand only in the WAL, and {wal_path(path).name} is not beside it: the "
            "journal was copied or moved without that file, or another program has merged the two after a kill, which "
            "looks the same. Put both files in place, or choose another journal"
        )


def roll_back(path: Path) -> None:
    """Undo what a kill has left half done while the file changed between its modes; the lock is held.

    Raises:
        sqlite3.Error: It cannot be done.
    """
    if beside(path, "-journal").exists():
        with closing(connect(path, "rw")) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def tidy(path: Path) -> None:
    """After a kill, put what was left beside the file into it; where that cannot be done, leave all as it is.

    Only while no run is under way, and with the mark taken back first: whoever closes the file last removes the WAL.
    """
    has_wal = wal_path(path).exists()
    if not (has_wal or is_in_wal_mode(path) or beside(path, "-journal").exists()):
        return
    with suppress(sqlite3.Error, ConfigurationError), closing(lock.hold(path)):
        roll_back(path)
        with ExitStack() as stack:
            db, version = open_to_read(path, stack)
            if not version or (not has_wal and is_marked(db, version)):
                return
        with closing(connect(path, "rw")) as db:
            if version >= 2:
                db.execute(CLEAR_IN_WAL)
            db.execute("PRAGMA journal_mode = DELETE")


def open_to_read(path: Path, stack: ExitStack) -> tuple[sqlite3.Connection, int]:
    """A connection that only reads, closed by the stack, and the version of the tables.

    To read a file in WAL mode, SQLite makes a WAL where there is none, and leaves it; so that nothing is made, such a
    file is read as one that nobody writes.

    Raises:
        ConfigurationError: It cannot be read, or is no journal.
    """
    is_alone = is_in_wal_mode(path) and not wal_path(path).exists()
    with telling(path, "opened"):
        db = stack.enter_context(closing(connect(path, "immutable" if is_alone else "ro", LOCK_TIMEOUT)))
    return db, version_of(path, db)


def is_in_wal_mode(path: Path) -> bool:
    """Whether the file says that it has, or may have, a WAL."""
    try:
        with path.open("rb") as stream:
            return stream.read(20)[18:] == b"\x02\x02"
    except OSError as error:
        raise ConfigurationError(f"the journal {path} cannot be opened: {reason_of(error)}") from None
