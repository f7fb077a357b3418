"""Starting processes of Python: whether that can be, and so that Ctrl-C does not reach them."""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from shutil import which
from threading import local

from norce_order_async.core.errors import ConfigurationError


def check_can_start_python(name: str) -> None:
    """See that ``sys.executable`` is there and is Python, and not a program that was frozen with its own.

    Raises:
        ConfigurationError: It isn't.
    """
    if getattr(sys, "frozen", False):
        raise ConfigurationError(f"{name} starts Python, which a frozen program cannot: install the package instead")
    if which(sys.executable or "") is None:
        raise ConfigurationError(f"for {name}, sys.executable has to be Python, and {sys.executable!r} cannot be run")


class _Holds(local):
    """How often this thread holds Ctrl-C back, and what it held back before."""

    def __init__(self) -> None:
        self.count = 0
        self.before: set[int] = set()


_holds = _Holds()


@contextmanager
def interrupts_held() -> Generator[None]:
    """Hold Ctrl-C back: a process that starts meanwhile never gets it, and ends when this one ends it.

    Tasks of one event loop may hold it back at once, and end in any order.
    """
    if sys.platform == "win32":
        yield
        return
    if not _holds.count:
        _holds.before = set(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}))
    _holds.count += 1
    try:
        yield
    finally:
        _holds.count -= 1
        if not _holds.count:
            signal.pthread_sigmask(signal.SIG_SETMASK, _holds.before)
