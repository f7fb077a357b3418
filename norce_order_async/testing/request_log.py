"""The latest requests of a sandbox, as text for the report of a test that failed."""

from norce_order_async.testing.sandbox import Sandbox
from norce_order_async.testing.sandbox.exchange import ReceivedRequest
from norce_order_async.testing.sandbox.outline import body_outline, target_outline

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


def _line(received: ReceivedRequest) -> str:
    words = [
        received.method,
        target_outline(received.target),
        f"[{received.headers.get('x-merchant')}/{received.headers.get('x-channel')}]",
        body_outline(received.body),
        "->",
        str(received.status or "cut off"),
        "carried out" if received.applied else "not carried out",
    ]
    return " ".join(word for word in words if word)
