"""The journal of a batch: what was begun and what became of it, so that a run that was killed can be continued."""

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.engine.work_item import WorkItem
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import Problem, Row, Summary, encode_record, source_record
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire import fastjson
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON, decode_json

INTERRUPTED = "Interrupted"
"""The error of a change whose run ended before its outcome was known."""
MAX_MESSAGE = 1_000
"""Characters of an error's text that are kept."""

_APPLICATION = 0x4E4F4A31  # NOJ1
_VERSION = 1
_SMALLEST = 512  # bytes of a database; SQLite takes many a shorter file for an empty one
_WAIT = 10.0
_WAIT_FOR_LOCK = 0.1  # a reader that looks whether a run is under way holds the lock for a moment
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_UNTOLD = "the run ended before its outcome was known"

# Whatever may be long stands at the end, so that sums need not read over it.
_SCHEMA = (
    "CREATE TABLE batch (target TEXT NOT NULL, begun REAL NOT NULL)",
    "CREATE TABLE inputs (place INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT, changes INTEGER)",
    "CREATE TABLE runs (number INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, stopped TEXT)",
    "CREATE TABLE samples (at REAL NOT NULL, concurrency INTEGER NOT NULL, rate REAL, in_flight INTEGER NOT NULL, "
    "reason TEXT)",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, open INTEGER NOT NULL, outcome TEXT, "
    "attempts INTEGER NOT NULL DEFAULT 0, error TEXT, op TEXT, line INTEGER NOT NULL, file TEXT, digest INTEGER, "
    "started REAL, elapsed REAL, status INTEGER, request_id TEXT, message TEXT, record TEXT, attributes TEXT)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)
# Beside the others, as a journal of an earlier version has none.
_WAITS = "CREATE TABLE IF NOT EXISTS waits (number INTEGER PRIMARY KEY, seconds REAL NOT NULL)"
_MARK_NEW = """
    INSERT INTO changes (number, open, line, file, digest, op, request_id, started, record)
    VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)
"""
_MARK = f"""{_MARK_NEW}
    ON CONFLICT DO UPDATE SET open = 1, line = excluded.line, file = excluded.file, digest = excluded.digest,
        op = excluded.op, request_id = excluded.request_id, started = excluded.started, record = excluded.record,
        error = CASE WHEN outcome IS NULL THEN NULL ELSE error END
"""
# Without an outcome, an error is how a change stands that is to be continued.
_LEAVE_OPEN = """
    UPDATE changes SET attempts = attempts + ?, started = ?, elapsed = ?, status = ?, request_id = ?, error = ?,
        message = ?, outcome = CASE WHEN outcome IN ('applied', 'applied_inferred') THEN outcome END
    WHERE number = ? AND open
"""
_CLOSE_DONE = """
    UPDATE changes SET open = 0, outcome = ?, attempts = attempts + ?, started = ?, elapsed = ?, status = ?,
        request_id = ?, error = NULL, message = NULL, attributes = NULL
    WHERE number = ?
"""
_CLOSE = """
    INSERT INTO changes (number, open, line, file, op, outcome, attempts, started, elapsed, status, request_id, error,
        message, record, attributes)
    VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET open = 0, outcome = excluded.outcome, attempts = attempts + excluded.attempts,
        started = excluded.started, elapsed = excluded.elapsed, status = excluded.status,
        request_id = excluded.request_id, error = excluded.error, message = excluded.message,
        record = excluded.record, attributes = excluded.attributes
"""
_DONE = frozenset(kind.value for kind in OutcomeKind if kind.done)
# What a change is about, where its record tells it: an operation of one's own may be about anything.
_OPERATIONS = "'patch_consent', 'delete_consent', 'patch_attributes'"
_RESOURCE = """json_array(
    coalesce(json_extract(record, '$.merchant'), ?), coalesce(json_extract(record, '$.channel'), ?),
    json_extract(record, '$.order_id'), json_extract(record, '$.consent_id')
)"""
_ERROR = "CASE WHEN open AND outcome IS NOT NULL THEN NULL ELSE error END"
_ROWS = """
    SELECT number, line, file, open, outcome, attempts, started, elapsed, status, request_id, error, message, record,
        attributes, {waited}
    FROM changes
"""
_WAITED = "(SELECT seconds FROM waits WHERE waits.number = changes.number)"


@attrs.frozen
class Mark:
    """The note that a change is about to be sent.

    Attributes:
        number: Its place in the input, from 1, over all files.
        line: The line of its file, or its place in the iterator, from 1.
        file: The name of its file, when there are several.
        digest: A checksum of its entry, where the input has none.
        change: The change.
        request_id: What will be sent as ``x-request-id``.
        started: When, in seconds since 1970-01-01 UTC.
    """

    number: int
    line: int
    file: str | None
    digest: int | None
    change: Change | None
    request_id: str | None
    started: float


@attrs.frozen
class State:
    """Where a change stands that the journal knows.

    Attributes:
        outcome: Its outcome; None when it was marked and its outcome never written.
        digest: The checksum of its entry.
        reopened: Whether it was done, and is to be made once more.
        ended: When its last call ended if its outcome is ``unknown``, in seconds since 1970-01-01 UTC.
    """

    outcome: OutcomeKind | None
    digest: int | None
    reopened: bool = False
    ended: float | None = None


@attrs.frozen
class Run:
    """One run of a batch; times are seconds since 1970-01-01 UTC.

    Attributes:
        started: When it began.
        ended: When it ended; None while it goes on, or when it was killed.
        stopped: Why it ended before its input did.
    """

    started: float
    ended: float | None
    stopped: str | None


@attrs.frozen(kw_only=True)
class Sample:
    """How fast a batch was at one moment.

    Attributes:
        at: When, in seconds since 1970-01-01 UTC.
        concurrency: How many changes were allowed to be under way.
        rate: How many changes a second were allowed; None is no limit.
        in_flight: How many changes were under way.
        reason: Why it was no faster.
    """

    at: float
    concurrency: int
    rate: float | None
    in_flight: int
    reason: str | None


class _Account:
    """What can be read of a journal, while a run writes it or afterwards."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files that the batch reads, by the names that they had at first."""
        rows = self._read("SELECT name, digest, changes FROM inputs ORDER BY place")
        with _reading(self.path):
            return tuple(InputFile(str(name), digest, _count(changes)) for name, digest, changes in rows)

    @property
    def target(self) -> str:
        """Where the changes are made: the API's address, merchant and channel."""
        rows = self._read("SELECT target FROM batch")
        with _reading(self.path):
            return str(rows[0][0])

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run so far, the first one first."""
        rows = self._read("SELECT started, ended, stopped FROM runs ORDER BY number")
        with _reading(self.path):
            return tuple(
                Run(_time(started), None if ended is None else _time(ended), _text(stopped))
                for started, ended, stopped in rows
            )

    @property
    def is_running(self) -> bool:
        """Whether a run is under way; one that was killed is not."""
        lock = _lock_path(self.path)
        if not lock.exists():
            return False
        try:
            with closing(sqlite3.connect(f"{lock.as_uri()}?mode=ro", uri=True, timeout=0)) as db:
                db.execute("SELECT * FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            return _is_busy(error)
        return False

    def summary(self) -> Summary:
        """The sums over all runs.

        A change that was sent, and whose outcome was never written, is in flight while a run goes on and has the
        outcome ``unknown`` when none does.
        """
        is_running = self.is_running
        summary = Summary()
        with _reading(self.path), self._db:
            self._db.execute("BEGIN")
            sums = self._db.execute(
                "SELECT open, outcome, op, count(*), sum(attempts), sum(attempts > 1) FROM changes "
                "GROUP BY open, outcome, op"
            ).fetchall()
            problems = self._db.execute(
                f"SELECT open, {_ERROR} AS shown, min(number), line, file, message, count(*) FROM changes "
                "WHERE open OR error IS NOT NULL GROUP BY open, shown ORDER BY 3"
            ).fetchall()
        with _reading(self.path):
            for is_open, outcome, op, count, attempts, retried in sums:
                summary.requests += int(attempts)
                summary.retried += int(retried)
                if op is not None:
                    summary.operations[str(op)] += count
                if not is_open:
                    summary.outcomes[OutcomeKind(outcome)] += count
                elif is_running:
                    summary.in_flight += count
                else:
                    summary.unfinished += count
                    summary.outcomes[OutcomeKind.UNKNOWN] += count
        for is_open, error, _, line, file, message, count in problems:
            if is_open and is_running:
                continue
            name, text = (INTERRUPTED, _UNTOLD) if error is None else (str(error), _text(message) or "")
            problem = summary.problems.setdefault(name, Problem(line, text, file))
            problem.count += count
        return summary

    def rows(self, only: Collection[OutcomeKind] | None = None) -> Iterator[Row]:
        """The changes in the order of the input, one after another; with ``only``, those that ended so.

        A change whose outcome was never written is among them as in :meth:`summary`; while a run goes on it has no
        outcome.
        """
        is_running = self.is_running
        wanted, kinds = "", list[str]()
        if only is not None:
            kinds = [kind.value for kind in only]
            wanted = f"WHERE (NOT open AND outcome IN ({', '.join('?' * len(kinds))}))"
            if OutcomeKind.UNKNOWN in only and not is_running:
                wanted += " OR open"
        with _reading(self.path):
            has_waits = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'waits'").fetchone()[0]
            query = _ROWS.format(waited=_WAITED if has_waits else "NULL")
            for row in self._db.execute(f"{query} {wanted} ORDER BY number", kinds):
                yield _row(row, is_running)

    def samples(self) -> Iterator[Sample]:
        """How fast the batch was, moment after moment."""
        with _reading(self.path):
            for at, concurrency, rate, in_flight, reason in self._db.execute(
                "SELECT at, concurrency, rate, in_flight, reason FROM samples ORDER BY rowid"
            ):
                yield Sample(
                    at=_time(at),
                    concurrency=int(concurrency),
                    rate=_seconds(rate),
                    in_flight=int(in_flight),
                    reason=_text(reason),
                )

    def close(self) -> None:
        """Close it; once more does nothing."""
        self._db.close()

    def _read(self, query: str, *values: object) -> list[Any]:
        with _reading(self.path):
            return self._db.execute(query, values).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()


class JournalReader(_Account):
    """A journal that is only read. It never holds up the run that writes it."""

    @classmethod
    def open(cls, path: Path | str) -> "JournalReader":
        """Open a journal.

        Raises:
            ConfigurationError: There is none, or it cannot be read.
        """
        path = Path(path)
        if not path.exists():
            raise ConfigurationError(f"there is no journal {path}")
        with ExitStack() as stack:
            db = stack.enter_context(closing(_connect(path)))
            if _recognise(path, db):
                raise _foreign(path)
            # Not opened for reading only: whoever closes it last tidies up, and after a kill that is the reader.
            db.execute("PRAGMA query_only = 1")
            stack.pop_all()
        return cls(path, db)


class Journal(_Account):
    """A journal that is written: every change is marked before it is sent, and closed with its outcome.

    What was written stays written if the process is killed. One run at a time writes a journal: a file beside it,
    its name with ``.lock`` added, is locked meanwhile; the file stays, the lock ends with the process. Only its owner
    may read a new journal; one that is continued keeps its permissions.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, lock: sqlite3.Connection, run: int) -> None:
        super().__init__(path, db)
        self._lock = lock
        self._run = run
        self._is_closed = False
        self._last: int = self._read("SELECT coalesce(max(number), 0) FROM changes")[0][0]
        """The largest number of a change that it knows; those after it need not be looked up."""

    @classmethod
    def open(cls, path: Path | str, *, inputs: Sequence[InputFile], target: str) -> "Journal":
        """Create a journal, or continue one, and begin a run.

        Args:
            path: The file.
            inputs: What the batch reads. The same contents are the same input, whatever the files are called.
            target: The API's address, merchant and channel.

        Raises:
            ConfigurationError: It belongs to another batch, is in use by another run, isn't a journal, or cannot be
                written.
        """
        path = Path(path)
        _create(path)
        target = _plain(target)
        with ExitStack() as stack:
            db = stack.enter_context(closing(_connect(path)))
            _recognise(path, db)
            lock = stack.enter_context(closing(_lock(path)))
            with _told(path, "written"):
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
            is_new = _recognise(path, db)
            if not is_new:
                _check_identity(_Account(path, db), inputs, target)
            with _told(path, "written"), db:
                db.execute("BEGIN IMMEDIATE")
                if is_new:
                    _begin_batch(db, inputs, target)
                db.execute(_WAITS)
                run = db.execute("INSERT INTO runs (started) VALUES (?)", (time.time(),)).lastrowid
            stack.pop_all()
        return cls(path, db, lock, cast(int, run))

    def write(self, marks: Sequence[Mark] | Sequence[WorkItem], outcomes: Sequence[Outcome]) -> None:
        """Write down what is about to be sent and what has ended, all of it or nothing.

        A change that is marked again is open again, keeps the account of its last end until the next one, and its
        attempts are counted on. A change is marked before its outcome comes; a line that could not be read need not
        be.

        Raises:
            ConfigurationError: It cannot be written.
            ValueError: A change is done that was never marked.
        """
        marked = list(map(_marked, marks))
        done: list[tuple[object, ...]] = []
        others: list[tuple[object, ...]] = []
        for outcome in outcomes:
            if outcome.outcome.done and outcome.error is None:
                done.append(_done(outcome))
            else:
                others.append(_in_full(outcome))
        are_new = min((mark.number for mark in marks), default=0) > self._last
        with self._writing():
            if marked:
                self._db.executemany(_MARK_NEW if are_new else _MARK, marked)
            if others:
                self._db.executemany(_CLOSE, others)
            if done and self._db.executemany(_CLOSE_DONE, done).rowcount < len(done):
                raise ValueError("a change is done that was never marked")
            if waits := [(outcome.number, outcome.waited) for outcome in outcomes if outcome.waited]:
                self._db.executemany("INSERT OR REPLACE INTO waits VALUES (?, ?)", waits)
        self._last = max((self._last, *(mark.number for mark in marks), *(outcome.number for outcome in outcomes)))

    def release(self, numbers: Sequence[int]) -> None:
        """Take back the marks of changes of which nothing was sent: each is again what it was before its mark.

        A change that had ended before keeps its outcome; the request id and the start that go with it are lost.

        Raises:
            ConfigurationError: It cannot be written.
        """
        keys = [(number,) for number in numbers]
        with self._writing():
            self._db.executemany("DELETE FROM changes WHERE number = ? AND open AND outcome IS NULL", keys)
            self._db.executemany(
                "UPDATE changes SET open = 0, request_id = NULL, started = NULL WHERE number = ? AND open", keys
            )

    def leave_open(self, outcomes: Sequence[Outcome]) -> None:
        """Write down how changes stand that were sent and are to be continued: they stay open.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._writing():
            self._db.executemany(_LEAVE_OPEN, map(_stands, outcomes))

    def states(self, first: int, last: int) -> dict[int, State]:
        """Where the changes from number ``first`` to ``last`` stand; those not known are left out.

        Raises:
            ConfigurationError: It cannot be read.
        """
        if first > self._last:
            return {}
        rows = self._read(
            "SELECT number, open, outcome, digest, "
            "CASE WHEN outcome = 'unknown' AND NOT open THEN started + elapsed END FROM changes "
            "WHERE number BETWEEN ? AND ?",
            first,
            last,
        )
        with _reading(self.path):
            return {
                number: State(
                    None if is_open else OutcomeKind(outcome),
                    digest,
                    bool(is_open) and outcome in _DONE,
                    _seconds(ended),
                )
                for number, is_open, outcome, digest, ended in rows
            }

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None) -> None:
        """Open again what was done after a change of the same resource that ended so, and that is now made again.

        Otherwise the older change would be the last one. It is one step, so that a run that is killed or stopped
        after it is continued with all of them.

        Args:
            only: How changes ended that are made again.
            merchant: Whose orders the changes are about that do not say it.
            channel: The channel of those that do not say it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        kinds = [kind.value for kind in only]
        wanted = f"(NOT open AND outcome IN ({', '.join('?' * len(kinds))}))"
        if OutcomeKind.UNKNOWN in only:
            wanted += " OR open"
        scope = (merchant, channel)
        with self._writing():
            self._db.execute("CREATE TEMP TABLE again (resource TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
            self._db.execute(
                f"INSERT INTO again SELECT {_RESOURCE} AS resource, min(number) FROM changes "
                f"WHERE op IN ({_OPERATIONS}) AND ({wanted}) GROUP BY resource",
                (*scope, *kinds),
            )
            self._db.execute(
                f"UPDATE changes SET open = 1 WHERE NOT open AND outcome IN ({', '.join(map(repr, sorted(_DONE)))}) "
                f"AND op IN ({_OPERATIONS}) AND number > (SELECT number FROM again WHERE resource = {_RESOURCE})",
                scope,
            )
            self._db.execute("DROP TABLE again")

    def sample(self, *, at: float, concurrency: int, rate: float | None, in_flight: int, reason: str | None) -> None:
        """Write down how fast the batch is; see :class:`Sample`.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._writing():
            values = (at, concurrency, rate, in_flight, None if reason is None else _plain(reason))
            self._db.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", values)

    def set_stopped(self, reason: str | None) -> None:
        """Write down why this run ends before its input does.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with self._writing():
            values = (None if reason is None else _plain(reason), self._run)
            self._db.execute("UPDATE runs SET stopped = ? WHERE number = ?", values)

    def close(self) -> None:
        """End the run and close the journal; once more does nothing.

        Raises:
            ConfigurationError: The run's end could not be written. The journal is closed nevertheless.
        """
        if self._is_closed:
            return
        self._is_closed = True
        with closing(self._lock), closing(self._db), self._writing():
            self._db.execute("UPDATE runs SET ended = ? WHERE number = ?", (time.time(), self._run))

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        with _told(self.path, "written"), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield


def discard(path: Path) -> None:
    """Delete a journal.

    Raises:
        ConfigurationError: It is in use by a run, isn't a journal, or cannot be deleted.
    """
    with closing(_connect(path)) as db:
        _recognise(path, db)
    with closing(_lock(path)):
        try:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the journal {path} cannot be deleted: {error.strerror or error}") from None


# Opening


def _create(path: Path) -> None:
    """Make an empty file where there is none, because the operating system tells better than SQLite why it can't.

    It is its owner's alone, whatever the umask: a journal holds personal data. SQLite gives the files beside a
    database the permissions of the database.
    """
    try:
        _touch(path, 0o600)
    except FileExistsError:
        if not path.is_file():
            raise ConfigurationError(f"the journal {path} is not a file") from None
    except OSError as error:
        raise ConfigurationError(f"the journal {path} cannot be written: {error.strerror or error}") from None


def _touch(path: Path, mode: int) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def _connect(path: Path) -> sqlite3.Connection:
    with _told(path, "opened"):
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_WAIT, isolation_level=None)


