"""A journal for a batch that makes some of its changes again, and counts these from 1."""

from collections.abc import Collection, Mapping, Sequence

from norce_order_async.batch.journal.records import JournalSample, State
from norce_order_async.batch.journal.run_journal import RunJournal
from norce_order_async.batch.journal.run_writer import Rows, Values
from norce_order_async.core.outcome import OutcomeKind


class RenumberedJournal:
    """What a batch needs of a journal; see :class:`RunJournal`.

    Args:
        journal: Where everything is written.
        numbers: The numbers there, by those of the batch.
    """

    has_inputs = True  # the entries come with their digests

    def __init__(self, journal: RunJournal, numbers: Mapping[int, int]) -> None:
        self.has_done = journal.has_done
        self._journal, self._numbers = journal, numbers

    def states(self, first: int, last: int) -> dict[int, State]:
        """Nothing: whatever is given is made."""
        return {}

    def write(self, rows: Rows) -> None:
        """Write down what is about to be sent, and what has ended."""
        self._journal.write(rows.renumbered(self._numbers))

    def withdraw(self, numbers: Sequence[int], requests: int) -> None:
        """Take back marks: each change is again what it was before."""
        self._journal.withdraw([self._numbers[number] for number in numbers], requests)

    def leave_open(self, rows: Sequence[Values]) -> None:
        """Write down how changes stand that are to be continued."""
        self._journal.leave_open([(*row[:-1], self._numbers[row[-1]]) for row in rows])

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None, *, once: bool) -> None:
        """Nothing: whoever gives the changes gives those that follow them, too."""

    def sync(self) -> None:
        """Have the disk take what is written from now on."""
        self._journal.sync()

    def sample(self, sample: JournalSample) -> None:
        """Write down how fast the batch is."""
        self._journal.sample(sample)
