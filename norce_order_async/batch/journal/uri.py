"""The address by which SQLite opens a file in a mode."""

import os
from pathlib import PurePath
from urllib.parse import quote_from_bytes


def uri_of(path: PurePath, how: str) -> str:
    """A URI of a file for :func:`sqlite3.connect`, with its parameters, such as ``mode=ro``.

    Nothing of the path stands as it is: SQLite refuses the ``file://server/share`` that :meth:`pathlib.Path.as_uri`
    makes of a network share.
    """
    return f"file:{quote_from_bytes(os.fsencode(path), safe='')}?{how}"
