"""The API's contract, as the sandbox checks requests against it."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import resources
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import unquote

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.wire.json import JSON
from norce_order_async.wire.times import read_time

if TYPE_CHECKING:
    from jsonschema import FormatChecker

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema; its references lead to ``#/schemas/``."""

_MESSAGE_SHOWN = 200
_INTEGER_DIGITS = 20


@attrs.frozen(eq=False)
class Shape:
    """What a body or a query has to look like."""

    schema: Schema
    _schemas: Mapping[str, Schema] = attrs.field(repr=False, alias="schemas")
    _validator: Any = attrs.field(repr=False, alias="validator")

    def normalised(self, value: Any, *, strict: bool) -> Any:
        """A value in the form in which the service keeps it.

        Integers lose a zero fraction, date-times get capitals, and members that only the API writes are left out.
        Unless ``strict``, enumeration values are read regardless of case and a customer without a type is a person.
        """
        return _normalised(value, self.schema, self._schemas, strict)

    def violation(self, value: JSON) -> str | None:
        """Where and how a value breaks the contract, as ``$.path: what is wrong``; None if it doesn't."""
        error = next(self._validator.iter_errors(value), None)
        return error and f"{error.json_path}: {error.message[:_MESSAGE_SHOWN]}"


@attrs.frozen(eq=False)
class ContractOperation:
    """One operation of the contract.

    Attributes:
        name: The API's operationId.
        success: The status of its success.
        body: What its body has to look like; None if it takes none.
        needs_body: Whether it cannot do without.
        query: What its query has to look like, as an object.
    """

    name: str
    success: int
    body: Shape | None
    needs_body: bool
    query: Shape


@attrs.frozen(eq=False)
class Resource:
    """One path of the contract and the operations on it, by their HTTP method."""

    pattern: re.Pattern[str]
    operations: Mapping[str, ContractOperation]


@attrs.frozen(eq=False)
class Contract:
    """All operations of the API.

    Attributes:
        resources: Every path.
        names: Every operationId.
        order: What a stored order looks like.
    """

    resources: tuple[Resource, ...]
    names: frozenset[str]
    order: Shape

    def find(self, path: str) -> tuple[Resource | None, dict[str, str]]:
        """What is at this percent-encoded path (None if the contract has no such path), and the ids in it, decoded."""
        for resource in self.resources:
            if found := resource.pattern.fullmatch(path):
                return resource, {name: unquote(text) for name, text in found.groupdict().items()}
        return None, {}


@cache
def load_contract() -> Contract:
    """Read the contract that this package ships.

    Raises:
        ConfigurationError: The packages that check bodies against it are not installed.
    """
    try:
        from jsonschema import Draft202012Validator, FormatChecker  # heavy, and an extra

        # Without rfc3339-validator, jsonschema has no date-time and would take any text for one.
        formats = FormatChecker(("date-time",))
    except (ImportError, KeyError):
        raise ConfigurationError(
            'the sandbox needs jsonschema and rfc3339-validator: pip install "norce-order-async[sandbox]"'
        ) from None
    _add_formats(formats)
    text = resources.files("norce_order_async.testing").joinpath("contract.json").read_text(encoding="utf-8")
    document = json.loads(text)
    schemas: dict[str, Schema] = document["schemas"]
    checked = {name: _as_request(schema) for name, schema in schemas.items()}

    def shape(schema: Schema, known: Mapping[str, Schema] = checked) -> Shape:
        whole = {"schemas": known, **schema}
        return Shape(schema, schemas, Draft202012Validator(whole, format_checker=formats))

    paths: dict[str, dict[str, ContractOperation]] = {}
    for row in document["operations"]:
        request = row["request"]
        query = {name: document["parameters"][name] for name in row["query"]}
        paths.setdefault(row["path"], {})[row["method"]] = ContractOperation(
            name=row["operationId"],
            success=row["success"][0],
            body=None if request is None else shape(request),
            needs_body=row["requestRequired"],
            query=shape({"type": "object", "properties": query}),
        )
    return Contract(
        tuple(Resource(_pattern(path), operations) for path, operations in paths.items()),
        frozenset(operation.name for operations in paths.values() for operation in operations.values()),
        shape(schemas["Order"], schemas),
    )


def _add_formats(formats: "FormatChecker") -> None:
    """Check the formats that jsonschema does not know, and date-times to their very end."""
    date_time, _ = formats.checkers["date-time"]

    def is_date_time(value: object) -> bool:
        return date_time(value) and not (isinstance(value, str) and value.endswith("\n"))

    def is_int32(value: object) -> bool:
        return not isinstance(value, int) or -(2**31) <= value < 2**31

    def is_double(value: object) -> bool:
        return not isinstance(value, int | Decimal) or isfinite(float(value))

    formats.checks("date-time")(is_date_time)
    formats.checks("int32")(is_int32)
    formats.checks("double", OverflowError)(is_double)


def _as_request(schema: Schema) -> Schema:
    """A schema as it holds for requests: members that only the API writes are neither needed nor looked at."""
    members = schema.get("properties", {})
    written = {name: _anchored(member) for name, member in members.items() if not member.get("readOnly")}
    required = [name for name in schema.get("required", ()) if name in written]
    return {**schema, "properties": written, "required": required}


def _anchored(schema: Schema) -> Schema:
    """Python's ``$`` also matches before a line break at the end; JSON Schema's does not."""
    pattern = schema.get("pattern")
    return {**schema, "pattern": pattern.removesuffix("$") + r"\Z"} if pattern else schema


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _normalised(value: Any, schema: Schema, schemas: Mapping[str, Schema], strict: bool) -> Any:
    name = schema.get("$ref", "").removeprefix("#/schemas/")
    schema = schemas[name] if name else schema
    match value:
        case dict() if members := schema.get("properties"):
            given = cast("dict[str, Any]", value)
            if name == "Customer" and not strict:
                given = {"type": "person"} | given
            return {
                key: _normalised(member, members.get(key, {}), schemas, strict)
                for key, member in given.items()
                if not members.get(key, {}).get("readOnly")
            }
        case list():
            items = cast("Sequence[Any]", value)
            return [_normalised(item, schema.get("items", {}), schemas, strict) for item in items]
        case str() if "enum" in schema and not strict:
            return next((known for known in schema["enum"] if known.lower() == value.lower()), value)
        case str() if schema.get("format") == "date-time" and read_time(value):
            return value.upper()
        case Decimal() if schema.get("type") == "integer" and value.adjusted() < _INTEGER_DIGITS:
            return int(value) if value == value.to_integral_value() else value
        case _:
            return value
