"""What an ASGI server says and hears, for one function that answers requests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from norce_order_async.receiving.replies import Reply

# Any, because each framework has types of its own for the messages.
Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]


class _DisconnectedError(Exception):
    """Whoever sent the request is gone."""


async def serve(answer: Callable[..., Awaitable[Reply]], scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one scope: a request, the server's life, or a WebSocket, which is closed."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    if scope["type"] != "http":
        await send({"type": "websocket.close"})
        return
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    if path == root or path.startswith(f"{root}/"):
        path = path[len(root) :]
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope.get("query_string", b"").decode("latin-1")
    try:
        reply = await answer(scope["method"], path, query, headers, _parts(receive))
    except _DisconnectedError:
        return
    sent = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": sent})
    await send({"type": "http.response.body", "body": reply.body})


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        yield message.get("body", b"")
        more = message.get("more_body", False)
