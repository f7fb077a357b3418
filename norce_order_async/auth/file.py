"""A token in a file."""

import codecs
import math
import os
import stat
from pathlib import Path

import attrs

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.core.checks import check_token
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.logger import logger
from norce_order_async.core.urls import shown_file
from norce_order_async.core.wording import reason_of

_LARGEST = 64 * 1024  # bytes
_LOOK = 1.0
"""Seconds between two looks whether the file has changed."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_Stamp = tuple[int, int, int, int] | None


@attrs.define(eq=False)
class TokenFile(Refreshing):
    """A token from a file, which can be replaced while the client lives.

    The file is read at once. It is read again after a 401, and when it has changed, which is looked at once a second
    at most. Both are done in the event loop: that blocks it for as long as the file system takes, usually some
    microseconds. Where reading again fails, the last token serves on, and the reason is logged at WARNING. What is
    not a regular file, such as a pipe, is read once.

    The file holds the token and nothing else, at most 64 KiB of it, in UTF-8, or in UTF-16 with a byte order mark.
    A byte order mark, and blanks and line breaks around the token, do no harm.

    Attributes:
        path: The file.
        clock: Where time comes from; tests replace it.

    Raises:
        ConfigurationError: The file cannot be read, or holds no token.
    """

    path: Path = attrs.field(converter=Path)
    clock: Clock = attrs.field(factory=SystemClock, kw_only=True, repr=False)
    _token: str = attrs.field(init=False, repr=False)
    _stamp: _Stamp = attrs.field(init=False, repr=False)
    _next_look: float = attrs.field(default=-math.inf, init=False, repr=False)
    _problem: str | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._read()

    async def get(self, *, rejected: str | None = None) -> str:
        """The token that the file holds; ``rejected`` has it read again."""
        now = self.clock.monotonic()
        if self._stamp is not None and (rejected == self._token or (now >= self._next_look and self._has_changed())):
            self._reread()
        if now >= self._next_look:
            self._next_look = now + _LOOK
        return self._token

    def _has_changed(self) -> bool:
        try:
            return _stamp(self.path.stat()) != self._stamp
        except OSError:
            return True  # reading it tells why

    def _reread(self) -> None:
        before = hash(self._token)
        try:
            self._read()
            self._problem = None
            if hash(self._token) != before:
                self._tell_refresh()
        except ConfigurationError as error:
            if self._problem != str(error):
                self._problem = str(error)
                logger.warning("%s; the last token serves on", error)

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                stamp = _stamp(os.fstat(file.fileno()))
                content = file.read(_LARGEST + 1)
        except (OSError, ValueError) as error:
            shown = shown_file(str(self.path))
            raise ConfigurationError(f"the token file cannot be read: {shown!r}: {reason_of(error)}") from None
        self._token = _token_in(content, self.path)
        self._stamp = stamp


def _stamp(status: os.stat_result) -> _Stamp:
    """What differs when a file has changed; None for what can be read only once."""
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _token_in(content: bytes, path: Path) -> str:
    """The token in a file's content. No error holds any of it.

    Raises:
        ConfigurationError: There is none.
    """
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    if len(content) > _LARGEST:
        problem = f"it has more than {_LARGEST} bytes"
    else:
        try:
            return check_token(content.decode(encoding).strip())
        except UnicodeDecodeError:
            problem = "it is not text in UTF-8, or in UTF-16 with a byte order mark"
        except ConfigurationError as error:
            problem = str(error)
    raise ConfigurationError(f"the token file cannot be read: {str(path)!r}: {problem}")
