"""Where the files of a journal are, and the address by which SQLite opens one in a mode."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes


def beside(path: Path, suffix: str) -> Path:
    """A file that stands beside the main file, which is where a symbolic link leads to."""
    path = path.resolve()
    return path.with_name(path.name + suffix)


def is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        OSError: That cannot be seen, for lack of a right, say.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def files_beside(path: Path) -> list[Path]:
    """The files that may stand beside the main file of a journal: those of SQLite, and the lock."""
    return [beside(path, suffix) for suffix in ("-wal", "-shm", "-journal", ".lock")]


def uri_of(path: PurePath, how: str) -> str:
    """A URI of a file for :func:`sqlite3.connect`, with its parameters, such as ``mode=ro``.

    Nothing of the path stands as it is: SQLite refuses the ``file://server/share`` that :meth:`pathlib.Path.as_uri`
    makes of a network share.
    """
    return f"file:{quote_from_bytes(os.fsencode(path), safe='')}?{how}"
