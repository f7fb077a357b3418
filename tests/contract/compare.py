"""What changes from our contract to another one, and where in the package that is."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import norce_order_async
from norce_order_async.endpoints import filters
from norce_order_async.wire import models, schemas, table

PACKAGE = Path(norce_order_async.__file__).parent
FREE = {"type": "object", "additionalProperties": True}
"""The schema that we call Attributes; the name is not Norce's."""


class Difference(NamedTuple):
    """One difference.

    Attributes:
        what: What it is.
        where: Where the package would have to be changed.
    """

    what: str
    where: str


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Difference]:
    """All differences between two contracts in our form, apart from evidence."""
    old = {row["operationId"]: row for row in ours["operations"]}
    new = {row["operationId"]: row for row in theirs["operations"]}
    found: list[Difference] = []
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            found.append(Difference(f"{name} is gone", f"{_file(table)} and {_function(name)}"))
        elif name not in old:
            row = f"{new[name]['method']} {new[name]['path']}"
            where = f"{_file(table)} (a row), a function in {_file(filters).rpartition('/')[0]}/, its export"
            found.append(Difference(f"{name} is new: {row}", where))
        else:
            found += _operation(name, old[name], new[name])
    for member, change in _changes(ours["parameters"], theirs["parameters"]):
        if member in ours["parameters"] and member in theirs["parameters"]:  # what comes and goes is told above
            found.append(Difference(f"query parameter {member} {change}", _file(filters)))
    return found + list(_schemas(ours["schemas"], theirs["schemas"]))


def _operation(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    row = f"{_file(table)}, row {name}"
    for part in ("method", "path", "success"):
        if old[part] != new[part]:
            yield Difference(f"{name}: {part} is {new[part]}, was {old[part]}", row)
    for part, word in (("request", "body"), ("response", "result")):
        if _plain(old[part]) != _plain(new[part]):
            where = f"{row}, and {_function(name)}"
            yield Difference(f"{name}: its {word} is {_told(new[part])}, was {_told(old[part])}", where)
    if old["requestRequired"] != new["requestRequired"]:
        required = "required" if new["requestRequired"] else "not required any more"
        yield Difference(f"{name}: its body is {required}", _function(name))
    if sorted(old["errors"]) != sorted(new["errors"]):
        yield Difference(f"{name}: its errors are {new['errors']}, were {old['errors']}", f"docs of {_function(name)}")
    for member in sorted({*old["query"]} ^ {*new["query"]}):
        change = "is new" if member in new["query"] else "is gone"
        yield Difference(f"{name}: query parameter {member} {change}", f"{row}, and {_file(filters)}")


def _schemas(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in [*old, *(name for name in new if name not in old)]:
        where = f"{_file(getattr(models, name, models))}, class {name}"
        if name not in new and _plain(old[name]) != FREE:
            yield Difference(f"the schema {name} is gone", where)
        elif name not in old:
            yield Difference(f"the schema {name} is new", f"{_file(models)} (a class), its export")
        elif name in new:
            yield from _schema(name, where, old[name], new[name])


def _schema(name: str, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for value in old.get("enum", ()):
        if value not in new.get("enum", ()):
            yield Difference(f"{name}: the value {value} is gone", where)
    for value in new.get("enum", ()):
        if value not in old.get("enum", ()):
            yield Difference(f"{name}: the value {value} is new", where)
    before, after = old.get("properties", {}), new.get("properties", {})
    for member, change in _changes(before, after):
        yield Difference(f"{name}.{member} {change}", where)
    for member in before.keys() & after.keys():
        marks = before[member].get("readOnly", False), after[member].get("readOnly", False)
        if marks[0] != marks[1]:
            mark = "is read-only" if marks[1] else "is not read-only any more"
            yield Difference(f"{name}.{member} {mark}", f"{_file(schemas)}, READ_ONLY")
    for member in sorted({*old.get("required", ())} ^ {*new.get("required", ())}):
        mark = "is required" if member in new.get("required", ()) else "is not required any more"
        yield Difference(f"{name}.{member} {mark}", f"{_file(schemas)}, REQUIRED")


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for member in [*old, *(member for member in new if member not in old)]:
        if member not in new:
            yield member, "is gone"
        elif member not in old:
            yield member, f"is new: {_told(new[member])}"
        elif _plain(old[member]) != _plain(new[member]):
            yield member, f"is {_told(new[member])}, was {_told(old[member])}"


def _plain(schema: Mapping[str, Any] | None) -> Any:
    """A schema without the mark that is compared on its own, and without our name for free members."""
    if schema is None:
        return None
    plain = {name: value for name, value in schema.items() if name != "readOnly"}
    if plain.get("type") == "object" and "properties" not in plain and "additionalProperties" in plain:
        return FREE
    if plain == {"$ref": "#/schemas/Attributes"}:
        return FREE
    return plain | ({"items": _plain(plain["items"])} if "items" in plain else {})


def _told(schema: Mapping[str, Any] | None) -> str:
    """A schema in few words."""
    if schema is None:
        return "nothing"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(map(_told, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"a list of {_told(schema['items'])}"
    details = [f"{name} {schema[name]}" for name in ("format", "pattern", "minLength", "enum") if name in schema]
    return " ".join([str(schema.get("type", "anything")), *details])


def _file(thing: ModuleType | type) -> str:
    path = Path(inspect.getsourcefile(thing) or "")
    return path.relative_to(PACKAGE.parent).as_posix()


def _function(name: str) -> str:
    module, _, function = table.ROWS[name].function.rpartition(".")
    return f"{_file(filters).rpartition('/')[0]}/{module}.py, {function}()"
