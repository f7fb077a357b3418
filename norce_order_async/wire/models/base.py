"""What all models share, and how their members are called on the wire."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Any, Final, Never, cast

import attrs

from norce_order_async.core.shown import SHORT, shown_names
from norce_order_async.core.urls import without_secrets
from norce_order_async.wire.json import JSON
from norce_order_async.wire.secrets import names_an_address
from norce_order_async.wire.unread import Unread, find


class _Shown:
    """A text that a repr has as it stands, without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _NotSet(tuple[Never, ...]):
    __slots__ = ()

    def __reduce__(self) -> str:
        return "NOT_SET"  # a copy and an unpickled one are this very object


NOT_SET: Final[Sequence[Never]] = _NotSet()
"""The empty sequence that a list member has while nobody gave it a value; it is not written."""


NOT_MEMBERS: Final = ("extra", "unread")
"""The fields of a model that are no members of the wire's object."""


@attrs.frozen(kw_only=True)
class Model:
    """The base of all models.

    A repr is short: lists of models are counted, of attributes and ``extra`` it has the names, of a ``url`` and of
    ``invoke`` neither the user nor the values of the query, and ``...`` stands for what may be personal data or a
    secret. ``to_json`` writes all of it.

    Attributes:
        extra: Members of the wire's object that the model doesn't know. They are written again, unless the model has
            a value of its own for the same name; so ``extra={"text": None}`` writes a null where one is needed.
        unread: What could not be read of its own members. It is written again where it was, unless the member has a
            value by then; ``attrs.evolve(model, unread=())`` lets go of it. See ``unreadable``.
    """

    extra: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], repr=False)
    unread: Sequence[Unread] = attrs.field(default=(), repr=False)

    @property
    def unreadable(self) -> Mapping[str, JSON]:
        """What could not be read in it and in the models inside: the raw values by their path on the wire.

        Such a member is None, and such an element of a list is left out. So whoever sums sees what is missing::

            {"cart.items[2].quantity": Decimal("1.5"), "shippings[0]": None}
        """
        found: dict[str, JSON] = {}
        for path, model in models_in(self):
            for place, unread, value in unread_in(model, path):
                for index, raw in unread.raws.items():
                    if index is not None:
                        found[f"{place}[{index}]"] = raw
                    elif value is None or value is NOT_SET:
                        found[place] = raw
        return found

    def __repr__(self) -> str:
        given = (f"{name}={value!r}" if name else repr(value) for name, value in self._given())
        return f"{type(self).__name__}({', '.join(given)})"

    def __rich_repr__(self) -> Iterator[Any]:
        return ((name, value) if name else value for name, value in self._given())

    def _given(self) -> Iterator[tuple[str, "Model | _Shown"]]:
        """What was given, by its names: in short, and nothing that may be personal data."""
        hides = False
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if field.name in NOT_MEMBERS or value is None or value is NOT_SET:
                continue
            if field.repr:
                if isinstance(value, str) and names_an_address(field.name):
                    value = without_secrets(value)
                yield field.name, value if isinstance(value, Model) else _Shown(_shown(value))
            else:
                hides = True
        if self.extra:
            yield "extra", _Shown(shown_names(self.extra))
        if self.unread:
            yield "unread", _Shown(str([unread.member for unread in self.unread]))
        if hides:
            yield "", _Shown("...")


def lists_as_tuples(model: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """A transformer of attrs' fields: a list that is given is kept as a tuple, as one that was read is.

    So what nobody can change stays as it is, and is equal to what it is written and read as.
    """
    return [field.evolve(converter=_as_tuple(field)) if field.default is NOT_SET else field for field in fields]


def _as_tuple(field: "attrs.Attribute[Any]") -> Callable[[object], object]:
    def as_tuple(value: object) -> object:
        return tuple(cast("list[object]", value)) if isinstance(value, list) else value

    as_tuple.__annotations__["value"] = field.type  # the model's signature has it from here
    return as_tuple


def _shown(value: object) -> str:
    """A value of a member, in short; of a mapping only the names, as its values may be anything."""
    match value:
        case Enum():
            return repr(value.value)
        case Decimal() | datetime():
            return str(value)
        case Mapping():
            return shown_names(cast("Mapping[str, object]", value))
        case list() | tuple():
            elements = cast("Sequence[object]", value)
            if elements and isinstance(elements[0], Model):
                return f"<{len(elements)} {type(elements[0]).__name__}>"
            return SHORT.repr(elements)
        case _:
            return SHORT.repr(value)


def wire_name(name: str) -> str:
    """What a member of a model is called on the wire."""
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(other.capitalize() for other in others)


def models_in(model: Model, path: str = "") -> Iterator[tuple[str, Model]]:
    """A model and all models inside it, each with its path on the wire, which begins with ``path``."""
    yield path, model
    for field in attrs.fields(type(model)):
        member, value = wire_name(field.name), getattr(model, field.name)
        place = _inside(path, member)
        if isinstance(value, Model):
            yield from models_in(value, place)
        elif isinstance(value, list | tuple):
            unread = find(model.unread, member)
            elements = cast("Sequence[object]", value)
            for index, element in zip(unread.positions() if unread else count(), elements, strict=False):
                if isinstance(element, Model):
                    yield from models_in(element, f"{place}[{index}]")


def unread_in(model: Model, path: str = "") -> Iterator[tuple[str, Unread, object]]:
    """What could not be read of a model's own members, with their paths on the wire and the values that they have."""
    if model.unread:
        for field in attrs.fields(type(model)):
            if (unread := find(model.unread, member := wire_name(field.name))) is not None:
                yield _inside(path, member), unread, getattr(model, field.name)


def misfits_in(model: Model, path: str = "") -> Iterator[str]:
    """What could not be read in a model and those inside it, in words: where on the wire, what is wanted and what came.

    A text that came is not shown: it may be personal data.
    """
    for place, inner in models_in(model, path):
        yield from (_inside(place, unread.problem) for unread in inner.unread)


def unknown_in(model: Model, path: str = "") -> Iterator[str]:
    """The paths on the wire of the members that a model, and those inside it, do not know."""
    for place, inner in models_in(model, path):
        yield from (_inside(place, member) for member in inner.extra)


def slips_in(value: object, path: str = "") -> Iterator[str]:
    """What in models that somebody wrote by hand must be a slip, in words: what does not fit, and unknown members."""
    if isinstance(value, Model):
        yield from misfits_in(value, path)
        yield from (f"{member}: there is no such member" for member in unknown_in(value, path))
    elif isinstance(value, Mapping):
        for name, element in cast("Mapping[str, object]", value).items():
            yield from slips_in(element, _inside(path, name))
    elif isinstance(value, list | tuple):
        for index, element in enumerate(cast("Sequence[object]", value)):
            yield from slips_in(element, f"{path}[{index}]")


def _inside(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member
