"""Commands that are shown to people."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(words: Sequence[str | Path]) -> str:
    """A command as it is pasted into a POSIX shell, or on Windows into one of its own.

    A file that is a ``Path`` is not taken for an option, whatever its name begins with.
    """
    texts = [
        f".{os.sep}{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words
    ]
    if sys.platform == "win32":
        from subprocess import list2cmdline

        return list2cmdline(texts)
    from shlex import join

    return join(texts)
