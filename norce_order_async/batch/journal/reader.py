"""A journal that is only read."""

from contextlib import ExitStack
from pathlib import Path

from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.journal.errors import telling
from norce_order_async.batch.journal.files import look_at
from norce_order_async.batch.journal.uri import beside, is_there
from norce_order_async.batch.journal.wal import check_whole, open_to_read, tidy
from norce_order_async.core.errors import ConfigurationError


class EmptyJournal(ConfigurationError):
    """The run that made the journal was killed before anything was written, and so before anything was sent."""


class JournalReader(JournalAccount):
    """A journal that is only read. It never holds up the run that writes it, and needs no right to write."""

    @classmethod
    def open(cls, path: Path | str) -> "JournalReader":
        """Open a journal.

        Raises:
            EmptyJournal: Nothing was written to it.
            ConfigurationError: There is none, it cannot be read, or its rows stand only in a file that is not there.
        """
        path = Path(path)
        with telling(path, "opened"), ExitStack() as stack:
            if not is_there(path):
                raise ConfigurationError(f"there is no journal {path}")
            is_running = lock.is_held(path)
            if not is_running:
                if not is_there(beside(path, "-journal")):
                    look_at(path)  # what is no journal is left as it is
                tidy(path)
            db, version = open_to_read(path, stack)
            if not version:
                raise EmptyJournal(f"the journal {path} is empty: its run ended before anything was sent")
            if not is_running:
                with telling(path, "read"):
                    check_whole(path, db, version)
            stack.pop_all()
        return cls(path, db, version)
