"""A server that misbehaves on purpose: nothing but asyncio's sockets and the bytes that a test tells it to write."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self, cast

from norce_order_async.testing.listening import stop_listening

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_WIDE = 1 << 20  # bytes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def response_bytes(status: int, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an HTTP response; an underscore in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Peer(asyncio.Protocol):
    """One connection, as the origin sees it.

    Attributes:
        received: Every byte that came, whether a handler asked for it or not.
        gone: Set when the client has ended the connection, or it is over.
    """

    _transport: asyncio.Transport
    _handler: asyncio.Task[None]

    def __init__(self, origin: "RawOrigin") -> None:
        self.received = bytearray()
        self.gone = asyncio.Event()
        self._origin = origin
        self._read = 0
        self._news = asyncio.Event()
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handler."""
        self._transport = cast("asyncio.Transport", transport)  # other event loops' streams are not instances of it
        self._origin.joined(self)
        self._handler = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self.received += data
        self._news.set()

    def eof_received(self) -> bool:
        """Note that no more will come; the handler decides when to close."""
        self.gone.set()
        self._news.set()
        return self._origin.plain

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits."""
        self.gone.set()
        self._lost.set()
        self._news.set()

    async def head(self) -> bytes:
        """Wait for the head of the next request and return it, its empty line included.

        Raises:
            EOFError: The connection ended before.
        """
        while (end := self.received.find(b"\r\n\r\n", self._read)) < 0:
            await self.more()
        head = bytes(self.received[self._read : end + 4])
        self._read = end + 4
        return head

    async def request(self) -> bytes:
        """Wait for the next request and return it, its body included.

        Raises:
            EOFError: The connection ended before.
        """
        head = await self.head()
        length = _LENGTH.search(head)
        end = self._read + (int(length[1]) if length else 0)
        while len(self.received) < end:
            await self.more()
        request = head + bytes(self.received[self._read : end])
        self._read = end
        self._origin.requests.append(request)
        return request

    async def end(self) -> None:
        """Wait until the client has closed its side."""
        with suppress(EOFError):
            while True:
                await self.more()

    async def more(self) -> None:
        """Wait until more has come.

        Raises:
            EOFError: The connection has ended.
        """
        if self.gone.is_set():
            raise EOFError
        self._news.clear()
        await self._news.wait()

    def write(self, data: bytes) -> None:
        """Write bytes, at once as far as the socket takes them."""
        self._transport.write(data)

    def pause(self) -> None:
        """Read no further bytes, so that the client's writes pile up."""
        if not self._origin.plain:  # else TLS itself would read on, 256 KiB
            cast("Any", self._transport).set_read_buffer_limits(4096)
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, in larger pieces than a narrow origin takes: what was held back would come in thousands of them."""
        if not self._transport.is_closing():
            plain: socket.socket = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WIDE)
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection in good order."""
        self._transport.close()

    def half_close(self) -> None:
        """End this side of the connection; over TLS, which has no such end, all of it."""
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client has reset it meanwhile
                self._transport.write_eof()
        else:
            self.close()

    def half_close_below_tls(self) -> None:
        """End this side of the connection, without the end that TLS has."""
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as plain:
            plain.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        plain: socket.socket | None = self._transport.get_extra_info("socket")
        with suppress(OSError):  # the client was faster
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def stop(self) -> None:
        """End the handler and the connection."""
        self._handler.cancel()
        await asyncio.wait([self._handler])
        self._transport.abort()
        await self._lost.wait()

    async def _serve(self) -> None:
        with suppress(EOFError):
            await self._origin.serve(self)
        self.close()


Serve = Callable[[Peer], Awaitable[object]]
Line = bytes | None | Serve


class RawOrigin:
    """A TCP server on loopback whose every byte a test decides about.

    ::

        async with RawOrigin(responding(OK, None)) as origin:
            ...  # the first request is answered, the second one's connection is cut

    Args:
        serve: Run for each connection; when it returns, the connection is closed.
        tls: Speak TLS.
        window: The size of the socket's receive buffer, for bodies that must not fit into it.
    """

    _server: asyncio.Server

    def __init__(self, serve: Serve | None = None, *, tls: ssl.SSLContext | None = None, window: int = 0) -> None:
        self.serve = serve or responding(OK)
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []
        self.port = 0
        self._tls = tls
        self._window = window
        self._arrival = asyncio.Event()

    @property
    def url(self) -> str:
        """The origin's address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def plain(self) -> bool:
        """Whether it speaks no TLS."""
        return self._tls is None

    def got(self, *parts: bytes) -> bool:
        """Whether one of these came in over any connection."""
        return any(part in peer.received for peer in self.peers for part in parts)

    def joined(self, peer: Peer) -> None:
        """Take note of a new connection."""
        self.peers.append(peer)
        self._arrival.set()

    async def peer(self, number: int = 0) -> Peer:
        """Wait for a connection, the first one by default."""
        while len(self.peers) <= number:
            self._arrival.clear()
            await self._arrival.wait()
        return self.peers[number]

    async def __aenter__(self) -> Self:
        # With its protocol named, so that event loops switch off Nagle's algorithm: what is written arrives at once.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        try:
            if self._window:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            loop = asyncio.get_running_loop()
            # The backlog holds what a sweep opens and cancels before it could be accepted.
            self._server = await loop.create_server(lambda: Peer(self), sock=listener, ssl=self._tls, backlog=1024)
        except BaseException:
            listener.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for peer in self.peers:
            await peer.stop()


def responding(*script: Line) -> Serve:
    """Answer each request, over whichever connection, with the next line of a script; the last one is repeated.

    A line is the bytes to answer with, None to close the connection instead, or an async function of the peer
    that returns whether the connection goes on.
    """
    lines = list(script)

    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            line = lines.pop(0) if len(lines) > 1 else lines[0]
            if line is None:
                return
            if isinstance(line, bytes):
                peer.write(line)
            elif not await line(peer):
                return

    return serve


class Hole:
    """An address on which connections are neither made nor refused: the queue of its listener is full.

    Args:
        scheme: What its address begins with.

    Attributes:
        works: Whether it is one; some systems take connections beyond the queue.
    """

    def __init__(self, scheme: str) -> None:
        self.works = False
        self._scheme = scheme
        self.port = 0
        self._sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The hole's address."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        self._sockets.append(listener)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self.port = listener.getsockname()[1]
        for _ in range(8):
            plug = socket.socket()
            self._sockets.append(plug)
            plug.setblocking(False)
            try:
                async with asyncio.timeout(0.1):
                    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", self.port))
            except TimeoutError:
                self.works = True
                break
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()
