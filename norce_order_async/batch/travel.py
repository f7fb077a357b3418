"""What goes from process to process: messages over a pipe, entries, and errors."""

import copy
import pickle
import struct
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

import attrs

from norce_order_async.batch.changes import Change, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.files import Entry
from norce_order_async.core.errors import NorceOrderError

HEAD = struct.Struct("!I")
"""How many bytes follow."""

_OURS: frozenset[type[Change]] = frozenset({DeleteConsent, PatchAttributes, PatchConsent})

Packed = tuple[Any, ...]
"""An entry as plain values, which cost little to pickle."""


def frame(*message: Any) -> bytes:
    """A message as it goes over a pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(body)) + body


def pack(entry: Entry) -> Packed:
    """An entry as plain values; a change of a class of its own goes as it is."""
    change = entry.change
    kind = type(change)
    if kind not in _OURS:
        return (entry,)
    values = _members(kind)[1](change)
    return kind, values, entry.line, entry.file, entry.size, entry.digest, entry.request_id, entry.redelivered


def unpack(packed: Packed) -> Entry:
    """The entry."""
    if len(packed) == 1:
        entry: Entry = packed[0]
        return entry
    kind, values, line, file, size, digest, request_id, redelivered = packed
    change = kind(**dict(zip(_members(kind)[0], values, strict=True)))
    return Entry(line, change, None, None, file, size, digest, request_id, redelivered)


@cache
def _members(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in attrs.fields(kind))
    return names, attrgetter(*names)


def sendable(error: Exception) -> Exception:
    """An error that any process can read.

    An error is pickled with its cause, and the causes of ours, the HTTP library's errors, may hold the token.
    """
    bare = copy.copy(error) if isinstance(error, NorceOrderError) else RuntimeError(f"{type(error).__name__}: {error}")
    bare.__cause__ = bare.__context__ = bare.__traceback__ = None
    return bare
