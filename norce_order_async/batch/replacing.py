"""A file that appears complete or not at all."""

import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of


@contextmanager
def replacing(path: Path, what: str) -> Generator[BinaryIO]:
    """A file to write, which appears complete or not at all; one that exists is replaced and keeps its permissions.

    A new one is its owner's alone, whatever the umask: it holds personal data.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a terminal cannot be replaced
            with path.open("wb") as stream:
                yield stream
            return
        path = path.resolve()
        number, name = mkstemp(dir=path.parent, prefix=f"{path.name[:50]}.", suffix=".part")  # with mode 0600
        part = Path(name)
        try:
            with os.fdopen(number, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if sys.platform != "win32" and path.exists():  # there, all that is kept would be in the way
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the {what} {path} cannot be written: {reason_of(error)}") from None
