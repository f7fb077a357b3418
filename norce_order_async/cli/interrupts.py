"""What Ctrl-C does to a batch: once it finishes what is in flight, once more it ends at once."""

import os
import time
from collections.abc import Callable
from typing import Protocol

from norce_order_async.cli.signals import on_ending
from norce_order_async.cli.writing import Writing

_TOGETHER = 0.5
"""Seconds in which signals are one: ``timeout``, say, sends its signal to a command and to the command's group."""
_REASON = "interrupted"


class Stoppable(Protocol):
    """What can be ended before it is through."""

    def stop(self, reason: str) -> None:
        """Finish what is under way."""
        ...

    def abort(self, reason: str) -> None:
        """End at once what is under way."""
        ...


class Interrupts:
    """Stops what runs at the first signal that ends a command, and ends it at the second.

    Where nobody reads what is written, the second one ends the process: the journal has all, as after a kill.

    Args:
        running: What runs.
        writing: Writes what is shown.
        note: Shows a line of text.

    Attributes:
        interrupted: Whether a signal came.
        has_ended: Whether what ran has ended, and all that is left is to tell of it.
    """

    def __init__(self, running: Stoppable, writing: Writing, note: Callable[[str], object]) -> None:
        self.interrupted = self.has_ended = False
        self._running, self._writing, self._note = running, writing, note
        self._since = 0.0
        on_ending(self._interrupt)

    def _interrupt(self) -> None:
        if self.interrupted or self.has_ended:
            if time.monotonic() - self._since <= _TOGETHER:
                return
            if self._writing.is_stuck:
                os._exit(130)
            if not self.has_ended:
                self._running.abort(_REASON)
            return
        self.interrupted, self._since = True, time.monotonic()
        self._running.stop(_REASON)
        self._note("Finishing what is in flight; press Ctrl-C again to end at once.")
