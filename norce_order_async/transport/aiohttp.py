"""The default transport, on aiohttp.

aiohttp is kept on a short lead: it must not send a second time by itself, follow redirects, keep cookies, read
``.netrc``, decompress, or run a timer that can swallow a cancellation.
"""

import asyncio
import inspect
import io
import math
import ssl
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import attrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from multidict import CIMultiDict
from yarl import URL

from norce_order_async.core.call import Call
from norce_order_async.core.checks import positive_count, positive_seconds
from norce_order_async.core.errors import (
    ClientStateError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    ProxyError,
    ReadTimeout,
    TLSError,
    TransportError,
)
from norce_order_async.core.http import AnswerHeaders, Request, Response
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.transport import Transport
from norce_order_async.transport.pools import Pools, watch

_AT_ONCE = 1024 * 1024
_SMALL = 32 * 1024  # bytes; below what an event loop's transport buffers before it asks to wait
_NO_CONTENT_TYPE = CIMultiDict[None]([("Content-Type", None)])
SENDS_AT_ONCE = set(inspect.signature(aiohttp.ClientResponse).parameters) == {
    "method", "url", "writer", "continue100", "timer", "request_info", "traces", "loop", "session", "stream_writer"
}  # fmt: skip
"""Whether this aiohttp makes its answers in the way that is known here. Another one sends bodies in its own way."""
_NEVER_RESENT = frozenset({"PATCH", "POST"})
"""The methods that aiohttp does not send again by itself, because they are not idempotent."""


class _NotSentAgain(Exception):
    """Carries an error past aiohttp's own resending, which looks for ClientOSError and ServerDisconnectedError."""


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NotSentAgain from error


_ONCE = (_send_once,)


class _Request(aiohttp.ClientRequest):
    """Sends the headers that it is given, ``Host`` and the body's length, and looks for nothing to add.

    A body that is not large goes out together with them, where aiohttp would start a task for it.
    """

    _small_body: bytes | None = None

    def update_headers(self, headers: Any) -> None:
        """Take the headers as they are."""
        self.headers = CIMultiDict(Host=self.url.host_port_subcomponent or "")
        self.headers.extend(headers)

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none."""
        self._skip_auto_headers = _NO_CONTENT_TYPE

    def update_content_encoding(self, data: Any) -> None:
        """Send it as it is."""

    def update_transfer_encoding(self) -> None:
        """Nothing is sent in chunks."""

    def update_expect_continue(self, expect: bool = False) -> None:
        """Nothing is asked for before the body."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Keep a small body as it is."""
        if SENDS_AT_ONCE and type(body) is bytes and len(body) <= _SMALL and self.proxy is None:
            self._small_body = body
            self.headers["Content-Length"] = str(len(body))
        else:
            super().update_body_from_data(body, _stacklevel)

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Write the request."""
        protocol = conn.protocol
        if self._small_body is None or protocol is None:
            return await super().send(conn)
        writer = StreamWriter(protocol, self.loop)
        await writer.write_headers(f"{self.method} {self.url.raw_path_qs} HTTP/1.1", self.headers)
        await writer.write_eof(self._small_body)
        protocol.start_timeout()
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


@lru_cache
def _origin(url: str) -> URL:
    return URL(url, encoded=True)


def _url(url: str) -> URL:
    """The URL as it stands; to take it apart once more for each order would cost more than to put it together."""
    path = url.find("/", len("https://"))
    if path < 0 or "?" in url:
        return URL(url, encoded=True)
    return _origin(url[:path]).with_path(url[path:], encoded=True)


@lru_cache
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    limit = None if math.isinf(seconds) else seconds
    return aiohttp.ClientTimeout(total=None, connect=limit, sock_connect=None, sock_read=None)


def _body(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp warns of bytes that are many, because it would write them all at once.
    return body if body is None or len(body) <= _AT_ONCE else io.BytesIO(body)


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    """A body, or of one of more than ``most`` bytes at least so many."""
    body = bytearray()
    while len(body) <= most and not content.at_eof():
        body += await content.readany()
    return bytes(body)


@attrs.define(eq=False)
class _Way:
    """What one attempt went through; it knows its connection also after aiohttp has let go of it."""

    call: Call
    protocol: ResponseHandler | None = None
    transport: asyncio.Transport | None = None
    done: bool = False

    def check_end(self, answer: aiohttp.ClientResponse) -> None:
        """Raise if a body that ends with its connection ended with a reset, which aiohttp takes for an end too."""
        if self.protocol is None or "Content-Length" in answer.headers or "Transfer-Encoding" in answer.headers:
            return
        error = self.protocol.exception()
        if isinstance(error, aiohttp.ClientOSError):
            raise error

    def leave(self) -> None:
        """Close the connection, unless the whole answer was read and the whole request sent."""
        # Closing alone would first send what is still unsent, however long that takes.
        if not self.done or (self.transport is not None and self.transport.get_write_buffer_size()):
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, if there is one."""
        if self.transport is not None:
            self.transport.abort()


