"""Whether this program can start processes of Python."""

import sys
from shutil import which

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
