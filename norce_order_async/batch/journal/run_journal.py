"""What a running batch needs of a journal, wherever that is."""

from collections.abc import Collection, Sequence
from typing import Protocol

from norce_order_async.batch.journal.records import JournalSample, State
from norce_order_async.batch.journal.run_writer import Rows, Values
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.shapes import Shape

JOURNAL = Shape(
    "a Journal (Journal.open gives one)", ("states", "write", "withdraw", "leave_open", "reopen", "sync", "sample")
)


class RunJournal(Protocol):
    """What a running batch writes down; see :class:`Journal`."""

    has_done: bool
    """Whether an earlier run has made a change."""
    has_inputs: bool
    """Whether it was begun with files: then their digests say what the batch is of."""

    def states(self, first: int, last: int) -> dict[int, State]:
        """Where changes stand."""
        ...

    def write(self, rows: Rows) -> None:
        """Write down what is about to be sent, and what has ended."""
        ...

    def withdraw(self, numbers: Sequence[int], requests: int) -> None:
        """Take back the marks of changes that took so many requests."""
        ...

    def leave_open(self, rows: Sequence[Values]) -> None:
        """Write down how changes stand that are to be continued."""
        ...

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None, *, once: bool) -> None:
        """Open again what has to be made after changes that ended so."""
        ...

    def sync(self) -> None:
        """Have the disk take what is written from now on."""
        ...

    def sample(self, sample: JournalSample) -> None:
        """Write down how fast the batch is."""
        ...
