"""One connection that speaks HTTP/1.1, with the parser of httptools (llhttp, which Node.js uses)."""

import asyncio
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import attrs

from norce_order_async.core.errors import ConnectionLost, ReadTimeout, TransportError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.wording import reason_of
from norce_order_async.loops.time_limit import TimeLimits
from norce_order_async.transport.connections import unread_check
from norce_order_async.transport.dial import Origin
from norce_order_async.transport.errors import (
    CUT_OFF,
    NO_RESPONSE,
    NO_STATUS,
    TOO_LONG,
    WAS_CLOSED,
    refused_certificate,
)
from norce_order_async.transport.messages import (
    MAX_HEAD,
    MAX_HEADERS,
    PIECE,
    ResponseHeaders,
    is_measured,
    is_too_long,
    make_response,
)

installed = find_spec("httptools") is not None
"""Whether httptools is installed. It is an extra, so only making a transport fails without it."""
if TYPE_CHECKING or installed:
    from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

BUFFER = 320 * 1024
"""Bytes that are read at once, at most.

More than event loops hand on of a TLS connection in one go: 256 KiB, and the rest of a record, of 16 KiB at most. What
does not fit, they hand on a turn later, and not at all where the server has closed the connection.
"""
_SENT = memoryview(b"")
_NUL = "what came is not an HTTP answer: a header holds a NUL"


@attrs.define(eq=False)
class Exchange:
    """A request that is sent when its turn comes, and its response.

    Attributes:
        origin: Where it goes.
        attempt: Its account, which says whether it was sent.
        message: Its bytes; none of them once it is sent.
        seconds: The time that it may take.
        waiting: Done when the response is complete or does not come, or when there is no connection for it.
        connection: The one that it is sent over.
    """

    origin: Origin
    attempt: Attempt
    message: memoryview
    seconds: float
    waiting: asyncio.Future[None]
    connection: "Connection | None" = None


