"""The latest requests of a sandbox, as text for the report of a test that failed."""

from typing import cast
from urllib.parse import parse_qsl

from norce_order_async.testing.sandbox import Sandbox
from norce_order_async.testing.sandbox.exchange import Received
from norce_order_async.wire.json import WireError, decode_json

_SHOWN = 10
"""Requests."""


def request_log(name: str, sandbox: Sandbox) -> tuple[str, str]:
    """The title and the lines: no header but merchant and channel, and of queries and bodies the names only.

    Reports are kept by those who run the tests for others, and values are often personal data.

    Args:
        name: What the sandbox is called.
        sandbox: Whose requests.
    """
    received = list(sandbox.requests)[-_SHOWN:]
    lines = [_line(each) for each in received] or ["(none)"]
    return f"{name}: the last {len(received)} of {sandbox.count} requests", "\n".join(lines)


def _line(received: Received) -> str:
    path, _, query = received.target.partition("?")
    asked = [each for each, _ in parse_qsl(query, keep_blank_values=True)]
    words = [
        received.method,
        f"{path}?{'&'.join(asked)}" if asked else path,
        f"[{received.headers.get('x-merchant')}/{received.headers.get('x-channel')}]",
        *_body(received.body),
        "->",
        str(received.status or "cut off"),
        "carried out" if received.applied else "not carried out",
    ]
    return " ".join(words)


def _body(body: bytes) -> list[str]:
    if not body:
        return []
    try:
        content = decode_json(body)
    except WireError:
        content = None
    if isinstance(content, dict):
        return [f"{{{', '.join(cast(dict[str, object], content))}}}"]
    return [f"<{len(body)} bytes>"]
