"""The logger of the package; it is silent until a program configures logging."""

import logging
from pathlib import Path
from traceback import walk_tb

logger = logging.getLogger("norce_order_async")
logger.addHandler(logging.NullHandler())


def lines_of(error: BaseException) -> str:
    """The last eight files and lines that a foreign error came through, below the one that caught it, if any.

    Neither its text nor its traceback is for the log: they may hold anything. What only passes a call on is left out.
    """
    frames = [step for step in walk_tb(error.__traceback__) if "__tracebackhide__" not in step[0].f_code.co_varnames]
    lines = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in frames]
    return ", ".join(lines[1:][-8:] or lines)
