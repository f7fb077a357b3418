"""Where the files of a journal are, and the address by which SQLite opens one in a mode."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes


def beside(path: Path, suffix: str) -> Path:
    """A file that stands beside the main file, which is where a symbolic link leads to."""
    path = path.resolve()
    return path.with_name(path.name + suffix)


def uri_of(path: PurePath, how: str) -> str:
    """A URI of a file for :func:`sqlite3.connect`, with its parameters, such as ``mode=ro``.

    Nothing of the path stands as it is: SQLite refuses the ``file://server/share`` that :meth:`pathlib.Path.as_uri`
    makes of a network share.
    """
    return f"file:{quote_from_bytes(os.fsencode(path), safe='')}?{how}"
