"""Commands that are shown to people."""

import sys
from collections.abc import Sequence


def command_line(words: Sequence[str]) -> str:
    """A command as it is pasted into a POSIX shell, or on Windows into one of its own."""
    if sys.platform == "win32":
        from subprocess import list2cmdline

        return list2cmdline(words)
    from shlex import join

    return join(words)
