"""What a member of a model must be to be written: other values would reach the API under wrong names, or be refused."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, cast, get_args, get_origin

from norce_order_async.core.kinds import kind_of, own
from norce_order_async.wire.json import WireError
from norce_order_async.wire.models import Model
from norce_order_async.wire.times import ZONED, read_time


class MemberCheck(NamedTuple):
    """Values of the very types in ``usual`` are written as they are; of others ``check`` raises a WireError if bad."""

    usual: frozenset[type]
    check: Callable[[object], object]


def an(cls: type[Model]) -> str:
    """``a Cart``, ``an Item``."""
    return f"{'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"


def is_sequence(kind: Any) -> bool:
    """Whether a type is a list of any length, as models have it."""
    return get_origin(kind) in (Sequence, list) or (get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,))


def check_of(kind: Any) -> MemberCheck:
    """The check of a member of this type, as a model's field has it. A type that is not known here takes any value."""
    if get_origin(kind) in (Union, UnionType):
        return _union_check(get_args(kind))
    if is_sequence(kind):
        return _list_check(check_of(get_args(kind)[0]))
    if isinstance(kind, type) and issubclass(kind, Model):
        return _model_check(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _KINDS[str]._replace(usual=frozenset({str, kind}))
    return _KINDS.get(cast("object", get_origin(kind) or kind), _ANYTHING)


def _union_check(kinds: Sequence[Any]) -> MemberCheck:
    *others, last = (check_of(kind) for kind in kinds if kind is not NoneType)
    usual = last.usual.union(*(other.usual for other in others), (kind for kind in kinds if kind is NoneType))

    def check(value: object) -> object:
        for other in others:
            with suppress(WireError):
                return other.check(value)
        return last.check(value)

    return MemberCheck(usual, check if others else last.check)


def _model_check(cls: type[Model]) -> MemberCheck:
    def check(value: object) -> None:
        if not isinstance(value, cls):
            text = f"expected {an(cls)}, got {kind_of(value)}"
            raise WireError(f"{text} (from_dict with strict=True makes one)" if isinstance(value, Mapping) else text)

    return MemberCheck(frozenset({cls}), check)


def _list_check(element: MemberCheck) -> MemberCheck:
    def check(values: object) -> None:
        if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
            raise WireError(f"expected a list, got {kind_of(values)}")
        elements = cast("Sequence[object]", values)
        if element.usual.issuperset(map(type, elements)):
            return
        for index, value in enumerate(elements):
            try:
                if type(value) not in element.usual:
                    element.check(value)
            except WireError as error:
                error.inside(index)
                raise

    return MemberCheck(frozenset(), check)


def _kind(wanted: str, fits: Callable[[object], bool], *usual: type) -> MemberCheck:
    def check(value: object) -> None:
        if not fits(value) and not fits(own(value)):
            raise WireError(f"expected {wanted}, got {kind_of(value)}")

    return MemberCheck(frozenset(usual), check)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    match value:  # what is not finite is no number of JSON, which its writer says
        case bool():
            return False
        case float():
            return value.is_integer() or not isfinite(value)
        case Decimal():
            return not value.is_finite() or value == value.to_integral_value()
        case _:
            return isinstance(value, int)


def _is_time(value: object) -> bool:
    if isinstance(value, str):
        if read_time(value) is None:
            raise WireError("text that is no date-time")
        if not ZONED.fullmatch(value):
            raise WireError("text that is no date-time with a time zone, as RFC 3339 has it")
    return isinstance(value, (datetime, str))


_OBJECT = _kind("an object", lambda value: isinstance(value, Mapping), dict)
_KINDS: Final[dict[object, MemberCheck]] = {
    str: _kind("a string", lambda value: isinstance(value, str), str),
    bool: _kind("true or false", lambda value: isinstance(value, bool), bool),
    int: _kind("an integer", _is_whole, int),
    Decimal: _kind("a number", _is_number, int, float, Decimal),
    datetime: _kind("a date-time", _is_time),
    Mapping: _OBJECT,
    dict: _OBJECT,
}
_ANYTHING: Final = _kind("anything", lambda _: True)