def _recognise(path: Path, db: sqlite3.Connection) -> bool:
    """Whether a journal is still empty; raises for a file that isn't a journal."""
    if 0 < path.stat().st_size < _SMALLEST:
        raise _foreign(path)
    try:
        application, version, tables = db.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_application_id, pragma_user_version"
        ).fetchone()
    except sqlite3.DatabaseError as error:
        if _code(error) == sqlite3.SQLITE_NOTADB:
            raise _foreign(path) from None
        raise ConfigurationError(f"the journal {path} cannot be opened: {error}") from None
    except UnicodeDecodeError:  # sqlite3 stumbles over its own message, which quotes what is damaged
        raise ConfigurationError(f"the journal {path} cannot be opened: it is damaged") from None
    if (application, version, tables) == (0, 0, 0):
        return True
    if application != _APPLICATION:
        raise _foreign(path)
    if version > _VERSION:
        raise ConfigurationError(f"the journal {path} was made by a newer version of this package: use that one")
    return False


def _foreign(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} is not a journal of a batch; it is left as it is")


def _lock_path(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(f"{path.name}.lock")


def _lock(path: Path) -> sqlite3.Connection:
    """A connection that holds the lock until it is closed, or its process ends."""
    lock = _lock_path(path)
    with suppress(OSError):  # SQLite tells of any
        _touch(lock, stat.S_IMODE(path.stat().st_mode))
    try:
        db = sqlite3.connect(lock, timeout=_WAIT_FOR_LOCK, isolation_level=None)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the journal {path} cannot be locked: {error}") from None
    try:
        db.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        db.close()
        if _is_busy(error):
            raise ConfigurationError(f"the journal {path} is in use by another run") from None
        raise ConfigurationError(f"the journal {path} cannot be locked: {error}") from None
    return db


def _begin_batch(db: sqlite3.Connection, inputs: Sequence[InputFile], target: str) -> None:
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute("INSERT INTO batch VALUES (?, ?)", (target, time.time()))
    rows = [(place, _plain(file.name), file.digest, file.changes) for place, file in enumerate(inputs)]
    db.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?)", rows)


