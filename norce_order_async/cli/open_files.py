"""How many files this machine lets the command have open: each connection is one of them."""

import errno
import sys

from norce_order_async.core.errors import CallError, ConfigurationError

_OTHERS = 64
"""Files that may be open beside the connections, such as the input, the journal and the reports."""
_FEWEST_OTHERS = 20
"""So many of them are open in any case."""


def allow_connections(connections: int) -> None:
    """Make room for so many connections.

    Raises:
        ConfigurationError: The system does not allow so many.
    """
    if connections_allowed(connections) < connections:
        raise ConfigurationError(
            f"{connections:,} connections need {connections + _FEWEST_OTHERS:,} open files, and this machine allows "
            "fewer to the command: raise the limit (ulimit -n), or lower --concurrency"
        )


def connections_allowed(most: int) -> int:
    """How many connections there is room for, up to ``most``.

    The limit of open files, of this process and those it starts, is raised for them as far as the system allows.
    """
    if sys.platform == "win32":
        return most
    import resource

    wanted = most + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return most
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        wanted = soft
    return min(most, wanted - _FEWEST_OTHERS)


def advice_for_open_files(error: CallError) -> str | None:
    """What to do about an error for want of open files; None for any other."""
    if getattr(error.__cause__, "errno", None) != errno.EMFILE:
        return None
    return "This machine lets the command have no more files open: raise the limit (ulimit -n), or lower --concurrency."
