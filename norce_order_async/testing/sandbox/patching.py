"""What a hook answers: the operations of a JSON patch (RFC 6902) that are published, add, replace and remove."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

from norce_order_async.wire.json import JSON
from norce_order_async.wire.read_only import read_only_change

_MISSING: Any = object()


class PatchError(Exception):
    """A patch that cannot be applied; its text says why, without values."""


def checked(value: JSON, target: str | None) -> list[Mapping[str, Any]]:
    """The operations of a hook's answer, if they are some and stay below its target.

    Raises:
        PatchError: They are none.
    """
    if not isinstance(value, list):
        raise PatchError("the answer is no list of operations")
    for operation in value:
        if not isinstance(operation, Mapping) or operation.get("op") not in ("add", "replace", "remove"):
            raise PatchError("an operation is neither add, replace nor remove")
        if operation["op"] != "remove" and "value" not in operation:
            raise PatchError("an operation has no value")
        names = _names(operation.get("path"))
        wanted = registered(target or "")
        if names[: len(wanted)] != wanted:
            raise PatchError("an operation changes what is not below the hook's target")
    return cast("list[Mapping[str, Any]]", value)


def apply(order: dict[str, Any], operations: list[Mapping[str, Any]]) -> None:
    """Change an order in place.

    Raises:
        PatchError: A path leads nowhere, or what only the API writes is changed; the order may be changed in part.
    """
    before = copy.deepcopy(order)
    for operation in operations:
        names = _names(operation["path"])
        holder: Any = order
        for name in names[:-1]:
            holder = _member(holder, name)
        _change(holder, names[-1], operation)
    if (member := read_only_change(before, order)) is not None:
        raise PatchError(f"an operation changes {member}, which only the API writes")


def registered(pointer: str) -> list[str]:
    """The names in a pointer of a registration, with or without slashes at its ends; none are the whole order."""
    inside = pointer.strip("/")
    return _names(f"/{inside}") if inside else []


def at(order: Any, names: Sequence[str], *, into_lists: bool) -> Any:
    """What the names of a JSON pointer lead to; an object of its own kind if that is nothing."""
    try:
        for name in names:
            if _is_list(order) and not into_lists:
                return _MISSING
            order = _member(order, name)
    except PatchError:
        return _MISSING
    return order


def is_there(value: Any) -> bool:
    """Whether :func:`at` found something."""
    return value is not _MISSING


def _change(holder: Any, name: str, operation: Mapping[str, Any]) -> None:
    op, value = operation["op"], copy.deepcopy(operation.get("value"))
    if op != "add":
        _member(holder, name)
    if _is_list(holder):
        index = len(holder) if name == "-" else _index(name, len(holder) + (op == "add"))
        if op == "add":
            holder.insert(index, value)
        elif op == "replace":
            holder[index] = value
        else:
            del holder[index]
    elif not isinstance(holder, dict):
        raise PatchError("a path leads nowhere")
    elif op == "remove":
        del holder[name]
    else:
        holder[name] = value


def _member(holder: Any, name: str) -> Any:
    if _is_list(holder):
        return holder[_index(name, len(holder))]
    if not isinstance(holder, Mapping) or name not in holder:
        raise PatchError("a path leads nowhere")
    return cast("Mapping[str, Any]", holder)[name]


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _index(name: str, count: int) -> int:
    if not (name.isascii() and name.isdigit()) or len(name) > len(str(count)) or int(name) >= count:
        raise PatchError("a path leads nowhere")
    return int(name)


def _names(pointer: Any) -> list[str]:
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise PatchError("a path does not begin with a slash")
    return [name.replace("~1", "/").replace("~0", "~") for name in pointer[1:].split("/")]