def _check_identity(known: _Account, inputs: Sequence[InputFile], target: str) -> None:
    if known.target == target and [file.digest for file in known.inputs] == [file.digest for file in inputs]:
        return
    begun = datetime.fromtimestamp(known.runs[0].started, UTC) if known.runs else None
    when = f", begun {begun:%Y-%m-%d %H:%M} UTC" if begun else ""
    before, now = f"{_named(known.inputs)} for {known.target}", f"{_named(inputs)} for {target}"
    this = "the content of that input has changed since" if before == now else f"this one is {now}"
    raise ConfigurationError(
        f"the journal {known.path} belongs to another batch: {before}{when}; {this}. "
        "Choose another journal, or delete that one to begin anew"
    )


def _named(inputs: Sequence[InputFile]) -> str:
    names = ", ".join(file.name for file in inputs[:3]) or "no file"
    others = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
    counts = [file.changes for file in inputs if file.changes is not None]
    changes = f" ({sum(counts):,} changes)" if inputs and len(counts) == len(inputs) else ""
    return f"{names}{others}{changes}"


# Errors of SQLite


@contextmanager
def _told(path: Path, what: str) -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigurationError(f"the journal {path} cannot be {what}: {error}") from None


@contextmanager
def _reading(path: Path) -> Generator[None, None, None]:
    """Tell also of what was read and can be none of ours."""
    try:
        with _told(path, "read"):
            yield
    except ConfigurationError:
        raise
    except (ValueError, TypeError, LookupError) as error:
        raise ConfigurationError(f"the journal {path} is damaged: {error}") from None


