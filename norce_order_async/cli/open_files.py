"""How many files this machine lets the command have open: each connection is one of them."""

import errno
import sys

from norce_order_async.core.errors import CallError, ConfigurationError

_OTHERS = 64
"""Files that may be open beside the connections, such as the input, the journal and the reports."""
_FEWEST_OTHERS = 20
"""So many of them are open in any case."""


def allow_connections(connections: int) -> None:
    """Raise the limit of open files, for this process and those it starts, where so many connections need that.

    Raises:
        ConfigurationError: The system does not allow so many.
    """
    if sys.platform == "win32":
        return
    import resource

    wanted, needed = connections + _OTHERS, connections + _FEWEST_OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        wanted = soft
    if wanted < needed:
        raise ConfigurationError(
            f"{connections:,} connections need {needed:,} open files, and this machine allows fewer to the command: "
            "raise the limit (ulimit -n), or lower --concurrency"
        )


def advice_for_open_files(error: CallError) -> str | None:
    """What to do about an error for want of open files; None for any other."""
    if getattr(error.__cause__, "errno", None) != errno.EMFILE:
        return None
    return "This machine lets the command have no more files open: raise the limit (ulimit -n), or lower --concurrency."
