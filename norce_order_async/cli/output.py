"""Standard output and error that may be closed, full, or unread."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path


def tell(text: str) -> None:
    """Print a line on standard error; one that cannot be written ends nothing."""
    if sys.stderr is None:  # print would take standard output instead
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def counted(number: int, what: str) -> str:
    """``1 change``, ``2 changes``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def silence(stream: TextIO | None) -> None:
    """Let what is still to be written to a broken stream go nowhere, also at the end of the program."""
    if stream is not None:
        with suppress(OSError, ValueError):  # closed already
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_same_file(path: "Path", other: "Path") -> bool:
    """Whether both names are of one file, there or not.

    Raises:
        OSError: One of them cannot be looked at.
    """
    return path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other))
