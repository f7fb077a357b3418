"""The files that a command writes at its end, looked at before it begins."""

import os
from collections.abc import Mapping
from pathlib import Path

from norce_order_async.batch.files import identity_of
from norce_order_async.batch.journal.uri import files_beside
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of


def check_output_file(flag: str, name: str, taken: Mapping[str, str], *, at_the_end: bool = True) -> None:
    """See that a file can be written, and overwrites nothing that is still needed.

    Args:
        flag: What names it.
        name: The file.
        taken: Files that it must not be, each with what it is.
        at_the_end: Whether it is written only then: what is written at once says by itself that it cannot be.

    Raises:
        ConfigurationError: It does, or cannot.
    """
    path = Path(name)
    try:
        for other, what in taken.items():
            if _is_same_file(path, Path(other)):
                raise ConfigurationError(f"{path} is {what}: choose another {flag}")
        folder = path.resolve().parent
        if not path.name or path.is_dir() or not folder.is_dir():
            raise ConfigurationError(f"{flag} {name!r} is not the name of a file in a folder that exists")
        is_special = path.exists() and not path.is_file()
        if at_the_end and not is_special and not os.access(folder, os.W_OK):
            raise ConfigurationError(f"{flag} {name!r}: its folder cannot be written")
    except OSError as error:
        raise ConfigurationError(f"{flag} {name!r}: {reason_of(error)}") from None


def is_standard_input(name: str) -> bool:
    """Whether standard input is read from this file; a terminal, which is read and written, is none."""
    return Path(name).is_file() and identity_of(name) == identity_of("-")


def files_of_journal(name: str) -> dict[str, str]:
    """The files of a journal that must not be overwritten, each with what it is."""
    return {name: "the journal", **{str(file): "a file of the journal" for file in files_beside(Path(name))}}


def _is_same_file(path: Path, other: Path) -> bool:
    """Whether both names are of one file, there or not."""
    return path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other))
