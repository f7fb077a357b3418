"""The main file of a journal and its write-ahead log (WAL), and the mark that tells whether it is whole without that.

While a run is under way, its rows stand in ``JOURNAL-wal`` until a checkpoint copies them to the main file. The mark is
written before a checkpoint, and taken back by the first transaction after it. So the main file alone has the mark, and
the main file with its WAL does not: neither here nor in what SQLite makes of both after a kill.
"""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.errors import telling, told
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

MAX_WAL = 4 * 1024 * 1024
"""Bytes of the WAL after which it is copied to the main file."""


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
    def writing(self, *, is_last: bool = False) -> Generator[sqlite3.Connection]:
        """A transaction. What the WAL has grown to, or the last one leaves there, is copied to the main file after it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._mutex:
            try:
                is_full = self._check() > MAX_WAL or is_last
                with self._db as db:
                    db.execute("BEGIN IMMEDIATE")
                    if is_full:
                        db.execute(SET_IN_WAL)
                    elif self._is_marked:
                        db.execute(CLEAR_IN_WAL)
                    yield db
                self._is_marked = is_full
                if is_full:
                    self._checkpoint()
            except sqlite3.Error as error:
                raise told(self._path, "written", error) from None

    def end(self) -> None:
        """Copy all of the WAL to the main file, and delete it unless somebody reads it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            with self.writing(is_last=True):
                pass
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
