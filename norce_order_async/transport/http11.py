"""One connection that speaks HTTP/1.1, with the parser of httptools (llhttp, which Node.js uses)."""

import asyncio
import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from norce_order_async.core.errors import ConnectionLost, InvalidRequestError, TransportError
from norce_order_async.core.http import AnswerHeaders, Request, Response
from norce_order_async.transport.pools import watch

installed = find_spec("httptools") is not None
"""Whether httptools is there. Its absence is told when a transport is made: not every program needs the extra."""
if TYPE_CHECKING or installed:
    from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MAX_HEAD = 64 * 1024
"""Bytes that may come without any of them being a body's: a head, the trailers, the sizes of chunks."""
_BUFFER = 16 * 1024
"""Bytes that are read at once."""


class Connection(asyncio.BufferedProtocol):
    """A connection; it carries one exchange after another.

    Args:
        open_ones: Where it stands while it is open.
        most: How many bytes of a body are read.
    """

    def __init__(self, open_ones: "set[Connection]", most: int) -> None:
        self._open_ones = open_ones
        self._most = most
        self._parser = HttpResponseParser(self)
        # Ours, because asyncio's own, of 256 KiB, is asked from the system anew for every answer.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._wire: asyncio.Transport | None = None
        self._aborted = False
        self._failure: TransportError | None = None
        self.idle_since = -math.inf
        self._begin(None)

    def _begin(self, waiting: asyncio.Future[None] | None) -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._other = 0
        self._head_ended = self._done = self._reusable = False
        self._waiting = waiting

    # What the transport does with it

    async def exchange(self, request: Request, host: str, target: str) -> Response:
        """Send a request and read its answer.

        Args:
            request: The request.
            host: What the ``Host`` header says.
            target: The path and query.

        Raises:
            TransportError: No complete answer came.
            InvalidRequestError: A header holds a line break; nothing was sent.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._begin(waiting)
        try:
            self._send(request, host, target)
            await waiting
        finally:
            self._waiting = None
        if self._failure is not None:
            raise self._failure
        body, self._body = b"".join(self._body), []
        headers = AnswerHeaders(_texts(self.headers))
        return Response(request, self.status or 0, headers, body[: self._most], len(body) > self._most)

    def _send(self, request: Request, host: str, target: str) -> None:
        # In a frame of its own, so that no traceback of a later failure shows the token.
        if self._wire is None or self._wire.is_closing():
            raise ConnectionLost("the server closed the connection at once", sent=False)
        message = _written(request, host, target)
        if message is None:
            raise InvalidRequestError("a header holds a line break, which would begin another header")
        request.call.mark_sent()
        self._wire.write(message)

    @property
    def reusable(self) -> bool:
        """Whether the whole answer was read, the whole request sent, and nothing more came or will."""
        wire = self._wire
        return self._reusable and wire is not None and not (wire.is_closing() or wire.get_write_buffer_size())

    def stirs(self) -> object:
        """Whether something came between two exchanges; it answers no request of ours."""
        return self._wire is None or self._wire.is_closing() or self._stirs()

    def abort(self) -> None:
        """Close it at once, also if it is only being made; what is still unsent stays so."""
        self._aborted = True
        if self._wire is not None:
            self._wire.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._wire = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        self._stirs = watch(self._wire)
        self._open_ones.add(self)
        if self._aborted:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes next."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        if self._waiting is None:
            self.abort()
            return
        self._other += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except HttpParserUpgrade:
            self._end(reusable=False)  # nobody asked for it, but it is an answer
        except HttpParserError as error:
            self._fail(f"what came is not an HTTP answer: {error}")
        else:
            if self._other > _MAX_HEAD:
                self._fail("what came is too long for the head of an answer")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whichever side."""
        self._wire = None
        self._open_ones.discard(self)
        if exc is None and self._head_ended and not self._is_measured:
            self._end(reusable=False)
        elif self._aborted:
            self._fail("the transport was closed")
        else:
            self._fail(str(exc or "the server closed the connection before its answer ended"))

    # What the parser calls

    def on_message_begin(self) -> None:
        """An answer begins, or something after it."""
        self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers, or of those after its body."""
        if not self._done:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its head is there."""
        if not self._done:
            self.status = self._parser.get_status_code()
            self._head_ended = True

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._other = 0
        if self._done:
            return
        if self._size <= self._most:
            self._body.append(body)
            self._size += len(body)
        if self._size > self._most:
            self._end(reusable=False)

    def on_message_complete(self) -> None:
        """All of it is there."""
        if self.status is not None and 100 <= self.status < 200 and self.status != 101:
            self.status, self.headers, self._head_ended = None, [], False  # the answer proper is still to come
        else:
            self._end(reusable=self._parser.should_keep_alive())

    @property
    def content_type(self) -> str | None:
        """The ``Content-Type`` of the head, if it has one."""
        return AnswerHeaders(_texts(self.headers)).get("content-type")

    @property
    def _is_measured(self) -> bool:
        """Whether the head tells where the body ends; otherwise that is where the connection does."""
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _end(self, *, reusable: bool) -> None:
        if not self._done:
            self._done, self._reusable = True, reusable
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)

    def _fail(self, reason: str) -> None:
        if self._waiting is not None and not self._done:
            kind = self.content_type
            self._failure = ConnectionLost(reason, sent=True, status=self.status, content_type=kind)
            self._end(reusable=False)


def _written(request: Request, host: str, target: str) -> bytes | None:
    """The bytes of a request; None if a header would begin another one."""
    body = request.body
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    elif request.method != "GET":
        lines.append("Content-Length: 0")
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        return None
    return f"{head}\r\n\r\n".encode() + (body or b"")


def _texts(headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
