"""What signals do to a command: SIGTERM ends it as Ctrl-C does, unless it ends in its own way."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread


def _interrupt(number: int, frame: object) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
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


def end_at_interrupts() -> None:
    """The program is about to end: let Ctrl-C end it at once, where Python would print a traceback."""
    if current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_ending(act: Callable[[], object]) -> None:
    """Have the running event loop call this at each signal that ends a command.

    One that whoever started it has it ignore (nohup, or a script that starts it with ``&``) stays ignored. SIGBREAK is
    what Windows makes of Ctrl-Break and of a console that is closed.
    """
    from asyncio import get_running_loop

    loop = get_running_loop()

    def handle(number: int, frame: object) -> None:
        if loop.is_closed():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(act)

    known = signal.Signals.__members__
    for number in (known[name] for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if name in known):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # the event loops of Windows
            signal.signal(number, handle)
