"""What differs between two JSON values, as the operations of a JSON patch: add, replace, remove (RFC 6902)."""

from collections.abc import Iterator, Mapping, Sequence

from norce_order_async.wire.equality import same
from norce_order_async.wire.json import JSON


def operations(before: JSON, after: JSON, path: str = "") -> Iterator[dict[str, JSON]]:
    """The operations that make ``after`` of ``before``, in their order."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_members(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_elements(before, after, path)
    elif not same(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _of_members(before: Mapping[str, JSON], after: Mapping[str, JSON], path: str) -> Iterator[dict[str, JSON]]:
    for name in before:
        if name not in after:
            yield {"op": "remove", "path": f"{path}/{_escaped(name)}"}
    for name, value in after.items():
        place = f"{path}/{_escaped(name)}"
        if name in before:
            yield from operations(before[name], value, place)
        else:
            yield {"op": "add", "path": place, "value": value}


def _of_elements(before: Sequence[JSON], after: Sequence[JSON], path: str) -> Iterator[dict[str, JSON]]:
    start, room = 0, min(len(before), len(after))
    end = 0
    if len(before) != len(after):
        while start < room and same(before[start], after[start]):
            start += 1
        while end < room - start and same(before[-1 - end], after[-1 - end]):
            end += 1
    paired = room - end
    for index in range(start, paired):
        place = f"{path}/{index}"
        if _id(before[index]) != _id(after[index]):
            yield {"op": "replace", "path": place, "value": after[index]}
        else:
            yield from operations(before[index], after[index], place)
    for index in reversed(range(paired, len(before) - end)):
        yield {"op": "remove", "path": f"{path}/{index}"}
    for index in range(paired, len(after) - end):
        yield {"op": "add", "path": f"{path}/{index}", "value": after[index]}


def _id(value: JSON) -> JSON:
    return value.get("id") if isinstance(value, Mapping) else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
