"""The main file of a journal and its write-ahead log (WAL), and the mark that tells whether it is whole without that.

While a run is under way, its rows stand in ``JOURNAL-wal`` until a checkpoint copies them to the main file. The mark is
written before a checkpoint, and taken back by the first transaction after it. So the main file alone has the mark, and
the main file with its WAL does not: neither here nor in what SQLite makes of both after a kill. A checkpoint leaves the
WAL as it is, and the next transaction begins it anew: so one without a header is not the one of a marked main file.
"""

import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.errors import damaged, telling
from norce_order_async.batch.journal.schema import version_of
from norce_order_async.batch.journal.uri import beside, is_there, uri_of
from norce_order_async.batch.journal.wal_frames import has_header, has_hole
from norce_order_async.core.errors import ConfigurationError

BEGIN_IN_WAL = "UPDATE batch SET in_wal = 1 + 2 * ?"
"""Say that rows may stand only in the WAL, and whether the disk takes each transaction of the run."""
SET_IN_WAL = "UPDATE batch SET in_wal = in_wal | 1"
SET_SYNCED = "UPDATE batch SET in_wal = in_wal | 2"
CLEAR_IN_WAL = "UPDATE batch SET in_wal = in_wal & ~1 WHERE in_wal & 1"
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


def checkpoint(db: sqlite3.Connection) -> bool:
    """Copy the WAL to the main file; whether nobody holds that up, and so the next transaction begins it anew."""
    return not db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]


def check_whole(path: Path, db: sqlite3.Connection, version: int) -> None:
    """See that rows are not missing.

    Args:
        path: The journal.
        db: A connection to it.
        version: Of its tables.

    Raises:
        OSError: The WAL cannot be read.
        ConfigurationError: They stand only in a WAL that is not there, or is damaged.
    """
    in_wal = int(db.execute("SELECT total(in_wal) FROM batch").fetchone()[0]) if version >= 2 else 0
    wal = wal_path(path)
    if in_wal & 1 and not has_header(wal):
        raise ConfigurationError(
            f"rows of the journal {path} stand only in the WAL, and {wal.name} is not beside it, or is empty or "
            "damaged: the journal was copied or moved without that file, or another program has merged the two after a "
            "kill, which looks the same. Put both files in place, or choose another journal"
        )
    # Where the disk was not waited for, a power cut may leave the same, and what is lost is made once more.
    if in_wal & 2 and has_hole(wal):
        raise damaged(
            path,
            f"a part of {wal.name} cannot be read, and what was made after that is not known. Put a whole copy of both "
            "files in place, or choose another journal for what has to be made",
        )


def roll_back(path: Path) -> None:
    """Undo what a kill has left half done while the file changed between its modes; the lock is held.

    One that stands beside a WAL is of an earlier change of modes, and empty: SQLite would put that WAL away for it.

    Raises:
        sqlite3.Error: It cannot be done.
    """
    if is_there(beside(path, "-journal")) and not is_there(wal_path(path)):
        with closing(connect(path, "rw")) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def tidy(path: Path) -> None:
    """After a kill, put what was left beside the file into it; where that cannot be done, leave all as it is.

    Only while no run is under way, and with the mark taken back first: whoever closes the file last removes the WAL.
    """
    if not (is_there(wal_path(path)) or is_in_wal_mode(path) or is_there(beside(path, "-journal"))):
        return
    with suppress(sqlite3.Error, OSError, ConfigurationError), closing(lock.hold(path, for_run=False)):
        roll_back(path)
        with ExitStack() as stack:
            db, version = open_to_read(path, stack)
            if not version:
                return
            check_whole(path, db, version)
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
    with telling(path, "opened"):
        is_alone = is_in_wal_mode(path) and not is_there(wal_path(path))
        db = stack.enter_context(closing(connect(path, "immutable" if is_alone else "ro", LOCK_TIMEOUT)))
        return db, version_of(path, db)


def is_in_wal_mode(path: Path) -> bool:
    """Whether the file says that it has, or may have, a WAL.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(20)[18:] == b"\x02\x02"
