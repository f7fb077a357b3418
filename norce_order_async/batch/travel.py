"""What goes from process to process: messages over a pipe, entries, and errors."""

import copy
import pickle
import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

from norce_order_async.batch.changes import Order, Scope, order_of
from norce_order_async.batch.files import InputLine, Meaning, Unread
from norce_order_async.batch.journal import State
from norce_order_async.core.errors import ConfigurationError, NorceOrderError

HEAD = struct.Struct("!I")
"""How many bytes follow."""

Packed = InputLine | tuple[int, str | None, int, Any, Callable[[int, Any], Meaning]]
"""An entry on its way."""
Dealt = tuple[int, Packed, State | None, bool]
"""The number of a line, the line, what an earlier run has done of it, and whether it is made."""


def frame(*message: Any) -> bytes:
    """A message as it goes over a pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(body)) + body


def pack(entry: InputLine) -> Packed:
    """What of an entry goes to whoever makes it; reading a line that is unread is left to them.

    Raises:
        ConfigurationError: Its change is of a class that other processes cannot import.
    """
    if type(entry) is Unread:
        return entry.line, entry.file, entry.size, entry.content, entry.meaning
    kind = type(entry.change)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise ConfigurationError(f"other processes cannot import the class {kind.__qualname__}: put it into a module")
    return entry


def unpack(packed: Packed) -> InputLine:
    """The entry, read."""
    if isinstance(packed, InputLine):
        return packed
    line, file, size, content, meaning = packed
    return InputLine(line, *meaning(line, content), file, size)


def order_of_entry(entry: InputLine, scope: Scope, number: int) -> Order | None:
    """The order of the entry of this line, as :func:`order_of` says it; None for a bad line."""
    if type(entry) is Unread:
        merchant, channel, order_id = entry.order
        return merchant or scope[0], channel or scope[1], order_id
    return None if entry.change is None else order_of(entry.change, scope, number)


def worker_of(order: Order, count: int) -> int:
    """Which of ``count`` workers makes the changes of an order: the same one in each run."""
    # Not hash(): that of text differs from process to process.
    merchant, channel, order_id = order
    return crc32(f"{merchant or ''}\0{channel or ''}\0{order_id}".encode(errors="surrogatepass")) % count


def sendable(error: Exception) -> Exception:
    """An error that any process can read.

    An error is pickled with its cause, and the causes of ours, the HTTP library's errors, may hold the token.
    """
    bare = copy.copy(error) if isinstance(error, NorceOrderError) else RuntimeError(f"{type(error).__name__}: {error}")
    bare.__cause__ = bare.__context__ = bare.__traceback__ = None
    return bare
