"""Checks of the arguments that endpoint functions take; each raises before anything is sent, and names the argument."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar, cast

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import exact, kind_of, own
from norce_order_async.wire.json import WireError, decode_json
from norce_order_async.wire.times import time_text

E = TypeVar("E", bound=StrEnum)
_INT32 = 2**31 - 1
surrogate_in = re.compile("[\ud800-\udfff]").search
"""Finds a lone surrogate, which UTF-8 cannot hold."""


def text(name: str, value: object) -> str:
    """Return ``value`` if it is text that can be written.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It holds a lone surrogate.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {kind_of(value)}")
    if surrogate_in(value):
        raise InvalidRequestError(f"{name} holds a lone surrogate, which cannot be sent")
    return exact(value)


def texts(name: str, value: object) -> Sequence[str]:
    """Return ``value``, one text or several, as a list.

    Raises:
        TypeError: It is neither.
        InvalidRequestError: There is none, or one that cannot be sent. (An empty filter would find everything.)
    """
    if isinstance(value, str):
        return [text(name, value)]
    if not _are_several(value):
        raise TypeError(f"{name} must be a list of texts, got {kind_of(value)}")
    given = [text(f"{name}[{index}]", each) for index, each in enumerate(cast("Collection[object]", value))]
    if not given:
        raise InvalidRequestError(f"{name} is empty")
    return given


def _are_several(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, Mapping)


def count(name: str, value: object) -> int:
    """Return ``value`` if it is a whole number of at least 0 that fits into 32 bits.

    Raises:
        TypeError: It is no int.
        InvalidRequestError: It is out of range.
    """
    number = own(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an int, got {kind_of(value)}")
    if not 0 <= number <= _INT32:
        raise InvalidRequestError(f"{name} must be from 0 to {_INT32}, got {number}")
    return number


def time(name: str, value: object) -> str:
    """Return a date-time as it is sent.

    Raises:
        TypeError: It is no datetime.
        InvalidRequestError: It has no time zone.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, got {kind_of(value)}")
    if (sent := time_text(value)) is None:
        raise InvalidRequestError(f"{name} needs a time zone")
    return sent


def json_text(name: str, value: object) -> None:
    """Check text that has to be JSON; None is none.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It is not JSON.
    """
    if value is None:
        return
    try:
        decode_json(text(name, value).encode())
        return
    except WireError:
        problem = f"{name} is not JSON"  # what is wrong with it would show some of it
    raise InvalidRequestError(problem)


def member(name: str, value: object, kind: type[E]) -> E:
    """Return ``value`` as a member of an enumeration; the case of its letters does not matter.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It is none of them.
    """
    wanted = text(name, value).lower()
    for known in kind:
        if known.lower() == wanted:
            return known
    raise InvalidRequestError(f"{name} must be one of {', '.join(kind)}, got {value!r}")


def members(name: str, value: object, kind: type[E]) -> Sequence[E]:
    """Return ``value``, one member of an enumeration or several, as a list of them.

    Raises:
        TypeError: It is neither.
        InvalidRequestError: There is none, or one that the enumeration lacks.
    """
    return [member(name, each, kind) for each in texts(name, value)]
