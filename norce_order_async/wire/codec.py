"""Models to bytes and back: how the members of :mod:`norce_order_async.wire.models` look on the wire.

Reading is tolerant where the service may differ from its contract (see the models), and never guesses: a member or an
element that doesn't fit is kept as it came and listed by the model; a whole response that doesn't is an error.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.wire.json import JSON, WireError, decimal_text, encode_json, refuse
from norce_order_async.wire.member_checks import check_of, is_sequence
from norce_order_async.wire.models import NOT_SET, Model
from norce_order_async.wire.models.base import NOT_MEMBERS, wire_name
from norce_order_async.wire.times import read_time, time_text
from norce_order_async.wire.unread import PartlyReadError, Unread, unread_member

T = TypeVar("T")
_Reader = Callable[[Any, Any], Any]  # cattrs calls it with the value and the type to make of it
_MAX_DIGITS = 20
_SHOWN_DIGITS = 40

_converter = Converter(detailed_validation=False)


def _subclass_of(base: type) -> Callable[[Any], bool]:
    return lambda cls: isinstance(cls, type) and issubclass(cls, base)


def _generic(*origins: Any) -> Callable[[Any], bool]:
    return lambda cls: get_origin(cls) in origins


def one_level(value: object) -> object:
    """What to write in place of an object that JSON doesn't know: of a model, its members, and in them models again.

    Raises:
        WireError: It is no model, or a member is of another type, or a date-time without a time zone.
    """
    return _converter.unstructure(value) if isinstance(value, Model) else refuse(value)


def encode(value: object, *, root: str = "body", default: Callable[[object], object] = one_level) -> bytes:
    """Write a model, or JSON that may hold models, as compact UTF-8 JSON.

    Args:
        value: What to write.
        root: What the message of an error calls ``value``.
        default: Gives what to write in place of an object that JSON doesn't know.

    Raises:
        InvalidRequestError: Something in it cannot be written (see :func:`~norce_order_async.wire.json.encode_json`),
            a member of a model is of another type, or a date-time has no time zone. The message begins with the path
            to it.
    """
    try:
        return encode_json(value, default=default)
    except WireError as error:
        message = error.under(root)
    raise InvalidRequestError(message)


def encode_shown(value: object, *, default: Callable[[object], object] = one_level) -> bytes:
    """Write what was read, a model or JSON, for people and files.

    Unlike :func:`encode` it takes any size, and writes a lone surrogate, which others can send, as its JSON escape.
    ``default`` gives what to write in place of an object that JSON doesn't know.

    Raises:
        InvalidRequestError: As :func:`encode` otherwise.
    """
    try:
        return encode_json(value, limit=sys.maxsize, default=default, escape_surrogates=True)
    except WireError as error:
        message = str(error)
    raise InvalidRequestError(message)


def structure(value: JSON, cls: type[T]) -> T:
    """Make a model, a list of models (``list[Payment]``), a str ... of what was read.

    What doesn't fit inside a model is listed by its ``unreadable``.

    Raises:
        WireError: It doesn't fit, or an element of a list that is in no model doesn't; the message begins with the path
            to the bad value.
    """
    try:
        return _converter.structure(value, cls)
    except RecursionError:
        raise WireError("nested too deeply") from None


def register(cls: type[T], read: Callable[[Any, type[T]], T]) -> None:
    """Have :func:`structure` make what is no model, too, by a function of the value and the type."""
    _converter.register_structure_hook(cls, read)


def wire_members(cls: object) -> frozenset[str]:
    """The members that a model's object may have on the wire; none of what is no model."""
    if not (isinstance(cls, type) and issubclass(cls, Model)):
        return frozenset()
    return frozenset(wire_name(field.name) for field in attrs.fields(cls) if field.name not in NOT_MEMBERS)


# Writing


@_converter.register_unstructure_hook_factory(_subclass_of(Model))
def _model_writer(cls: type[Model]) -> Callable[[Model], dict[str, object]]:
    """One level deep: the JSON writer comes back for the models inside, so that it knows the path to them."""
    names = [
        (field.name, wire_name(field.name), usual, check, int in usual and float not in usual)
        for field in attrs.fields(attrs.resolve_types(cls))
        if field.name not in NOT_MEMBERS
        for usual, check in [check_of(field.type)]
    ]

    def write(model: Model) -> dict[str, object]:
        members: dict[str, object] = {}
        member = ""
        try:
            for name, member, usual, check, is_whole in names:
                value: object = getattr(model, name)
                if value is None:
                    continue
                if type(value) not in usual:
                    if value is NOT_SET:
                        continue
                    check(value)
                    if isinstance(value, datetime):
                        value = _written_time(value)
                    elif is_whole:
                        value = _written_whole(value)
                members[member] = value
        except WireError as error:
            error.inside(member)
            raise
        for unread in model.unread:
            unread.put_back(members)
        for member, value in model.extra.items():
            members.setdefault(member, value)
        return members

    return write


def _written_whole(value: object) -> object:
    """A float or Decimal without its decimal point; one that no integer member can hold as it is."""
    if not isinstance(value, (float, Decimal)):
        return value
    number = value if isinstance(value, Decimal) else Decimal.from_float(value)  # which no context traps
    return int(number) if number.is_finite() and number.adjusted() < _MAX_DIGITS else value