def _code(error: sqlite3.Error) -> int:
    """What kind of error it is; the finer kinds are in the higher bits."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) == sqlite3.SQLITE_BUSY


# Rows


def _plain(text: str) -> str:
    """Text that SQLite can hold: lone surrogates are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def _time(value: Any) -> float:
    if not 0 <= (at := float(value)) < _END_OF_TIME:
        raise ValueError(f"{at} is not a time")
    return at


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _marked(mark: Mark | WorkItem) -> tuple[object, ...]:
    change, op, record = mark.change, None, None
    if change is not None:
        op, members = change.op, change.record()
        members.pop("attributes", None)
        record = _text_of(members)
    file = None if mark.file is None else _plain(mark.file)
    return mark.number, mark.line, file, mark.digest, op, mark.request_id, mark.started, record


def _text_of(members: dict[str, JSON]) -> str:
    body = fastjson.write(members, sys.maxsize)
    return encode_record(members) if body is None else body.decode()


def _done(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.outcome.value,
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.number,
    )


def _stands(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.error,
        None if outcome.message is None else _plain(outcome.message[:MAX_MESSAGE]),
        outcome.number,
    )


def _in_full(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.number,
        outcome.line,
        None if outcome.file is None else _plain(outcome.file),
        None if outcome.change is None else outcome.change.op,
        outcome.outcome.value,
        outcome.attempts,
        outcome.started,
        outcome.elapsed,
        outcome.status,
        outcome.request_id,
        outcome.error,
        None if outcome.message is None else _plain(outcome.message[:MAX_MESSAGE]),
        *_full_record(outcome),
    )