_Ways = dict[asyncio.Task[Any] | None, _Way]


class _Connector(aiohttp.TCPConnector):
    """Notes the connection of each task's attempt, and uses no kept one on which something came between requests."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # pyright: ignore[reportUnknownMemberType]
        self.ways: _Ways = {}
        self._watches = WeakKeyDictionary[ResponseHandler, Callable[[], object]]()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        if len(self.ways) > 1:
            # So requests leave in a burst, one turn of the loop later. Each alone, between what Python does for the
            # others, would have to wake its reader anew: that costs a tenth of a call.
            await asyncio.sleep(0)
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol, transport = connection.protocol, connection.transport
            if protocol is not None and transport is not None:
                stirs = self._watches.get(protocol)
                if stirs is None:
                    self._watches[protocol] = watch(transport)
                elif protocol.should_close or stirs():
                    # What came answers no request of ours, but it would be taken for the next one's answer.
                    connection.close()
                    continue
            way = self.ways[asyncio.current_task()]
            way.protocol, way.transport = protocol, transport
            way.call.mark_sent()  # nothing is waited for between here and the first byte
            return connection


@attrs.frozen(eq=False)
class _Pool:
    """The connections of one event loop."""

    session: aiohttp.ClientSession
    ways: _Ways

    async def close(self) -> None:
        """Close them, those in use as well."""
        for way in self.ways.values():
            way.abort()
        # Who reads from one has to learn of it before the session forgets who that is.
        await asyncio.sleep(0)
        await self.session.close()


def _check_proxy(instance: object, attribute: object, value: str | None) -> None:
    if value is None:
        return
    try:
        url = URL(value) if isinstance(value, str) else URL()
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("proxy must be the http address of a proxy, with a host")


@attrs.define(kw_only=True, eq=False)
class AiohttpTransport(Transport):
    """Sends over aiohttp, with one pool of kept connections for each event loop it is used in.

    A pool is opened with the first request in its loop and closed by :meth:`aclose`, or at the latest when its
    loop shuts down, so one transport serves several ``asyncio.run`` one after another.

    Attributes:
        keepalive: Seconds that an idle connection is kept; should be below what the server allows, because a
            connection that the server closes at the moment of sending costs an attempt.
        ssl_context: Another TLS configuration than the default one.
        proxy: The URL of an HTTP proxy. Environment variables are not looked at.
        max_body: How many bytes of an answer's body are read. Of a larger one the beginning is returned, marked
            ``truncated``, and the connection is closed.

    Raises:
        ConfigurationError: A number that is not above zero, or a proxy that is none.
    """

    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False, validator=_check_proxy)
    max_body: int = attrs.field(default=1024 * 1024, validator=positive_count)
    _pools: Pools[_Pool] = attrs.field(
        default=attrs.Factory(lambda self: Pools(self._make_pool), takes_self=True), init=False, repr=False
    )

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its answer; see :meth:`Transport.send`."""
        loop = asyncio.get_running_loop()
        pool = self._pools.find(loop) or await self._pools.open()
        call = request.call
        call.mark_sent(False)
        task = asyncio.current_task(loop)
        way = pool.ways[task] = _Way(call)
        answer: aiohttp.ClientResponse | None = None
        failure: TransportError | ClientStateError
        try:
            # Our limit, not aiohttp's: that one can swallow a cancellation, and misses a stalled chunked body.
            with TimeLimit(timeout):
                answer = await pool.session.request(
                    request.method,
                    _url(request.url),
                    headers=CIMultiDict(request.headers),  # what aiohttp would make of them, slower
                    data=_body(request.body),
                    allow_redirects=False,
                    timeout=_connect_limit(call.timeout.connect),
                    middlewares=() if request.method in _NEVER_RESENT else _ONCE,
                )
                content = answer.content
                body = content.read_nowait() if content.is_eof() else await _read(content, self.max_body)
                way.check_end(answer)
            way.done = len(body) <= self.max_body
            if not way.done:
                body = body[: self.max_body]
            return Response(request, answer.status, AnswerHeaders(answer.headers.items()), body, not way.done)
        except asyncio.CancelledError:
            # Closing a session cancels the look-ups of addresses, and with them who waits for one.
            if not pool.session.closed or task is None or task.cancelling():
                raise
            failure = ClientStateError("the transport was closed")
        except (aiohttp.ClientError, OSError, _NotSentAgain) as error:
            sent = call.attempts[-1].sent
            if pool.session.closed and sent is False:
                failure = ClientStateError("the transport was closed")
            else:
                failure = _translate(error, sent=sent)
                if answer is not None:
                    failure.status, failure.content_type = answer.status, answer.headers.get("Content-Type")
        finally:
            del pool.ways[task]
            if answer is not None and not answer.closed:
                answer.close()
            way.leave()
        raise failure

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs; closing twice is fine."""
        await self._pools.aclose()

    def _make_pool(self) -> _Pool:
        connector = _Connector(
            limit=0, keepalive_timeout=self.keepalive, ssl=True if self.ssl_context is None else self.ssl_context
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            proxy=self.proxy,
            request_class=_Request,
        )
        return _Pool(session, connector.ways)


def _translate(error: Exception, *, sent: bool | None) -> TransportError:
    """Our error for aiohttp's. Raised outside the ``except`` block, so that only what is set here stays reachable."""
    if isinstance(error, _NotSentAgain) and error.__cause__ is not None:
        cause: BaseException = error.__cause__
    else:
        cause = error
    text = str(cause) or type(cause).__name__
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        # Its address may hold a password, so it does not stay reachable.
        return ProxyError(f"the proxy answered {cause.status} {cause.message}", sent=False)
    if isinstance(cause, aiohttp.ClientConnectorError):
        text = f"cannot connect to {cause.host}:{cause.port}: {cause.strerror or cause.os_error}"
    failure: TransportError
    match cause:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            failure = TLSError(text, sent=False)
        case aiohttp.ClientProxyConnectionError():
            failure = ProxyError(text, sent=False)
        case aiohttp.ClientConnectorError():
            failure = ConnectError(text, sent=False)
        case aiohttp.ConnectionTimeoutError():
            failure = ConnectTimeout("no connection in time", sent=False)
        case TimeoutError() if sent:
            failure = ReadTimeout("no complete answer in time", sent=True)
        case TimeoutError():
            failure = ConnectTimeout("no connection in time", sent=False)
        case aiohttp.ClientResponseError():
            # Its request_info holds the token, so it does not stay reachable.
            return ConnectionLost(f"what came is not an HTTP answer: {cause.message}", sent=sent)
        case _:
            failure = ConnectionLost(text, sent=sent)
    failure.__cause__ = cause
    return failure
