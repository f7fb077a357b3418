"""How many files this machine lets the command have open: each connection is one of them."""

import errno
import sys

from norce_order_async.core.errors import CallError, ConfigurationError

_OTHERS = 64
"""Files that are open beside the connections, such as the input, the journal and the reports."""


def allow_connections(connections: int) -> None:
    """Raise the limit of open files, for this process and those it starts, where so many connections need that.

    Raises:
        ConfigurationError: The system does not allow so many.
    """
    if sys.platform == "win32":
        return
    import resource

    needed = connections + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise ConfigurationError(
            f"{connections:,} connections need {needed:,} open files, and this machine allows fewer to the command: "
            "raise the limit (ulimit -n), or lower --concurrency"
        ) from None


def advice_for_open_files(error: CallError) -> str | None:
    """What to do about an error for want of open files; None for any other."""
    if getattr(error.__cause__, "errno", None) != errno.EMFILE:
        return None
    return "This machine lets the command have no more files open: raise the limit (ulimit -n), or lower --concurrency."
