"""A file that is read, and the errors that name it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import BinaryIO

import attrs

from norce_order_async.batch.files.entry import ContentError, CutError, Format
from norce_order_async.batch.files.opening import open_file, open_seekable, shown_name, unreadable
from norce_order_async.core.errors import ConfigurationError

Note = Callable[[bytes], object]
_SOUGHT_IN = frozenset({"xlsx", "parquet"})
"""The formats that are not read from their beginning to their end."""


@attrs.define
class Source:
    """A file as its format's module reads it.

    Attributes:
        path: Its name.
        format: Its format.
        note: What gets all its bytes as they are stored.
        file: What the entries call it.
        checksums: Whether it can be read only once: its lines get checksums, and may have been cut.
        unread: Whether what its lines mean may be left to whoever makes them.
        line: The last line that was read, for the error of a file that cannot be read beyond it.
    """

    path: str
    format: Format
    note: Note | None = None
    file: str | None = None
    checksums: bool = False
    unread: bool = False
    line: int = 0

    @contextmanager
    def open(self) -> Generator[BinaryIO]:
        """Its bytes, unpacked.

        Raises:
            ConfigurationError: It cannot be opened, or what was read of it made a ContentError, CutError or OSError.
        """
        try:
            with (open_seekable if self.format in _SOUGHT_IN else open_file)(self.path, self.note) as stream:
                yield stream
        except CutError as error:
            raise ConfigurationError(
                f"{shown_name(self.path)} ended inside line {error}: nothing of that line is made. "
                "Give the whole input again"
            ) from None
        except ContentError as error:
            raise ConfigurationError(f"{shown_name(self.path)}: {error}") from None
        except OSError as error:
            raise unreadable(self.path, error, self.line) from None
