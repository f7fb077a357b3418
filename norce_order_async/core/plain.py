"""What an error knows beside its text, as plain JSON values and back: for queues that keep an error's ``args`` only."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs

from norce_order_async.core.outcome import Attempt, OutcomeKind

_BYTES = "latin-1"
"""How bytes stand in JSON, and the name of the only member of the object that holds them."""


def as_plain(members: Mapping[str, object]) -> dict[str, Any]:
    """The members of an error that JSON can hold; what somebody else put on it may be left out."""
    plain: dict[str, Any] = {}
    for name, value in members.items():
        with suppress(TypeError, ValueError, RecursionError):
            plain[name] = json.loads(json.dumps(value, default=_in_place))
    return plain


def from_plain(members: Mapping[str, Any]) -> dict[str, object]:
    """The members that :func:`as_plain` made plain."""
    return {name: _READERS[name](value) if name in _READERS else value for name, value in members.items()}


def _in_place(value: object) -> object:
    if isinstance(value, Attempt):
        return attrs.asdict(value)
    if isinstance(value, bytes):
        return {_BYTES: value.decode(_BYTES)}
    raise TypeError


def _attempts(listed: list[dict[str, Any]]) -> tuple[Attempt, ...]:
    return tuple(Attempt(**members) for members in listed)


def _body(value: str | dict[str, str]) -> str | bytes:
    return value if isinstance(value, str) else value[_BYTES].encode(_BYTES)


_READERS: Mapping[str, Callable[[Any], object]] = {"outcome": OutcomeKind, "attempts": _attempts, "body": _body}
