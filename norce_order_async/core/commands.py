"""Commands that are shown to people."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(words: Sequence[str | Path], encoding: str = "utf-8") -> str:
    """A command as it is pasted into a POSIX shell, or on Windows into one of its own.

    A file that is a ``Path`` is not taken for an option, whatever its name begins with.

    Args:
        words: The command and its arguments.
        encoding: Of what the command is shown in.
    """
    texts = [
        f".{os.sep}{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words
    ]
    if sys.platform == "win32":
        from subprocess import list2cmdline

        return list2cmdline(texts)
    return " ".join(_quoted(text, encoding) for text in texts)


def _quoted(text: str, encoding: str) -> str:
    """A word for bash, zsh and ksh; one that a terminal could obey, that is no text, or not shown, as ``$'...'``."""
    from shlex import quote

    if text.isprintable() and text.encode(encoding, "replace").decode(encoding) == text:
        return quote(text)
    codes = text.encode("utf-8", "surrogateescape")
    shown = "".join(chr(code) if 0x20 <= code < 0x7F and chr(code) not in "\\'" else f"\\{code:03o}" for code in codes)
    return f"$'{shown}'"
