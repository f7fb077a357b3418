"""Whether a file that is read twice is the same both times."""

import hashlib
from pathlib import Path

from norce_order_async.core.errors import ConfigurationError


class Fingerprint:
    """A file as it was read the first time: its identity, size and time, and the checksum of its content.

    Raises:
        OSError: The file cannot be looked at.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.status = _status(path)
        self._content = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of the content, in hexadecimal."""
        return self._content.hexdigest()

    def note(self, chunk: bytes) -> None:
        """Take in the next bytes of it."""
        self._content.update(chunk)


class Rereading:
    """A file as it is read once more.

    Args:
        first: As it was read the first time.
    """

    def __init__(self, first: Fingerprint) -> None:
        self._first = first
        self._content = hashlib.sha256()

    def note(self, chunk: bytes) -> None:
        """Take in the next bytes of it, before anybody uses them.

        Raises:
            ConfigurationError: The file is not the one that was read first.
        """
        self._content.update(chunk)
        try:
            same = _status(self._first.path) == self._first.status
        except OSError:
            same = False
        if not same:
            raise self._changed()

    def end(self) -> None:
        """See that it was the same from its beginning to its end.

        Raises:
            ConfigurationError: It was not.
        """
        self.note(b"")
        if self._content.hexdigest() != self._first.digest:
            raise self._changed()

    def _changed(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._first.path} was changed while the batch read it: nothing more is sent. What was sent is in the "
            "journal; the lines may be those of the one content or of the other. To go on, put back the content that "
            "it had at first; for the new content, choose another journal"
        )


def _status(path: str) -> tuple[int, int, int, int]:
    """What tells one state of a file from another without reading it."""
    status = Path(path).stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