def _full_record(outcome: Outcome) -> tuple[str, str | None]:
    """All that is needed to make the change again: its record, and its attributes apart, to be dropped once made."""
    record = source_record(outcome)
    if outcome.change is None:
        return encode_record(record), None
    members = dict(cast(dict[str, JSON], record))
    attributes = members.pop("attributes", None)
    try:
        return encode_record(members), None if attributes is None else encode_shown(attributes).decode()
    except InvalidRequestError:
        return encode_record(record), None


def _row(values: tuple[Any, ...], is_running: bool) -> Row:
    number, line, file, is_open, outcome, attempts, started, elapsed, status, request_id, error, message = values[:12]
    if is_open:
        if is_running or outcome is not None or error is None:
            elapsed, status, error, message = None, None, None, None
        outcome = None
        if not is_running:
            outcome, error, message = OutcomeKind.UNKNOWN, error or INTERRUPTED, message or _UNTOLD
    return Row(
        number=number,
        line=int(line),
        file=_text(file),
        record=_record(*values[12:14]),
        outcome=None if outcome is None else OutcomeKind(outcome),
        attempts=int(attempts),
        started=None if started is None else _time(started),
        elapsed=_seconds(elapsed),
        status=_count(status),
        request_id=_text(request_id),
        error=_text(error),
        message=_text(message),
        waited=_seconds(values[14]) or 0.0,
    )


def _record(record: str | None, attributes: str | None) -> JSON:
    members = None if record is None else decode_json(str(record).encode())
    if attributes is not None and isinstance(members, dict):
        members["attributes"] = decode_json(str(attributes).encode())
    return members
