"""The journal of a batch: what was begun and what became of it, so that a run that was killed can be continued."""

from norce_order_async.batch.journal.errors import JournalBusy
from norce_order_async.batch.journal.files import discard
from norce_order_async.batch.journal.reader import EmptyJournal, JournalReader
from norce_order_async.batch.journal.records import (
    INTERRUPTED,
    JournalRun,
    JournalSample,
    State,
    check_same,
    digest_of,
    is_wanted,
)
from norce_order_async.batch.journal.writer import Journal

__all__ = [
    "INTERRUPTED",
    "EmptyJournal",
    "Journal",
    "JournalBusy",
    "JournalReader",
    "JournalRun",
    "JournalSample",
    "State",
    "check_same",
    "digest_of",
    "discard",
    "is_wanted",
]
