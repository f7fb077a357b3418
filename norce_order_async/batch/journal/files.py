"""The file of a journal: made, looked at before a run, and deleted."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.journal.errors import telling
from norce_order_async.batch.journal.identity import check_identity
from norce_order_async.batch.journal.schema import check_sound
from norce_order_async.batch.journal.uri import beside
from norce_order_async.batch.journal.wal import check_whole, open_to_read
from norce_order_async.core.errors import ConfigurationError


def discard(path: Path) -> None:
    """Delete a journal, and the symbolic link to it, if ``path`` is one.

    Raises:
        ConfigurationError: It is in use by a run, isn't a journal, or cannot be deleted.
    """
    look_at(path)
    with telling(path, "deleted"), closing(lock.hold(path)):
        for file in (*(beside(path, suffix) for suffix in ("", "-wal", "-shm")), path):
            file.unlink(missing_ok=True)


def create_file(path: Path) -> None:
    """Make an empty file where there is none, because the operating system tells better than SQLite why it can't.

    It is its owner's alone, whatever the umask: a journal holds personal data. SQLite gives the files beside a
    database the permissions of the database.
    """
    with telling(path, "written"):
        try:
            lock.touch(path, 0o600)
        except FileExistsError:
            if not path.is_file():
                raise ConfigurationError(f"the journal {path} is not a file") from None


def look_at(path: Path, inputs: Sequence[InputFile] | None = None, target: str = "") -> int:
    """The version of a journal, which is left as it is; with ``inputs``, see also that a run of them may go on with it.

    Raises:
        ConfigurationError: It may not.
    """
    with ExitStack() as stack:
        db, version = open_to_read(path, stack)
        if version and inputs is not None:
            with telling(path, "read"):
                check_sound(path, db)
                check_whole(path, db, version)
            check_identity(JournalAccount(path, db, version), inputs, target)
        return version
