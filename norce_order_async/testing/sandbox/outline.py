"""Requests without their values, which are often personal data or secrets."""

from typing import cast
from urllib.parse import parse_qsl

from norce_order_async.wire.json import WireError, decode_json


def target_outline(target: str) -> str:
    """A path, and the names in its query."""
    path, _, query = target.partition("?")
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    return f"{path}?{'&'.join(names)}" if names else path


def body_outline(body: bytes) -> str:
    """The names in a body, or its size; nothing for an empty one."""
    if not body:
        return ""
    try:
        content = decode_json(body)
    except WireError:
        content = None
    if isinstance(content, dict):
        return f"{{{', '.join(cast('dict[str, object]', content))}}}"
    return f"<{len(body)} bytes>"
