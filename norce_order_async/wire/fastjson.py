"""JSON in C, for what comes to the same as in :mod:`norce_order_async.wire.json`; msgspec's where it is installed.

:func:`write` and :func:`read` give None for all else, errors included.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import Any

MAX_DEPTH = 64
"""How many objects and arrays may stand inside each other when written."""

_SHORT = frozenset({int, bool, type(None)})

_standard_write = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_write: Callable[[Any], bytes | str] = _standard_write
unfit: tuple[type[Exception], ...] = (ValueError, ArithmeticError, RecursionError)
"""What the code in C raises for all else."""


def _none(_: bytes) -> None:
    """Nothing is read."""


decode: Callable[[bytes], Any] = _none
""":func:`read` with one call less, for those who catch ``unfit`` themselves."""
with suppress(ImportError):
    import msgspec

    unfit += (msgspec.MsgspecError,)  # no ValueError before msgspec 0.21
    _write = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder(float_hook=Decimal).decode


def write(value: object, limit: int) -> bytes | None:
    """Compact UTF-8 JSON of at most ``limit`` bytes, if ``value`` is plain: of exactly the types that JSON has."""
    if _room(value, limit, MAX_DEPTH) < 0:
        return None
    try:
        body = _write(value)
        if isinstance(body, str):
            body = body.encode()
    except unfit:  # a lone surrogate, or an integer with too many digits
        return None
    return body if len(body) <= limit else None


def read(body: bytes) -> Any:
    """What UTF-8 JSON holds: integers as int, other numbers as Decimal; None also for null."""
    try:
        return decode(body)
    except unfit:
        return None


def _room(value: Any, room: int, depth: int) -> int:
    """What a plain value leaves of ``room`` bytes at most; less than 0 for another one, or one that is too large."""
    kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        return room - len(value)
    if kind in _SHORT:
        return room - 1
    if kind is float:
        return room - 1 if isfinite(value) else -1
    if depth == 0:
        return -1
    if kind is dict:
        for name, member in value.items():
            if type(name) is not str:
                return -1
            # Most members are text: it is counted here, because a call for each would take as long as all the rest.
            room -= len(name)
            room = room - len(member) if type(member) is str else _room(member, room, depth - 1)
            if room < 0:
                break
        return room
    if kind is list or kind is tuple:
        for element in value:
            room = room - len(element) if type(element) is str else _room(element, room, depth - 1)
            if room < 0:
                break
        return room
    return -1
