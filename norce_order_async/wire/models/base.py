"""What all models share, and how their members are called on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, Never, cast

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.unread import Unread, find


class _NotSet(tuple[Never, ...]):
    __slots__ = ()

    def __reduce__(self) -> str:
        return "NOT_SET"  # a copy and an unpickled one are this very object


NOT_SET: Final[Sequence[Never]] = _NotSet()
"""The empty sequence that a list member has while nobody gave it a value; it is not written."""


@attrs.frozen(kw_only=True)
class Model:
    """The base of all models.

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
        self._find_unreadable("", found)
        return found

    def _find_unreadable(self, path: str, found: dict[str, JSON]) -> None:
        for field in attrs.fields(type(self)):
            member, value = wire_name(field.name), getattr(self, field.name)
            unread, place = find(self.unread, member), f"{path}{member}"
            if unread is not None:
                for index, raw in unread.raws.items():
                    if index is not None:
                        found[f"{place}[{index}]"] = raw
                    elif value is None or value is NOT_SET:
                        found[place] = raw
            if isinstance(value, Model):
                value._find_unreadable(f"{place}.", found)
            elif isinstance(value, list | tuple):
                elements = cast(Sequence[object], value)
                for index, element in zip(unread.positions() if unread else count(), elements, strict=False):
                    if isinstance(element, Model):
                        element._find_unreadable(f"{place}[{index}].", found)

    def __repr__(self) -> str:
        # Only what was given: most members of most models are None.
        values = ((field.name, getattr(self, field.name)) for field in attrs.fields(type(self)) if field.repr)
        given = [f"{name}={value!r}" for name, value in values if value is not None and value is not NOT_SET]
        given += [f"extra={self.extra!r}"] if self.extra else []
        # Without the raw values: one of them may stand for a member that the repr leaves out.
        given += [f"unread={[unread.member for unread in self.unread]}"] if self.unread else []
        return f"{type(self).__name__}({', '.join(given)})"


def wire_name(name: str) -> str:
    """What a member of a model is called on the wire."""
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(other.capitalize() for other in others)
