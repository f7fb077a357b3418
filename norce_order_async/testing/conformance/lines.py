"""What the servers of the tests say, and the requests that they get."""

import asyncio
import socket
from typing import Any, NoReturn

from norce_order_async.core.errors import ConnectionLost
from norce_order_async.core.http import Request
from norce_order_async.testing.conformance.base import (
    BODY_CANARY,
    Promises,
    make_request,
    send_to,
    settle,
)
from norce_order_async.testing.conformance.origin import OK, Hole, Line, Peer, RawOrigin, responding, response_bytes

METHODS = ["GET", "PUT", "DELETE", "POST", "PATCH"]
BODIES = {method: f'{{"{method}":"{BODY_CANARY}"}}'.encode() for method in ("PUT", "POST", "PATCH")}
SHORT = 0.15
"""The time limit of tests in which it has to strike."""
LARGE = bytes(8 * 1024 * 1024)
"""A body that no pair of socket buffers holds."""


async def forever(peer: Peer) -> bool:
    """Say nothing."""
    await peer.end()
    return False


async def no_tls(peer: Peer) -> None:
    """Answer a TLS handshake as a server does that speaks HTTP only."""
    await peer.more()
    peer.write(response_bytes(400, b"plain HTTP only"))
    await peer.end()


async def echo(peer: Peer) -> bool:
    """Answer with the request itself."""
    peer.write(bytes(peer.received))
    return False


async def reset(peer: Peer) -> bool:
    """Cut with a TCP reset."""
    peer.reset()
    return False


def then_close(data: bytes) -> Line:
    """Write these bytes and close."""

    async def line(peer: Peer) -> bool:
        peer.write(data)
        return False

    return line


def then_reset(data: bytes) -> Line:
    """Write these bytes, and cut when they have arrived."""

    async def line(peer: Peer) -> bool:
        peer.write(data)
        await settle()
        peer.reset()
        return False

    return line


def in_pieces(*pieces: bytes, pause: float = 0.0) -> Line:
    """Write these one after the other, so that each arrives alone."""

    async def line(peer: Peer) -> bool:
        for piece in pieces:
            peer.write(piece)
            await settle()
            if pause:
                await asyncio.sleep(pause)
        return True

    return line


def no_host(*_: object, **__: object) -> NoReturn:
    """Look up a host that is not known."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def of(method: str, origin: RawOrigin | Hole, path: str = "/api/v0/checkout/orders/o_123", **more: Any) -> Request:
    """A request of that method, with a body where the method usually has one."""
    return make_request(method, origin.url + path, BODIES.get(method), **more)


async def expect_no_answer(promises: Promises, line: Line, method: str = "GET") -> None:
    """See that what a server says is no response, and that the transport is as good as before."""
    async with promises.origin(responding(line, OK)) as origin:
        transport = promises.open()
        ending = await send_to(origin, transport, of(method, origin))
        assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
        assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"


FAILURES: dict[str, Line] = {
    "closed": None,
    "reset": reset,
    "closed in the head": then_close(b"HTTP/1.1 200 O"),
    "closed after the head": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "reset after the head": then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "truncated": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    "truncated chunks": then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
}

GARBAGE: dict[str, bytes] = {
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": b"\x00\xff" * 100,
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "http/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    "a bad header": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
}
