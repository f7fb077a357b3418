"""Errors of SQLite as errors of a journal."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of

_NO_LOCKS = frozenset(
    {
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
_HINT = " (its file system may lack locks or shared memory: choose a place on a local disk)"


class JournalBusy(ConfigurationError):
    """Another program holds the lock of the journal's file at this moment."""


@contextmanager
def telling(path: Path, what: str) -> Generator[None]:
    """Raise what SQLite or the operating system raises as an error that names the journal.

    Raises:
        JournalBusy: Another program locks the file.
        ConfigurationError: Any other error.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise journal_error(path, what, error) from None


def journal_error(path: Path, what: str, error: OSError | sqlite3.Error) -> ConfigurationError:
    """What SQLite or the operating system has raised as an error that names the journal."""
    if isinstance(error, OSError):
        return ConfigurationError(f"the journal {path} cannot be {what}: {reason_of(error)}")
    kind = JournalBusy if is_busy(error) else ConfigurationError
    # Where there are no locks, some systems tell of a lock that somebody holds.
    may_lack = getattr(error, "sqlite_errorcode", 0) in _NO_LOCKS or (is_busy(error) and what == "opened")
    hint = _HINT if may_lack else ""
    return kind(f"the journal {path} cannot be {what}: {error}{hint}")


@contextmanager
def reading(path: Path) -> Generator[None]:
    """Tell also of what was read and can be none of ours.

    Raises:
        ConfigurationError: It cannot be read, or is damaged.
    """
    try:
        with telling(path, "read"):
            yield
    except ConfigurationError:
        raise
    except (ValueError, TypeError, LookupError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, why: object) -> ConfigurationError:
    """The error of a journal whose file is not sound."""
    return ConfigurationError(f"the journal {path} is damaged: {why}")


def foreign(path: Path) -> ConfigurationError:
    """The error of a file that is no journal."""
    return ConfigurationError(f"{path} is not a journal of a batch; it is left as it is")


def code_of(error: sqlite3.Error) -> int:
    """What kind of error it is; the finer kinds are in the higher bits."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds a lock."""
    return code_of(error) == sqlite3.SQLITE_BUSY
