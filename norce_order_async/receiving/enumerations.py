"""Enumerations that arrive as integers: named by a table of the user's, since none is published."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, cast, get_args, get_origin

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.wire.json import JSON
from norce_order_async.wire.models import Model
from norce_order_async.wire.models.base import wire_name

EnumNames = Mapping[type[StrEnum], Mapping[int, str]]
"""What each integer of an enumeration stands for: ``{OrderStatus: {0: "checkout", 1: "processing"}}``."""


def check_enums(enums: object) -> None:
    """Check what a user gives as ``enums``.

    Raises:
        ConfigurationError: It is not None and no :data:`EnumNames`.
    """
    tables = cast("Mapping[object, object]", enums).items() if isinstance(enums, Mapping) else [(enums, None)]
    if enums is not None and not all(_is_enumeration(cls) and isinstance(table, Mapping) for cls, table in tables):
        raise ConfigurationError("enums must be a mapping of classes of StrEnum to mappings of int to str")


def named(value: JSON, cls: Any, names: EnumNames) -> JSON:
    """The JSON of a model with the names in place of the integers that the table has; all else stays."""
    if not isinstance(value, Mapping):
        return value
    members: dict[str, JSON] = {**value}
    for member, kind in _kinds(cls).items():
        if member in members:
            members[member] = _named_member(members[member], kind, names)
    return members


def _named_member(value: JSON, kind: type[Any], names: EnumNames) -> JSON:
    if issubclass(kind, StrEnum):
        return names.get(kind, {}).get(value, value) if type(value) is int else value
    if isinstance(value, list):
        return [named(element, kind, names) for element in value]
    return named(value, kind, names)


@cache
def _kinds(cls: Any) -> Mapping[str, type[Any]]:
    """The members that are an enumeration, a model or a list of models, by their names on the wire."""
    kinds: dict[str, type[Any]] = {}
    for field in attrs.fields(attrs.resolve_types(cls)):
        kind: Any = field.type
        if get_origin(kind) is not Sequence:
            kind = next(iter(get_args(kind)), None)  # of `X | None` or of `Enumeration | str | None`
        kind = get_args(kind)[0] if get_origin(kind) is Sequence else kind
        if isinstance(kind, type) and issubclass(kind, Model | StrEnum):
            kinds[wire_name(field.name)] = kind
    return kinds


def _is_enumeration(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, StrEnum)
