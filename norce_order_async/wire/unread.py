"""What was read and doesn't fit its model: kept raw, with its place, to be written back there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

import attrs

from norce_order_async.wire.json import JSON, WireError


@attrs.frozen
class Unread:
    """What could not be read of one member of an object.

    Attributes:
        member: The member's name on the wire.
        raws: The raw values by their index in the array that the member is; under None, the whole member.
        elements: The elements of the array that could be read.
        problem: What is wrong with the first of it, behind its path; it shows no text.
    """

    member: str
    raws: Mapping[int | None, JSON] = attrs.field(repr=False)
    elements: Sequence[object] = attrs.field(default=(), repr=False)
    problem: str = attrs.field(default="", repr=False, eq=False)

    def put_back(self, members: dict[str, object]) -> None:
        """Write it back where it was; a member that was given anew stays.

        Raises:
            WireError: Elements of the array are new before one that could not be read: its place is lost.
        """
        if None in self.raws:
            members.setdefault(self.member, self.raws[None])
        elif isinstance(given := members.get(self.member), Sequence):
            members[self.member] = self._joined(cast("Sequence[object]", given))

    def _joined(self, given: Sequence[object]) -> Sequence[object]:
        before = max(index for index in self.raws if index is not None) + 1 - len(self.raws)
        if len(given) != len(self.elements) and list(given[:before]) != list(self.elements[:before]):
            raise WireError(
                "it holds elements that could not be read, and has others before them now: their place is lost"
            ).inside(self.member)
        return self.among(given)

    def among(self, elements: Sequence[Any]) -> list[Any]:
        """The whole array: the raw values at their places among elements that could be read."""
        rest, size = iter(elements), len(elements) + len(self.raws)
        return [self.raws[index] if index in self.raws else next(rest) for index in range(size)]

    def positions(self) -> Iterator[int]:
        """The indexes in the array of the elements that could be read."""
        return (index for index in count() if index not in self.raws)


class PartlyReadError(WireError):
    """Some elements of an array don't fit.

    Attributes:
        first: What is wrong with the first of them.
        raws: Their raw values, by their index.
        elements: The others.
    """

    def __init__(self, first: WireError, raws: Mapping[int | None, JSON], elements: Sequence[object]) -> None:
        super().__init__(str(first))
        self.first = first
        self.raws = raws
        self.elements = elements


def unread_member(member: str, raw: JSON, error: WireError) -> Unread:
    """What to keep of a member that doesn't fit."""
    if isinstance(error, PartlyReadError):
        return Unread(member, error.raws, error.elements, error.first.under(member))
    return Unread(member, {None: raw}, problem=error.under(member))


def find(unread: Iterable[Unread], member: str) -> Unread | None:
    """What could not be read of a member."""
    return next((each for each in unread if each.member == member), None)
