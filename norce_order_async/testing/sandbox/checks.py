"""The checks that every request passes before its operation sees it."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from norce_order_async.testing.contract import ContractOperation, Shape
from norce_order_async.testing.sandbox.exchange import Arrival, Ask, Refused
from norce_order_async.testing.sandbox.writing import check_can_be_stored
from norce_order_async.wire.json import JSON, WireError, decode_json

MAX_BODY: Final = 2 * 1024 * 1024
"""How many bytes a request's body may have."""


MAX_HEADER: Final = 8190
"""How many bytes a header, name and value, or a request's path may have: what Apache httpd takes."""

MAX_HEADERS: Final = 100
"""How many headers a request may have."""


def check_request(arrival: Arrival, body: bytes, *, tokens: Collection[str], strict: bool) -> tuple[str, Ask]:
    """Check a whole request; the operationId and what it asks for.

    Raises:
        Refused: Anything that is wrong with it.
    """
    operation, headers = arrival.operation, arrival.headers
    _check_head(arrival)
    if arrival.resource is None:
        raise Refused(404, "unknown-path", "The API has no such path.")
    if operation is None:
        allowed = ", ".join(arrival.resource.operations)
        raise Refused(405, "method-not-allowed", f"This path takes {allowed}.", allow=allowed)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.strip() not in tokens:
        raise Refused(401, "unauthorized", "The bearer token is missing or unknown.", www_authenticate="Bearer")
    for name in ("x-merchant", "x-channel"):
        if not headers.get(name) or not re.fullmatch(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*", headers[name]):
            raise Refused(400, "bad-request", f"The header {name} is missing, empty or not text.")
    query = _query(operation.query, arrival.target.partition("?")[2], strict)
    content = _body(operation, headers.get("content-type", ""), body, strict)
    return operation.name, Ask(headers["x-merchant"], headers["x-channel"], arrival.ids, query, content)


def _check_head(arrival: Arrival) -> None:
    if len(arrival.target) > MAX_HEADER:
        raise Refused(414, "path-too-long", f"The path is longer than {MAX_HEADER} bytes.")
    if len(arrival.headers) > MAX_HEADERS:
        raise Refused(431, "header-too-large", f"There are more than {MAX_HEADERS} headers.")
    for name, value in arrival.headers.items():
        if len(name) + len(value) > MAX_HEADER:
            raise Refused(431, "header-too-large", f"The header {name[:64]} is larger than {MAX_HEADER} bytes.")


def _query(shape: Shape, text: str, strict: bool) -> Mapping[str, Any]:
    """The members of a query that the contract knows."""
    members = shape.schema["properties"]
    query: dict[str, Any] = {}
    for name, texts in parse_qs(text, keep_blank_values=True).items():
        schema = members.get(name, {})
        if schema.get("type") == "array":
            query[name] = texts
        elif schema and len(texts) > 1:
            raise Refused(400, "bad-request", f"$.{name}: is there more than once.")
        elif schema:
            is_number = schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,19}", texts[0])
            query[name] = int(texts[0]) if is_number else texts[0]
    checked: dict[str, Any] = _in_shape(shape, query, strict)
    return checked


def _body(operation: ContractOperation, media_type: str, body: bytes, strict: bool) -> Any:
    """The JSON of a body; None without one."""
    if operation.body is None:
        return None
    if len(body) > MAX_BODY:
        raise Refused(413, "too-large", f"The body is larger than {MAX_BODY} bytes.")
    if not body:
        if operation.needs_body:
            raise Refused(400, "bad-request", "The body is missing.")
        return None
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(400, "bad-request", "The header content-type is not application/json.")
    try:
        content = decode_json(body)
        check_can_be_stored(content)
    except WireError as error:
        raise Refused(400, "bad-request", f"$: {error.args[0]}") from None
    return _in_shape(operation.body, content, strict)


def _in_shape(shape: Shape, value: JSON, strict: bool) -> Any:
    value = shape.normalised(value, strict=strict)
    if violation := shape.violation(value):
        raise Refused(400, "bad-request", violation)
    return value
