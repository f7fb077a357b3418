"""The logger of the package; it is silent until a program configures logging."""

import logging
import sys
from contextlib import suppress
from pathlib import Path
from traceback import print_exception, walk_tb
from typing import Any, Self


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that raises nothing: what a filter, handler or record factory raises ends no call and no batch.

    It is printed on standard error, as logging itself does: not with ``logging.raiseExceptions = False``.
    """

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log a line."""
        try:
            self.logger.log(level, msg, *args, stacklevel=2, **kwargs)
        except Exception as error:
            if logging.raiseExceptions and sys.stderr is not None:
                with suppress(Exception):  # it may be closed, or hold no such text
                    print(f"--- Logging error ---\nMessage: {msg!r}", file=sys.stderr)
                    print_exception(error, chain=False)  # what is being handled may have a text that is not for the log

    def child(self, name: str) -> Self:
        """The logger of a part of the package."""
        return type(self)(self.logger.getChild(name))


logger = SafeLogger(logging.getLogger("norce_order_async"))
logger.logger.addHandler(logging.NullHandler())
is_enabled_for = logger.logger.isEnabledFor
"""Whether a line of a level is logged. Not the adapter's method: it is asked at each attempt."""


def lines_of(error: BaseException) -> str:
    """The last eight files and lines that a foreign error came through, below the one that caught it, if any.

    Neither its text nor its traceback is for the log: they may hold anything. What only passes a call on is left out.
    """
    frames = [step for step in walk_tb(error.__traceback__) if "__tracebackhide__" not in step[0].f_code.co_varnames]
    lines = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in frames]
    return ", ".join(lines[1:][-8:] or lines)
