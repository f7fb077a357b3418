"""The tables of a journal that hold what was there before a batch, and what takes each change back."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs

from norce_order_async.batch.changes import Order
from norce_order_async.batch.journal.errors import reading
from norce_order_async.batch.journal.statements import IS_OPEN
from norce_order_async.batch.journal.tables import plain, text_or_none
from norce_order_async.batch.shown import shown_record
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON, decode_json

_TABLES = (
    "CREATE TABLE old_values (place TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE undo (number INTEGER PRIMARY KEY, place TEXT, whole INTEGER NOT NULL, once INTEGER NOT NULL, "
    "remark TEXT, record TEXT)",
    "CREATE INDEX undo_places ON undo (place) WHERE whole",
)
_DROP = ("DROP TABLE old_values", "DROP TABLE undo")
# What may be on the server: rows without a change are of marks that were taken back.
_STANDS = "(c0.open OR c0.outcome NOT IN ('rejected', 'not_sent'))"
# A later change of the same that is made for sure, after whose undo all is as it was: what takes this one back is not
# needed. One that is unknown may have found nothing to change, and then its undo does neither.
_OVERTAKEN = f"""EXISTS (
    SELECT 1 FROM undo AS u1 JOIN changes AS c1 USING (number)
    WHERE u1.whole AND u1.place = {{0}}.place AND u1.number > {{0}}.number
        AND NOT c1.{IS_OPEN} AND c1.outcome IN ('applied', 'applied_inferred')
        AND (u1.record IS NOT NULL OR u1.remark IS NULL))"""
# Nothing takes this change back, but what takes an earlier one of the same back, which is made after all others,
# leaves it as it was.
_UNDERLAIN = f"""(u0.record IS NULL AND EXISTS (
    SELECT 1 FROM undo AS u3 JOIN changes AS c3 USING (number)
    WHERE u3.whole AND u3.place = u0.place AND u3.number < u0.number AND u3.record IS NOT NULL
        AND (c3.{IS_OPEN} OR c3.outcome NOT IN ('rejected', 'not_sent'))
        AND NOT (u3.once AND (c3.{IS_OPEN} OR c3.outcome = 'unknown'))
        AND NOT {_OVERTAKEN.format("u3")}))"""
# The record deletes what was made anew, and a part with its id was there before the batch: 1 where the batch deleted
# that one first, and can make it again; 0 where it may still have been there.
_REPLACES = f"""CASE WHEN c0.op GLOB 'create_*' AND NOT u0.whole AND u0.record IS NOT NULL THEN EXISTS (
    SELECT 1 FROM undo AS u2 JOIN changes AS c2 USING (number)
    WHERE u2.whole AND u2.place = u0.place AND u2.number < u0.number AND u2.record IS NOT NULL
        AND NOT c2.{IS_OPEN} AND c2.outcome IN ('applied', 'applied_inferred') AND c2.op GLOB 'delete_*') END"""
_ROWS = f"""
    SELECT -u0.number, c0.line, c0.file, CASE WHEN c0.{IS_OPEN} THEN 'unknown' ELSE c0.outcome END, u0.once, u0.remark,
        u0.record, c0.record, {_REPLACES}
    FROM undo AS u0 JOIN changes AS c0 USING (number)
    WHERE u0.number < -? AND {_STANDS} AND (u0.record IS NOT NULL OR u0.remark IS NOT NULL)
        AND NOT {_OVERTAKEN.format("u0")} AND NOT {_UNDERLAIN}
    ORDER BY u0.number DESC
