"""Parts of aiohttp that are replaced: its request and its connector.

All that depends on how aiohttp works inside is here and in :mod:`norce_order_async.transport.aiohttp_errors`.
"""

import asyncio
import inspect
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from functools import partial
from types import FunctionType
from typing import Any, cast
from weakref import WeakSet

import aiohttp
import attrs
from aiohttp import http_writer
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict

from norce_order_async.core.outcome import Attempt
from norce_order_async.core.random_source import RandomSource
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.transport.connections import end_of_life, take_surplus, unread_check
from norce_order_async.transport.messages import Head, is_measured

_SMALL_BODY = 32 * 1024  # bytes; below what an event loop's transport buffers before it asks to wait
_MOST_READ = 64 * 1024
"""Bytes that are read at once, at most."""
_OF_SESSIONS: Any = vars(aiohttp.client)
_head_of: Callable[[str, CIMultiDict[str]], bytes] | None = getattr(http_writer, "_serialize_headers", None)
SENDS_AT_ONCE = _head_of is not None and set(inspect.signature(aiohttp.ClientResponse).parameters) == {
    "method", "url", "writer", "continue100", "timer", "request_info", "traces", "loop", "session", "stream_writer"
}  # fmt: skip
"""Whether this aiohttp writes requests and makes responses in the way that is known here. Another one sends each
request in its own way."""


def take_headers_as_given(session: aiohttp.ClientSession) -> None:
    """Keep a session from copying headers one by one."""
    # Not in the usual way: aiohttp warns of that where asyncio's debug mode is on.
    object.__setattr__(session, "_prepare_headers", _as_given)


def request_of(session: aiohttp.ClientSession) -> Callable[..., Awaitable[aiohttp.ClientResponse]]:
    """What makes a request: without the context manager that aiohttp's ``request`` makes of it, if that is in place."""
    request: Any = aiohttp.ClientSession.request
    is_own = type(request) is FunctionType and request.__globals__ is _OF_SESSIONS  # a wrapper may show those, too
    return session._request if is_own else session.request  # pyright: ignore[reportPrivateUsage]


def _as_given(headers: CIMultiDict[str] | None) -> CIMultiDict[str]:
    return CIMultiDict() if headers is None else headers


