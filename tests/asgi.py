"""Requests to an ASGI application without a server."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote


async def request(
    app: Any,
    method: str,
    target: str,
    *parts: bytes | float | None,
    headers: Iterable[tuple[str, str]] = (),
    root_path: str = "",
) -> tuple[int, dict[str, str], bytes]:
    """Make a request; its status, headers and body. No answer has the status 0.

    Args:
        parts: Of the body. A number waits so many seconds, None says that the client is gone.
    """
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    coming = iter(parts or (b"",))
    left = len(parts or (b"",))
    status, answered, body = 0, dict[str, str](), b""

    async def receive() -> dict[str, Any]:
        nonlocal left
        for part in coming:
            left -= 1
            if isinstance(part, float):
                await asyncio.sleep(part)
            elif part is None:
                break
            else:
                return {"type": "http.request", "body": part, "more_body": left > 0}
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, answered, body
        if message["type"] == "http.response.start":
            status = message["status"]
            answered = {name.decode().lower(): value.decode() for name, value in message.get("headers", ())}
        else:
            body += message.get("body", b"")

    await app(scope, receive, send)
    return status, answered, body