"""


@attrs.frozen(kw_only=True)
class Kept:
    """What is written before a change is sent.

    Attributes:
        number: Its place in the input.
        place: What of which order it is about; None for what can never be taken back.
        is_whole: Whether that is as it was before the batch once the record is made.
        once: Whether the record is of a change that must not be made twice.
        remark: What does not come back, or why nothing does.
        record: The line that takes it back, as JSON.
        old: The key of the part of the order that it changes, and what that was, as JSON, which is None where nobody
            knows any more; nothing where that is written already, or is not needed.
        requests: How many requests that took.
    """

    number: int
    place: str | None = None
    is_whole: bool = False
    once: bool = False
    remark: str | None = None
    record: str | None = attrs.field(default=None, repr=False)
    old: tuple[str, str | None] | None = attrs.field(default=None, repr=False)
    requests: int = 0


@attrs.frozen(kw_only=True)
class UndoRow:
    """What a journal knows of the way back of one change that is made, or may be.

    Attributes:
        number: Its place in the input, from 1.
        line: The line of its file.
        file: The name of its file, when there are several.
        outcome: How it ended; ``unknown`` where that was never written.
        once: Whether the record is of a change that must not be made twice.
        remark: What does not come back, or why nothing does; None where all does.
        record: The line of a batch file that takes it back; None where none can.
        is_doubtful: Whether the record could take off what was there before the batch.
        source: The change itself, without what may be long in it.
    """

    number: int
    line: int
    file: str | None
    outcome: OutcomeKind
    once: bool
    remark: str | None
    record: JSON = attrs.field(repr=shown_record)
    is_doubtful: bool
    source: JSON = attrs.field(repr=shown_record)


def place_of(order: Order, part: str) -> str:
    """The key of a part of an order."""
    return encode_shown([*order, part]).decode()


def begin(db: sqlite3.Connection, path: Path, *, undo: bool) -> None:
    """Make the tables in a new journal, or see that a journal that goes on keeps to what it was begun with.

    Raises:
        ConfigurationError: It does not: then values that the batch itself has written could be taken for old ones.
    """
    if is_kept(db) == undo:
        return
    has_begun = bool(db.execute("SELECT count(*) FROM changes").fetchone()[0])
    if not undo and has_begun:
        raise ConfigurationError(
            f"the journal {path} keeps what was there before (--undo): go on with it in the same way, or choose another"
        )
    if has_begun:
        raise ConfigurationError(
            f"the journal {path} was begun without --undo: what was there before its changes is not known any more. "
            "Go on without it, or choose another journal"
        )
    for statement in _TABLES if undo else _DROP:
        db.execute(statement)


def refuse(values: "OldValues | None") -> None:
    """See that a journal does not keep what was there before, as other processes could not write it in time.

    Raises:
        ConfigurationError: It does.
    """
    if values is not None:
        raise ConfigurationError("a batch that can be taken back (undo) runs in one process: use Batch or run_batch")


def is_kept(db: sqlite3.Connection) -> bool:
    """Whether a journal has the tables."""
    return bool(db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'old_values'").fetchone()[0])


class OldValues:
    """What was there before a batch, in its journal.

    Args:
        path: The journal.
        read: Reads rows.
        pages: Reads many rows, which it begins after the first column of the last one.
        writing: A transaction; None where the journal is only read.
        run: The number of the run.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[..., list[Any]],
        pages: Callable[[str], Iterator[tuple[Any, ...]]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]] | None = None,
        run: int = 0,
    ) -> None:
        self._path = path
        self._read = read
        self._pages = pages
        self._writing = writing
        self._run = run

    def has(self, number: int) -> bool:
        """Whether it is written what takes a change back; it may have been sent then, and cannot have been before."""
        return bool(self._read("SELECT 1 FROM undo WHERE number = ?", number))

    def record_of(self, number: int) -> tuple[JSON] | None:
        """The line that takes a change back, None where none can; None where nothing is written of the change."""
        rows = self._read("SELECT record FROM undo WHERE number = ?", number)
        return (_json(rows[0][0]),) if rows else None

    def find(self, place: str) -> tuple[str | None] | None:
        """What a part of an order was before the batch, as in :class:`Kept`; None where that was not written yet."""
        rows = self._read("SELECT value FROM old_values WHERE place = ?", place)
        return (text_or_none(rows[0][0]),) if rows else None

    def write(self, kept: Sequence[Kept]) -> None:
        """Write down what takes changes back, and what was read for that; it is on the disk afterwards.

        The first value of a part stays.

        Raises:
            ConfigurationError: It cannot be written.
        """
        assert self._writing is not None
        rows = [
            (each.number, each.place, each.is_whole, each.once, each.remark and plain(each.remark), each.record)
            for each in kept
        ]
        old = [each.old for each in kept if each.old is not None]
        requests = sum(each.requests for each in kept)
        with self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO old_values VALUES (?, ?)", old)
            db.executemany("INSERT OR IGNORE INTO undo VALUES (?, ?, ?, ?, ?, ?)", rows)
            if requests:  # of no change: as those of marks that were taken back
                db.execute("UPDATE runs SET withdrawn = withdrawn + ? WHERE number = ?", (requests, self._run))

    def rows(self) -> Iterator[UndoRow]:
        """What takes the batch back, the last change first.

        Left out are changes that are not made, and those of which what takes another one of the same back brings back
        all: a later one, or, where nothing else can, an earlier one.
        """
        for values in self._pages(_ROWS):
            with reading(self._path):
                number, line, file, outcome, once, remark, record, source, replaces = values
                row = UndoRow(
                    number=-int(number),
                    line=int(line),
                    file=text_or_none(file),
                    outcome=OutcomeKind(outcome),
                    once=bool(once),
                    remark=None if replaces else text_or_none(remark),
                    record=_json(record),
                    is_doubtful=replaces == 0,
                    source=_json(source),
                )
            yield row


def _json(text: object) -> JSON:
    return None if text is None else decode_json(str(text).encode())
