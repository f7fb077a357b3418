"""What we keep of an OpenAPI 3.1 file: the form of the package's `testing/contract.json`."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import norce_order_async

CONTRACT = Path(norce_order_async.__file__).parent / "testing" / "contract.json"
METHODS = ("get", "post", "put", "patch", "delete")
KEPT = (
    "$ref", "type", "format", "enum", "pattern", "minLength", "items", "properties", "required", "readOnly",
    "additionalProperties", "anyOf",
)  # fmt: skip
EVIDENCE = ("inferred", "v1_types", "documented")
"""From the weakest to the strongest."""
PARTS = {"path": "path-and-operationId", "request": "request-body", "success": "success", "errors": "errors"}


def ours() -> dict[str, Any]:
    """The contract that the package ships."""
    contract: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return contract


def read(path: Path) -> dict[str, Any]:
    """An OpenAPI file, YAML or JSON, in our form."""
    import yaml

    return reduced(yaml.safe_load(path.read_text(encoding="utf-8")))


def reduced(document: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in our form."""
    operations: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                given = [
                    target(document, each)
                    for each in (*item.get("parameters", ()), *item[method].get("parameters", ()))
                ]
                query = {each["name"]: schema(each["schema"]) for each in given if each["in"] == "query"}
                parameters |= query
                operations.append(operation(document, path, method, item[method], list(query)))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "parameters": parameters,
        "operations": operations,
        "schemas": {name: schema(value) for name, value in document["components"]["schemas"].items()},
    }


def operation(
    document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any], query: Sequence[str]
) -> dict[str, Any]:
    """One operation in our form."""
    responses = {status: target(document, response) for status, response in item["responses"].items()}
    success = [status for status in responses if status.startswith("2")]
    body = target(document, item.get("requestBody", {}))
    marks = item.get("x-evidence", {})
    return {
        "operationId": item["operationId"],
        "method": method.upper(),
        "path": path,
        "request": json_schema(body),
        "requestRequired": body.get("required", False),
        "query": query,
        "success": [int(status) for status in success],
        "response": json_schema(responses[success[0]]) if success else None,
        "errors": [int(status) for status in responses if status.isdigit() and status not in success],
        "evidence": {part: strongest(marks[name]) for part, name in PARTS.items() if name in marks},
    }


def target(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference leads to."""
    while "$ref" in value:
        found: Any = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value


def json_schema(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of a JSON body."""
    media = content.get("content", {}).get("application/json")
    return schema(media["schema"]) if media else None


def schema(value: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without what says nothing about its values, and without ways of writing that come to the same."""
    if len(value.get("allOf", ())) == 1:
        value = {**value["allOf"][0], **value}
    kept = {name: value[name] for name in KEPT if name in value}
    if "$ref" in kept:
        kept["$ref"] = kept["$ref"].replace("#/components/schemas/", "#/schemas/")
    if isinstance(kept.get("type"), list):  # null stands for an absent member
        kept["type"] = next(kind for kind in kept["type"] if kind != "null")
    if "items" in kept:
        kept["items"] = schema(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [schema(each) for each in kept["anyOf"]]
    if "properties" in kept:
        kept["properties"] = {name: schema(each) for name, each in kept["properties"].items()}
    return kept


def strongest(mark: str) -> str | None:
    """The strongest of the sources that a mark names; what stands in parentheses only explains."""
    plain = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", mark)).replace("v1-types", "v1_types")
    return next((name for name in reversed(EVIDENCE) if re.search(rf"\b{name}\b", plain)), None)


def text(contract: Mapping[str, Any]) -> str:
    """Our form as text: one line for what fits into it."""
    return lines(contract, 0) + "\n"


def lines(value: Any, depth: int) -> str:
    """JSON, broken where a line would be longer than 110 characters."""
    short = json.dumps(value, ensure_ascii=False)
    if depth > 1 and (not isinstance(value, dict | list) or len(short) + depth <= 110):
        return short
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        members = [f"{json.dumps(name)}: {lines(each, depth + 1)}" for name, each in given.items()]
        return "{" + inner + f",{inner}".join(members) + outer + "}" if members else "{}"
    if isinstance(value, list):
        elements = [lines(each, depth + 1) for each in value]  # pyright: ignore[reportUnknownVariableType]
        return "[" + inner + f",{inner}".join(elements) + outer + "]" if elements else "[]"
    return short