def _written_time(value: datetime) -> str:
    if (text := time_text(value)) is None:
        raise WireError("a date-time needs a time zone")
    return text


# Reading


@_converter.register_structure_hook_factory(_subclass_of(Model))
def _model_reader(cls: type[Model], converter: Converter) -> _Reader:
    members: dict[str, tuple[str, _Reader]] = {}
    for field in attrs.fields(attrs.resolve_types(cls)):
        if field.name not in NOT_MEMBERS:
            members[wire_name(field.name)] = field.name, converter.get_structure_hook(field.type)

    def read(value: object, _: object) -> Model:
        if not isinstance(value, Mapping):
            raise _unfit("an object", value)
        extra: dict[str, JSON] = {}
        known: dict[str, Any] = {"extra": extra}
        unread: list[Unread] = []
        for member, raw in cast("Mapping[str, JSON]", value).items():
            if member not in members:
                extra[member] = raw
            elif raw is not None:
                name, read_member = members[member]
                try:
                    known[name] = read_member(raw, None)
                except WireError as error:
                    unread.append(unread_member(member, raw, error))
                    if isinstance(error, PartlyReadError):
                        known[name] = error.elements
        if unread:
            # By name, as what is written and read again may have another order.
            known["unread"] = tuple(sorted(unread, key=lambda each: each.member))
        return cls(**known)

    return read


@_converter.register_structure_hook_factory(is_sequence)
def _sequence_reader(cls: Any, converter: Converter) -> _Reader:
    as_list = get_origin(cls) is list
    kind = get_args(cls)[0]

    def read(value: object, _: object) -> Sequence[Any]:
        if not isinstance(value, (list, tuple)):
            raise _unfit("an array", value)
        read_element = converter.get_structure_hook(kind)  # not earlier: an Item holds Items
        elements: list[Any] = []
        raws: dict[int | None, JSON] = {}
        first: WireError | None = None
        for index, element in enumerate(cast("Sequence[JSON]", value)):
            try:
                elements.append(read_element(element, None))
            except WireError as error:
                raws[index] = element
                first = first or error.inside(index)
        if first is not None:
            raise PartlyReadError(first, raws, tuple(elements))
        return elements if as_list else tuple(elements)

    return read


@_converter.register_structure_hook_factory(_generic(dict))
def _dict_reader(cls: Any, converter: Converter) -> _Reader:
    read_element = converter.get_structure_hook(get_args(cls)[1])

    def read(value: object, _: object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, element in _read_mapping(value, None).items():
            try:
                found[name] = read_element(element, None)
            except WireError as error:
                error.inside(name)
                raise
        return found

    return read


@_converter.register_structure_hook_factory(_generic(UnionType, Union))
def _optional_reader(cls: Any, converter: Converter) -> _Reader:
    # Of `X | None` or of `Enumeration | str | None`; nulls are gone by now.
    kind: Any = next(each for each in get_args(cls) if each is not NoneType)
    return _enum_reader(kind) if _subclass_of(StrEnum)(kind) else converter.get_structure_hook(kind)


def _enum_reader(cls: type[StrEnum]) -> _Reader:
    # Norce's own samples write `Person` where the contract has `person`.
    known = {member.lower(): member for member in cls}

    def read(value: object, _: object) -> str:
        if not isinstance(value, str):  # what an integer stands for is published nowhere
            raise _unfit("a string", value)
        return known.get(value.lower(), value)

    return read


def _read_str(value: object, _: object) -> str:
    return value if isinstance(value, str) else decimal_text(_number("a string", value))


def _read_bool(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _unfit("true or false", value)
    return value


def _read_int(value: object, _: object) -> int:
    number = _number("an integer", value)
    # 1E+999999999 is an integer too, but one that fills the memory.
    if number.adjusted() >= _MAX_DIGITS or number != number.to_integral_value():
        raise _unfit("an integer", value)
    return int(number)


def _read_decimal(value: object, _: object) -> Decimal:
    return _number("a number", value)


def _read_time(value: object, _: object) -> datetime:
    if not isinstance(value, str):
        raise _unfit("a date-time", value)
    if (time := read_time(value)) is None:
        raise WireError("expected a date-time, got a string that is none")
    return time


def _read_mapping(value: object, _: object) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise _unfit("an object", value)
    return cast("Mapping[str, JSON]", value)


def _number(wanted: str, value: object) -> Decimal:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number.is_finite():
            return number
    raise _unfit(wanted, value)


def _unfit(wanted: str, value: object) -> WireError:
    """Say what came instead, but not the text of a string: it may be personal data."""
    match value:
        case None:
            got = "null"
        case bool():
            got = str(value).lower()
        case int() | float() | Decimal():
            text = str(value)
            got = text if len(text) <= _SHOWN_DIGITS else f"{text[:_SHOWN_DIGITS]}..."
        case str():
            got = "a string"
        case Mapping():
            got = "an object"
        case list() | tuple():
            got = "an array"
        case _:
            got = kind_of(value)
    return WireError(f"expected {wanted}, got {got}")


_converter.register_structure_hook(str, _read_str)
_converter.register_structure_hook(bool, _read_bool)
_converter.register_structure_hook(int, _read_int)
_converter.register_structure_hook(Decimal, _read_decimal)
_converter.register_structure_hook(datetime, _read_time)
_converter.register_structure_hook_func(_generic(Mapping), _read_mapping)
