"""The contract as an OpenAPI document, for programs that read such documents.

python -m contract_clients.openapi > openapi.json
"""

import json
import re
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

_HEADERS = {"x-merchant": 1, "x-channel": 1, "x-adapterid": 0}
"""Each header of every operation with its least length; those of length 0 may be absent."""


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    text = resources.files("norce_order_async.testing").joinpath("contract.json").read_text(encoding="utf-8")
    contract = json.loads(text.replace("#/schemas/", "#/components/schemas/"))
    paths: dict[str, dict[str, Any]] = {}
    for row in contract["operations"]:
        paths.setdefault(row["path"], {})[row["method"].lower()] = _operation(row, contract["parameters"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Order Management API", "version": "0"},
        "servers": [{"url": "/checkout/order"}],
        "security": [{"Bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": contract["schemas"],
        },
    }


def write(folder: Path) -> Path:
    """Write it into a file of a folder."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    return path


def _operation(row: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
    base_error = {"$ref": "#/components/schemas/BaseError"}
    responses = {str(status): _response(HTTPStatus(status).phrase, base_error) for status in row["errors"]}
    if row["operationId"] == "Validate":
        problems = {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
        responses["400"] = _response("Problems", {"anyOf": [problems, base_error]})
    responses |= {str(status): _response("Done", row["response"]) for status in row["success"]}
    operation: dict[str, Any] = {
        "operationId": row["operationId"],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"\{(\w+)\}", row["path"])
            ),
            *(
                {"name": name, "in": "header", "required": bool(length), "schema": _text_of(length)}
                for name, length in _HEADERS.items()
            ),
            *({"name": name, "in": "query", "schema": query[name]} for name in row["query"]),
        ],
        "responses": responses,
    }
    if row["request"] is not None:
        content = {"application/json": {"schema": row["request"]}}
        operation["requestBody"] = {"required": row["requestRequired"], "content": content}
    return operation


def _text_of(length: int) -> dict[str, Any]:
    return {"type": "string", "minLength": length} if length else {"type": "string"}


def _response(description: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    return {"description": description, **content}


if __name__ == "__main__":
    print(json.dumps(document(), indent=1))
