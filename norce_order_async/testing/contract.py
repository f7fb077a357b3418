"""The API's contract, as the sandbox checks requests against it."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import unquote

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.wire.json import JSON

_MESSAGE_SHOWN = 200


@attrs.frozen(eq=False)
class ContractOperation:
    """One operation of the contract.

    Attributes:
        name: The API's operationId.
        success: The status of its success.
        takes_body: Whether it takes a body at all.
        needs_body: Whether it cannot do without.
    """

    name: str
    success: int
    takes_body: bool
    needs_body: bool
    _validator: Any = attrs.field(repr=False, alias="validator")

    def violation(self, body: JSON) -> str | None:
        """Where and how a request's body breaks the contract, as ``$.path: what is wrong``; None if it doesn't."""
        error = next(self._validator.iter_errors(body), None)
        return error and f"{error.json_path}: {error.message[:_MESSAGE_SHOWN]}"


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
    """

    resources: tuple[Resource, ...]
    names: frozenset[str]

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
        ConfigurationError: The package that checks bodies against it is not installed.
    """
    try:
        from jsonschema import Draft202012Validator  # heavy, and an extra
    except ImportError:
        raise ConfigurationError('the sandbox needs jsonschema: pip install "norce-order-async[sandbox]"') from None
    text = resources.files("norce_order_async.testing").joinpath("contract.json").read_text(encoding="utf-8")
    document = json.loads(text)
    schemas = {name: _as_request(schema) for name, schema in document["schemas"].items()}
    paths: dict[str, dict[str, ContractOperation]] = {}
    for row in document["operations"]:
        request = row["request"]
        paths.setdefault(row["path"], {})[row["method"]] = ContractOperation(
            name=row["operationId"],
            success=row["success"][0],
            takes_body=request is not None,
            needs_body=row["requestRequired"],
            validator=Draft202012Validator({"schemas": schemas, **(request or {})}),
        )
    return Contract(
        tuple(Resource(_pattern(path), operations) for path, operations in paths.items()),
        frozenset(operation.name for operations in paths.values() for operation in operations.values()),
    )


def _as_request(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as it holds for requests: members that only the API writes are neither needed nor looked at."""
    members = schema.get("properties", {})
    written = {name: member for name, member in members.items() if not member.get("readOnly")}
    required = [name for name in schema.get("required", ()) if name in written]
    return schema | {"properties": written, "required": required}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
