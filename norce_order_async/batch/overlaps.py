"""The changes of one order in a batch: whose work a look at one of them may see, and which follow it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.engine.schedule import Path, path_of
from norce_order_async.batch.files import InputLine
from norce_order_async.endpoints.findings import COLLECTIONS
from norce_order_async.endpoints.requested import requested
from norce_order_async.wire.json import members_of
from norce_order_async.wire.table import ROWS


@attrs.frozen
class Line:
    """A change of an order of which a change is unknown.

    Attributes:
        number: Its place in the input.
        entry: What was read.
        change: The change.
    """

    number: int
    entry: InputLine
    change: Change


class Overlaps:
    """The changes of one order, by what they are about.

    Args:
        lines: All of them, in the order of the input.
        may_stand: Whether the change of a line, by its number, may be on the server.
    """

    def __init__(self, lines: Sequence[Line], may_stand: Callable[[int], bool]) -> None:
        self.lines = lines
        self._may_stand = may_stand
        self._paths = {line.number: paths_of(line.change) for line in lines}
        self._at, self._inside = defaultdict[Path, list[Line]](list), defaultdict[Path, list[Line]](list)
        self._updates = defaultdict[str, list[Line]](list)
        for line in lines:
            for path in self._paths[line.number]:
                self._at[path].append(line)
                for around in (path, *_around(path)):
                    self._inside[around].append(line)
            if (line.change.operation or "").startswith("Update"):
                self._updates[self._paths[line.number][0][0]].append(line)

    def later(self, line: Line) -> Line | None:
        """A later change of the same that may be on the server."""
        for group in self._meeting(line):
            for other in reversed(group):
                if other.number <= line.number:
                    break
                if self._may_stand(other.number):
                    return other
        return None

    def earlier(self, line: Line) -> Line | None:
        """An earlier change that leaves the same and may be on the server."""
        for group in self._meeting(line):
            for other in group:
                if other.number >= line.number:
                    break
                if _leaves_the_same(line.change, other.change) and self._may_stand(other.number):
                    return other
        return None

    def following(self, numbers: Collection[int]) -> list[Line]:
        """The others that a batch makes after one of these, of which nothing is on the server and that may go again."""
        found, first, around = list[Line](), set[Path](), set[Path]()
        for line in self.lines:
            path = path_of(line.change.resource)
            if line.number in numbers:
                first.add(path)
                around.update((path, *_around(path)))
            elif (
                (path in around or any(outer in first for outer in _around(path)))
                and line.change.not_twice is None
                and not self._may_stand(line.number)
            ):
                found.append(line)
        return found

    def _meeting(self, line: Line) -> Iterator[list[Line]]:
        """The changes whose work may be seen in a look at what one has left, itself among them, in groups."""
        for path in self._paths[line.number]:
            yield self._inside[path]
            yield from (self._at[around] for around in _around(path) if around in self._at)
        if (collection := COLLECTIONS.get(line.change.operation or "")) is not None:
            # A part that is replaced can get the mark of one that is added.
            given = _sent(line.change)
            yield [
                other
                for other in self._updates.get(collection.name, ())
                if all(given.get(mark) == _sent(other.change).get(mark) for mark in collection.marks)
            ]


def _around(path: Path) -> Iterator[Path]:
    """What a path lies in: its beginnings."""
    return (path[:depth] for depth in range(len(path)))


def paths_of(change: Change) -> list[Path]:
    """What a change is about in the order, step by step; what it adds is known by its mark, as it has no id yet."""
    operation = change.operation
    if operation is None:
        return [path_of(change.resource)]
    if operation == "PatchCheckoutOrderConsents":
        return [("consents", consent_id) for consent_id in change.record()["checked"]]
    if operation == "CreateCheckoutOrder":
        return [("orders", str(members_of(_sent(change).get("cart")).get("reference")))]
    if (collection := COLLECTIONS.get(operation)) is not None:
        given = _sent(change)
        return [(collection.name, *(str(given.get(mark)) for mark in collection.marks_of(given)))]
    row = ROWS[operation]
    inside = row.path.partition("{order_id}/")[2].format(**{name: getattr(change, name) for name in row.ids[1:]})
    return [path_of(inside)]


def _sent(change: Change) -> Mapping[str, Any]:
    sent = requested(change)
    return members_of(sent.body if sent is not None else None)


def _leaves_the_same(change: Change, other: Change) -> bool:
    return change == other or change.operation != other.operation or change.operation in COLLECTIONS
