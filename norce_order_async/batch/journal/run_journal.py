"""What a running batch needs of a journal, wherever that is."""

from collections.abc import Collection, Sequence
from typing import Protocol

from norce_order_async.batch.engine.work_item import WorkItem
from norce_order_async.batch.journal.records import State
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.shapes import Shape

JOURNAL = Shape("a Journal (Journal.open gives one)", ("states", "write", "withdraw", "leave_open", "reopen", "sample"))


class RunJournal(Protocol):
    """What a running batch writes down; see :class:`Journal`."""

    has_done: bool
    """Whether an earlier run has made a change."""
    has_inputs: bool
    """Whether it was begun with files: then their digests say what the batch is of."""

    def states(self, first: int, last: int) -> dict[int, State]:
        """Where changes stand."""
        ...

    def write(self, marks: Sequence[WorkItem], outcomes: Sequence[Outcome], *, once: Collection[int] = ()) -> None:
        """Write down what is about to be sent, what of that at most once, and what has ended."""
        ...

    def withdraw(self, items: Sequence[WorkItem]) -> None:
        """Take back marks."""
        ...

    def leave_open(self, outcomes: Sequence[Outcome]) -> None:
        """Write down how changes stand that are to be continued."""
        ...

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None) -> None:
        """Open again what has to be made after changes that ended so."""
        ...

    def sample(self, *, at: float, concurrency: int, rate: float | None, in_flight: int, reason: str | None) -> None:
        """Write down how fast the batch is."""
        ...