class PlainRequest(aiohttp.ClientRequest):
    """Sends the headers that it is given and the body's length, and adds none.

    A small body is written together with them; aiohttp would start a task for it.
    """

    exchange: "Exchange"
    output_size = 0
    """What a response asks of who has written its request, and nobody asks of the response."""
    _small_body: bytes | None = None
    _skip_auto_headers = CIMultiDict[None]([("Content-Type", None)])

    def update_headers(self, headers: Any) -> None:
        """Take the headers as they are; they tell the host."""
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none."""

    def update_host(self, url: Any) -> None:
        """It is among the headers."""

    def update_content_encoding(self, data: Any) -> None:
        """Send it as it is."""

    def update_transfer_encoding(self) -> None:
        """Nothing is sent in chunks."""

    def update_expect_continue(self, expect: bool = False) -> None:
        """Nothing is asked for before the body."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Keep a small body as it is, or that there is none."""
        content = b"" if body is None else body
        if SENDS_AT_ONCE and type(content) is bytes and len(content) <= _SMALL_BODY and self.proxy is None:
            self._small_body = content
            if body is not None or self.method not in self.GET_METHODS:
                self.headers["Content-Length"] = str(len(content))
        else:  # a body in bytes would be written in a single piece
            super().update_body_from_data(None if body is None else io.BytesIO(body), _stacklevel)

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Write the request."""
        if self._small_body is None or _head_of is None:
            self.exchange.attempt.sent = True
            return await super().send(conn)
        if self._traces:
            await self._tell_traces(self.exchange)
        message = _head_of(f"{self.method} {self.url.raw_path_qs} HTTP/1.1", self.headers) + self._small_body
        self.exchange.connector.send(self.exchange, message)
        writer: Any = self
        return aiohttp.ClientResponse(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )

    async def _tell_traces(self, exchange: "Exchange") -> None:
        # They may wait: what a kept connection brings meanwhile is no answer. On a new one, it may be an early answer.
        parser = None if exchange.is_first else exchange.protocol.hold()
        for trace in self._traces:
            await trace.send_request_headers(self.method, self.url, self.headers)
        if parser is not None:
            exchange.protocol.begin(parser)


@attrs.define(eq=False)
class Exchange:
    """One request and its response; it knows its connection also after aiohttp has released it."""

    connector: "Connector"
    attempt: Attempt
    random: RandomSource
    limit: TimeLimit
    protocol: Any = None  # the Handler of its connection
    stream: asyncio.Transport | None = None
    is_first: bool = True  # over its connection
    response: aiohttp.ClientResponse | None = None
    done: bool = False

    def send(self, message: bytes) -> None:
        """Write the request; who waits for the response learns of what goes wrong."""
        assert self.stream is not None
        self.attempt.sent = True
        try:
            self.stream.write(message)
        except Exception as error:  # of the event loop's transport
            self.protocol.set_exception(error)

    def send_late(self, message: bytes, parser: Any) -> None:
        """Do so on a connection that was held since it was chosen, unless it has ended or brought an answer."""
        if not self.is_open or self.protocol.has_unread():
            self.abort()
        else:
            self.protocol.begin(parser)
            self.send(message)

    @property
    def is_open(self) -> bool:
        """Whether it has a connection that is open."""
        return self.stream is not None and not self.stream.is_closing()

    @property
    def lost(self) -> Exception | None:
        """The error with which its connection was lost."""
        return None if self.protocol is None else self.protocol.exception()

    def check_end(self, head: Head) -> None:
        """Raise if a body that ends with its connection was cut: aiohttp takes a reset, or our own end, for its end."""
        error = self.lost
        if (isinstance(error, aiohttp.ClientOSError) or self.connector.is_closing) and not is_measured(head):
            raise error or aiohttp.ServerDisconnectedError

    def leave(self) -> None:
        """Close the connection, unless the whole response was read and the whole request sent."""
        if self.response is not None and not self.response.closed:
            self.response.close()
        self.response = None  # it refers to the request, and the traceback of a failure to this exchange
        # close() would first send what is still unsent, however long that takes. The size of the write buffer is not
        # asked of a stream that is closing: over TLS, asyncio's has none left then.
        stream = self.stream
        if stream is not None and (not self.done or stream.is_closing() or stream.get_write_buffer_size()):
            stream.abort()

    def abort(self) -> None:
        """Close the connection at once, if there is one."""
        if self.stream is not None:
            self.stream.abort()


def whole_body(content: aiohttp.StreamReader) -> bytes:
    """The body of a response that has come as a whole.

    aiohttp's own way to read it also lets its connection go on, which is not held for a single piece, and may serve
    another request by now.
    """
    pieces: Sequence[bytes] = getattr(content, "_buffer", ())
    if len(pieces) == 1 and content.exception() is None:
        return pieces[0]
    return content.read_nowait()


class _NoAnswer:
    """A connection's parser while no response is due: what comes then would be taken for that of the next request."""

    def __init__(self, stream: asyncio.Transport) -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[tuple[()], bool, bytes]:
        """End the connection; aiohttp also calls this with no data, when it goes on to read."""
        if data:
            self._stream.abort()
        return (), False, b""

    def feed_eof(self) -> None:
        """Nothing is unfinished."""


