"""What a member of a model must be to be written: other values would reach the API under wrong names, or be refused."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin

from norce_order_async.core.kinds import kind_of, own
from norce_order_async.wire.json import WireError
from norce_order_async.wire.models import Model
from norce_order_async.wire.times import read_time

Check = Callable[[object], None]
"""Raises a WireError for a value that a member cannot have."""


def an(cls: type[Model]) -> str:
    """``a Cart``, ``an Item``."""
    return f"{'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"


def check_of(kind: Any) -> Check:
    """The check of a member of this type, as a model's field has it."""
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]  # of `X | None` or of `Enumeration | str | None`
    if get_origin(kind) is Sequence:
        return _list_check(check_of(get_args(kind)[0]))
    if isinstance(kind, type) and issubclass(kind, Model):
        return _model_check(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        kind = str
    wanted, fits = _KINDS[get_origin(kind) or kind]

    def check(value: object) -> None:
        if not fits(value) and not fits(own(value)):
            raise WireError(f"expected {wanted}, got {kind_of(value)}")

    return check


def _model_check(cls: type[Model]) -> Check:
    def check(value: object) -> None:
        if not isinstance(value, cls):
            hint = " (from_dict makes one)" if isinstance(value, Mapping) else ""
            raise WireError(f"expected {an(cls)}, got {kind_of(value)}{hint}")

    return check


def _list_check(check_element: Check) -> Check:
    def check(values: object) -> None:
        if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
            raise WireError(f"expected a list, got {kind_of(values)}")
        for index, value in enumerate(cast("Sequence[object]", values)):
            try:
                check_element(value)
            except WireError as error:
                error.inside(index)
                raise

    return check


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    match value:
        case bool():
            return False
        case float():
            return value.is_integer()
        case Decimal():
            return value.is_finite() and value == value.to_integral_value()
        case _:
            return isinstance(value, int)


def _is_time(value: object) -> bool:
    return isinstance(value, datetime) or (isinstance(value, str) and read_time(value) is not None)


_KINDS: Final[dict[object, tuple[str, Callable[[object], bool]]]] = {
    str: ("a string", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("an integer", _is_whole),
    Decimal: ("a number", _is_number),
    datetime: ("a date-time", _is_time),
    Mapping: ("an object", lambda value: isinstance(value, Mapping)),
}
"""What a member that is neither a model nor a list must be, in words and as a function, by its type."""
