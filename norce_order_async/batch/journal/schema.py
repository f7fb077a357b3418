"""The tables of a journal, and how a journal of an earlier version is brought up to this one."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal.errors import code_of, damaged, foreign
from norce_order_async.batch.journal.tables import plain
from norce_order_async.core.errors import ConfigurationError

VERSION = 2
"""The version of the tables."""

_APPLICATION = 0x4E4F4A31  # NOJ1
_SMALLEST = 512  # bytes of a database; SQLite takes many a shorter file for an empty one

# Whatever may be long stands at the end, so that sums need not read over it.
_TABLES = (
    "CREATE TABLE batch (target TEXT NOT NULL, begun REAL NOT NULL, in_wal INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE inputs (place INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT, changes INTEGER)",
    "CREATE TABLE runs (number INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, stopped TEXT, "
    "withdrawn INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE samples (at REAL NOT NULL, concurrency INTEGER NOT NULL, rate REAL, in_flight INTEGER NOT NULL, "
    "reason TEXT)",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, open INTEGER NOT NULL, outcome TEXT, "
    "attempts INTEGER NOT NULL DEFAULT 0, error TEXT, op TEXT, line INTEGER NOT NULL, file TEXT, digest INTEGER, "
    "once INTEGER NOT NULL DEFAULT 0, started REAL, elapsed REAL, status INTEGER, request_id TEXT, resource TEXT, "
    "message TEXT, evidence TEXT, record TEXT, attributes TEXT)",
    f"PRAGMA application_id = {_APPLICATION}",
)
# Beside the others, as a journal of an earlier version may have none.
_WAITS = "CREATE TABLE IF NOT EXISTS waits (number INTEGER PRIMARY KEY, seconds REAL NOT NULL)"
# What version 2 adds.
_FROM_1 = (
    "ALTER TABLE batch ADD COLUMN in_wal INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE changes ADD COLUMN once INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE changes ADD COLUMN resource TEXT",
    "ALTER TABLE changes ADD COLUMN evidence TEXT",
)


def version_of(path: Path, db: sqlite3.Connection) -> int:
    """The version of a journal's tables; 0 for one that is still empty.

    Raises:
        OSError: It cannot be seen.
        sqlite3.Error: It cannot be read.
        ConfigurationError: It is no journal, is damaged, or was made by a newer version of this package.
    """
    if 0 < path.stat().st_size < _SMALLEST:
        raise foreign(path)
    try:
        application, version, tables = db.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_application_id, pragma_user_version"
        ).fetchone()
    except sqlite3.DatabaseError as error:
        if code_of(error) == sqlite3.SQLITE_NOTADB:
            raise foreign(path) from None
        raise
    except UnicodeDecodeError:  # of sqlite3, whose message quotes what is damaged
        raise ConfigurationError(f"the journal {path} cannot be opened: it is damaged") from None
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != _APPLICATION:
        raise foreign(path)
    if version < 1:
        raise damaged(path, "it has tables of no version")
    if version > VERSION:
        raise ConfigurationError(f"the journal {path} was made by a newer version of this package: use that one")
    return int(version)


def check_sound(path: Path, db: sqlite3.Connection) -> None:
    """Have SQLite look over the whole file.

    Raises:
        ConfigurationError: It is damaged.
    """
    try:
        (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise damaged(path, error) from None
    if told != "ok":
        raise damaged(path, " ".join(str(told).split()))


def create(db: sqlite3.Connection, inputs: Sequence[InputFile], target: str) -> None:
    """Make the tables, and write down which batch it is."""
    for statement in _TABLES:
        db.execute(statement)
    db.execute("INSERT INTO batch (target, begun) VALUES (?, ?)", (target, time.time()))
    rows = [(place, plain(file.name), file.digest, file.changes) for place, file in enumerate(inputs)]
    db.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?)", rows)


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Add what the tables of an earlier version lack."""
    db.execute(_WAITS)
    if version == 1:
        for statement in _FROM_1:
            db.execute(statement)
    if version != VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")
