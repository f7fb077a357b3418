"""Starting processes that Ctrl-C does not reach."""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import local


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