class Connection(asyncio.BufferedProtocol):
    """A connection for one exchange after another.

    Args:
        open_connections: Holds it while it is open.
        max_body: How many bytes of a body are read.
        buffer: ``BUFFER`` bytes for what comes, shared by the connections of an event loop: what one has read is used
            before another one reads.
    """

    def __init__(self, open_connections: "dict[Connection, None]", max_body: int, buffer: memoryview) -> None:
        self._open = open_connections
        self._max_body = max_body
        self._buffer = buffer
        self.stream: asyncio.Transport | None = None
        """The event loop's transport, while it is open."""
        self._aborted = False
        self._failure: TransportError | None = None
        self.idle_since = -math.inf
        self.used_until = math.inf
        """The event loop's time from which it is used no more."""
        self.ends = math.inf
        """The event loop's time at which its exchange has taken too long."""
        self._begin(None)

    def _begin(self, waiting: asyncio.Future[None] | None) -> None:
        self.status: int | None = None  # until the head is complete
        self.head: list[bytes] = []
        self._body: list[bytes] = []
        self._size = self._other = 0
        self._done = self._reusable = False
        self._waiting = waiting

    # Called by the HTTP transport

    def start(self, exchange: Exchange, now: float, limits: TimeLimits[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Send a request; its response, or what went wrong, is told by :meth:`result`.

        Args:
            exchange: The request, and who waits for the response.
            now: The event loop's time.
            limits: Those of the event loop that it shares a timer with.
            loop: The event loop.
        """
        exchange.connection = self
        self._begin(exchange.waiting)
        self.ends = now + exchange.seconds
        limits.begin(self, loop)
        if self.stream is None or self.stream.is_closing():
            self._fail_with(ConnectionLost("the server closed the connection at once", sent=False))
            return
        exchange.attempt.sent = True
        message, exchange.message = exchange.message, _SENT
        if len(message) <= PIECE:
            self.stream.write(message)
            return
        for start in range(0, len(message), PIECE):
            self.stream.write(message[start : start + PIECE])

    def result(self, request: Request) -> Response:
        """The response, once it is complete.

        Raises:
            TransportError: No complete response came.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback refers to this frame
        body, self._body = b"".join(self._body), []
        return make_response(request, self.status or 0, self.head, body, self._max_body)

    def leave(self, limits: TimeLimits[Any]) -> bool:
        """Nobody waits for the response any more; whether another exchange may follow.

        It may, if the whole response was read and the whole request sent.
        """
        self._waiting = None
        limits.running.pop(self, None)
        stream = self.stream
        return self._reusable and stream is not None and not (stream.is_closing() or stream.get_write_buffer_size())

    def has_unread(self) -> object:
        """Whether it has unread data, or was closed, between two exchanges; such data answers no request of ours."""
        return self.stream is None or self.stream.is_closing() or self._has_unread()

    def abort(self) -> None:
        """Close it at once, or as soon as it is open; what is still unsent is dropped."""
        self._aborted = True
        if self.stream is not None:
            self.stream.abort()

    # Called by the event loop

    def expire(self) -> None:
        """The exchange has taken too long."""
        self._fail_with(ReadTimeout(NO_RESPONSE, sent=True, status=self.status))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._parser = HttpResponseParser(self)
        # As aiohttp sets its parser. None of these changes where a body or a response ends.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.stream = cast("asyncio.Transport", transport)  # uvloop's is one without inheriting from it
        self._has_unread = unread_check(self.stream)
        self._open[self] = None
        if self._aborted:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the bytes that come next."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self._waiting is None:
            self.abort()
            return
        self._other += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except HttpParserUpgrade:
            pass  # the response has ended, and with it the connection
        except HttpParserError as error:
            self._fail(f"what came is not an HTTP answer: {error}")
        else:
            # What is not part of a body: the head, the trailers, the sizes of chunks.
            if self._other > MAX_HEAD:
                self._fail(TOO_LONG)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        stream, self.stream = self.stream, None
        is_first = self.idle_since == -math.inf
        del self._parser  # the two refer to each other
        self._open.pop(self, None)
        if self._aborted:
            self._fail(WAS_CLOSED)
        elif exc is None and self.status is not None and not is_measured(self.head):
            self._end(reusable=False)
        elif self.status is None and (refused := refused_certificate(exc, stream, is_first=is_first)):
            self._fail_with(refused)
        else:
            self._fail(CUT_OFF if exc is None else reason_of(exc))

    # Called by the parser

    def on_message_begin(self) -> None:
        """A response begins, or something after it."""
        self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came, or a trailer, which says nothing of a response that we read."""
        if self.status is None:
            self.head += (name, value)
        elif 0 in value:
            self._fail(_NUL)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if len(self.head) > 2 * MAX_HEADERS or (self._other > MAX_HEAD and is_too_long(self.head)):
            self._fail(TOO_LONG)
        if b"\0" in b"".join(self.head):
            self._fail(_NUL)
        if not self._done:
            status = self._parser.get_status_code()
            if status < 100:
                self._fail(NO_STATUS)
                return
            self.status = status

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        self._other = 0
        if self._done:
            return
        if self._size <= self._max_body:
            self._body.append(body)
            self._size += len(body)
        if self._size > self._max_body:
            self._end(reusable=False)

    def on_message_complete(self) -> None:
        """The response is complete."""
        if self.status is not None and 100 <= self.status < 200:
            if self.status == 101:
                self._end(reusable=False)  # nobody asked for it, but it is a response
            else:
                self.status, self.head = None, []  # the final response is still to come
        else:
            self._end(reusable=self._parser.should_keep_alive())

    def _end(self, *, reusable: bool) -> None:
        if not self._done:
            self._done, self._reusable = True, reusable
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)

    def _fail(self, reason: str) -> None:
        self._fail_with(ConnectionLost(reason, sent=True, status=self.status))

    def _fail_with(self, failure: TransportError) -> None:
        if self._waiting is not None and not self._done:
            failure.content_type = ResponseHeaders(self.head).get("content-type")
            self._failure = failure
            self._end(reusable=False)
