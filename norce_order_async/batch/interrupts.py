"""Starting processes that Ctrl-C does not reach."""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def interrupts_held() -> Generator[None]:
    """Hold Ctrl-C back: a process that starts meanwhile never gets it, and ends when this one ends it."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
