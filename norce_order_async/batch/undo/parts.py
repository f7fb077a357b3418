"""The parts of an order as JSON, as they were read: pure functions."""

from collections.abc import Mapping, Sequence
from typing import cast

from norce_order_async.core.kinds import kind_of
from norce_order_async.endpoints.comparison import moment
from norce_order_async.wire.json import JSON


class CannotUndo(Exception):
    """Why a change cannot be taken back; its text names ids and members, and no values."""


def part_at(order: Mapping[str, JSON], path: str) -> JSON:
    """The part of an order at a path of members; None where it is not there."""
    value: JSON = order
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return value  # not what it should be, which is found out where it is to go back
        value = value.get(name)
    return value


def members_of(part: JSON, name: str) -> Mapping[str, JSON]:
    """The members of a part; none where it is not there.

    Raises:
        CannotUndo: It is no object.
    """
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise CannotUndo(f"the order's {name} were no object, but {kind_of(part)}")
    return part


def find(parts: JSON, name: str, part_id: str) -> Mapping[str, JSON] | None:
    """The one of several parts that has this id; None where none has.

    Raises:
        CannotUndo: They are no list, or several have it.
    """
    if parts is None:
        return None
    if not isinstance(parts, list):
        raise CannotUndo(f"the order's {name} were no list, but {kind_of(parts)}")
    elements = cast("Sequence[JSON]", parts)
    if not all(isinstance(part, Mapping) for part in elements):
        raise CannotUndo(f"the order's {name} held something else than objects")
    found = [part for part in elements if isinstance(part, Mapping) and part.get("id") == part_id]
    if len(found) > 1:
        raise CannotUndo(f"the order had {len(found)} {name} of the id {part_id}")
    return found[0] if found else None


def is_as_it_was(old: JSON, sent: JSON) -> bool:
    """Whether what is sent is what was read.

    Nulls may be left out, and ids, which the service writes itself where it does not take them. The names of a
    published list may be in other case, because models write them as published.
    """
    if isinstance(old, Mapping):
        return (
            isinstance(sent, Mapping)
            and sent.keys() <= old.keys()
            and all(
                is_as_it_was(value, sent[name]) if name in sent else value is None or name == "id"
                for name, value in old.items()
            )
        )
    if isinstance(old, list):
        return isinstance(sent, list) and len(old) == len(sent) and all(map(is_as_it_was, old, sent))
    if isinstance(old, str) and isinstance(sent, str):
        moments = moment(old), moment(sent)
        return old.casefold() == sent.casefold() or (moments[0] == moments[1] is not None)
    return isinstance(old, bool) is isinstance(sent, bool) and old == sent
