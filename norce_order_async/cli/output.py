"""Standard output and error that may be closed, full, or unread."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

from norce_order_async.core.commands import command_line
from norce_order_async.core.wording import reason_of

if TYPE_CHECKING:
    from rich.console import Console

_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def tell(text: str) -> None:
    """Print a line on standard error; one that cannot be written ends nothing."""
    if sys.stderr is None:  # print would take standard output instead
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def shown_command(words: Sequence[str | Path]) -> str:
    """A command that is printed on standard output, as it is pasted into a shell."""
    return command_line(words, getattr(sys.stdout, "encoding", None) or "utf-8")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads what is printed there."""
    return stream is not None and stream.isatty()


def has_rich() -> bool:
    """Whether rich, which draws for terminals, can be imported."""
    with suppress(ImportError):
        import_module("rich")
        return True
    return False


def console(**settings: Any) -> "Console":
    """A console of rich. It takes ``COLUMNS=0`` for a width, and would print nothing."""
    from rich.console import Console

    made = Console(**settings)
    if not made.width:
        made.width = get_terminal_size().columns
    return made


def silence(stream: TextIO | None) -> None:
    """Let what is still to be written to a broken stream go nowhere, also at the end of the program."""
    if stream is not None:
        with suppress(OSError, ValueError):  # closed already
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def described(error: OSError) -> str:
    """What the system says, and of which file; where none is named, it was standard output or the working directory."""
    text = reason_of(error)
    if error.filename is not None:
        return f"{error.filename}: {text}"
    if isinstance(error, FileNotFoundError):
        return "the working directory is gone"
    return f"the output cannot be written: {text}" if error.errno in _OF_WRITES else text


def print_utf8() -> None:
    """Print in UTF-8, as JSON has to be; a pipe or a file gets the system's encoding otherwise."""
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        reconfigure(encoding="utf-8")


def is_reader_gone(error: OSError) -> bool:
    """Whether output could not be written because nobody reads it any more, which Windows calls an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)
