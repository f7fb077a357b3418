"""SIGTERM ends a command as Ctrl-C does."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import current_thread, main_thread


def _interrupt(number: int, frame: object) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def sigterm_as_sigint() -> Generator[None]:
    """Have SIGTERM end a command as Ctrl-C does: calls are cancelled, connections closed."""
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