class Handler(ResponseHandler):
    """A connection that reads a response only once its request goes out, and has asyncio read smaller pieces.

    asyncio allocates as much as it may read, 256 KiB, for each piece that comes. What that costs depends on what else
    a program has done: at worst, the operating system gives and takes them each time, which takes a tenth of a call.
    """

    ends: float | None = None
    """The event loop's time from which it is used no more; None before it is used."""

    def __init__(self, handlers: "WeakSet[Handler]", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._handlers = handlers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        super().connection_made(transport)
        stream: Any = transport
        if getattr(stream, "max_size", 0) > _MOST_READ:  # of asyncio's transports, the one without TLS has this
            stream.max_size = _MOST_READ
        self.has_unread = unread_check(stream)
        self._no_answer: Any = _NoAnswer(stream)
        self._handlers.add(self)

    def hold(self) -> Any:
        """Read no response; what :meth:`begin` takes to read the next one."""
        parser, self._parser = self._parser, self._no_answer
        return parser

    def begin(self, parser: Any) -> None:
        """Read what comes from now on as the response."""
        self._parser = parser

    def set_exception(self, *error: Any, **cause: Any) -> None:
        """Note an error, and end the body that is being read with it, which aiohttp does not."""
        body = self._payload
        super().set_exception(*error, **cause)
        if body is not None and not body.is_eof():
            if body.exception() is None:
                body.set_exception(*error, **cause)
            body.feed_eof()  # who was woken for a chunk, and has not run yet, would wait again


class Connector(aiohttp.TCPConnector):
    """Sends requests in bursts, and uses no kept connection that is too old or has unread data."""

    def __init__(self, *, max_age: float, **settings: Any) -> None:
        super().__init__(**settings)  # pyright: ignore[reportUnknownMemberType]
        self.exchanges: dict[asyncio.Task[Any] | None, Exchange] = {}
        self._handlers = WeakSet[Handler]()
        self._factory = cast("partial[ResponseHandler]", partial(Handler, self._handlers, self._loop))
        self.max_age = max_age
        self.is_closing = False
        self._queue: list[tuple[Exchange, bytes, Any]] = []

    async def connect(
        self, req: Any, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection for the running task's exchange."""
        loop = self._loop
        exchange = self.exchanges[asyncio.current_task(loop)]
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol: Any = connection.protocol  # a Handler
            if protocol.ends is None:
                protocol.ends = end_of_life(loop, self.max_age, exchange.random)
            elif protocol.ends <= loop.time() or protocol.has_unread():
                connection.close()
                continue
            else:
                exchange.is_first = False
            exchange.protocol, exchange.stream = protocol, protocol.transport
            req.exchange = exchange
            return connection

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """Make a connection, and close the one that is idle for the longest, if too many are."""
        surplus = take_surplus(self._conns, lambda kept: kept[1], lambda kept: kept[0].is_connected())
        if surplus is not None:
            surplus[0].abort()
        return await super()._create_connection(req, traces, timeout)

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        """Keep a connection that has served an exchange, or close it."""
        super()._release(key, protocol, should_close=should_close)
        protocol.hold()

    def _cleanup(self) -> None:
        """Close what has been idle for too long, and set the timer for the others.

        In a context of its own: that of the first call would be kept for as long as others follow it.
        """
        Context().run(super()._cleanup)

    def send(self, exchange: Exchange, message: bytes) -> None:
        """Write a request; where others are under way, in a burst with theirs, one turn of the loop later.

        Written one by one, each would wake the server anew: that costs a tenth of a call. A new connection does not
        wait: a server that has no time may answer and close before it has read anything.

        Raises:
            Exception: The connection has ended by now.
        """
        if len(self.exchanges) > 1 and not exchange.is_first:
            if not self._queue:
                self._loop.call_soon(self._send_queue)
            self._queue.append((exchange, message, exchange.protocol.hold()))
        elif exchange.is_open:
            exchange.send(message)
        else:
            raise exchange.protocol.exception() or aiohttp.ServerDisconnectedError()

    def _send_queue(self) -> None:
        queue, self._queue = self._queue, []
        for exchange, message, parser in queue:
            exchange.send_late(message, parser)

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close all connections; from another loop than theirs, without waiting until theirs has done so."""
        if asyncio.get_running_loop() is self._loop:
            await super().close(abort_ssl=abort_ssl)
        else:
            self._close(abort_ssl=abort_ssl)

    def streams(self) -> list[asyncio.Transport]:
        """All open connections."""
        return [handler.transport for handler in self._handlers if handler.transport is not None]
