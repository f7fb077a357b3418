"""What happened in a simulation, line by line, and a hash of all of it."""

from collections import deque
from hashlib import blake2b


class Trace:
    """Lines of a time, who, and what.

    Args:
        keep: How many of the latest lines are kept; the hash covers all of them.
    """

    def __init__(self, keep: int = 500) -> None:
        self.latest: deque[str] = deque(maxlen=keep)
        self._hash = blake2b(digest_size=16)

    def note(self, now: float, who: str, what: str) -> None:
        """Add a line."""
        line = f"{now:.6f} {who} {what}"
        self.latest.append(line)
        self._hash.update(line.encode())

    def digest(self) -> str:
        """The hash of all lines so far."""
        return self._hash.hexdigest()
