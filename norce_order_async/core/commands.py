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
    return " ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    """A word for bash, zsh and ksh; one that a terminal could obey, or that is no text, as ``$'...'``."""
    from shlex import quote

    if text.isprintable():
        return quote(text)
    codes = text.encode("utf-8", "surrogateescape")
    shown = "".join(chr(code) if 0x20 <= code < 0x7F and chr(code) not in "\\'" else f"\\{code:03o}" for code in codes)
    return f"$'{shown}'"
