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
from norce_order_async.core.checks import positive_count, positive_seconds, unsendable
from norce_order_async.core.errors import (
    ClientStateError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    InvalidRequestError,
    ProxyError,
    ReadTimeout,
    TLSError,
    TransportError,
    bare,
)
from norce_order_async.core.http import Request, Response
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.transport import Transport
from norce_order_async.transport.aiohttp_names import AiohttpResolver
from norce_order_async.transport.alerts import refused_certificate
from norce_order_async.transport.pools import Pools, end_of_life, forget_frames, watch
from norce_order_async.transport.resolver import Resolver, shared
from norce_order_async.transport.response import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    TOO_LONG,
    Head,
    is_measured,
    is_too_long,
    make_response,
    value_of,
)

_AT_ONCE = 64 * 1024
_SMALL = 32 * 1024  # bytes; below what an event loop's transport buffers before it asks to wait
_TURNS = 5
"""Turns of the event loop after which what was aborted is gone, TLS included."""
_NO_CONTENT_TYPE = CIMultiDict[None]([("Content-Type", None)])
SENDS_AT_ONCE = set(inspect.signature(aiohttp.ClientResponse).parameters) == {
    "method", "url", "writer", "continue100", "timer", "request_info", "traces", "loop", "session", "stream_writer"
}  # fmt: skip
"""Whether this aiohttp makes its answers in the way that is known here. Another one sends bodies in its own way."""
_NEVER_RESENT = frozenset({"PATCH", "POST"})
"""The methods that aiohttp does not send again by itself, because they are not idempotent."""


class _NotSentAgain(Exception):
    """Carries an error past aiohttp's own resending, which looks for ClientOSError and ServerDisconnectedError."""


class _HeadTooLong(Exception):
    """aiohttp limits the lines of a head and their number, not the whole."""


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
    return URL(url)


def _url(url: str) -> URL:
    """The URL as it stands; to take it apart once more for each order would cost more than to put it together."""
    path = url.find("/", len("https://"))
    if path < 0:
        return _origin(url)
    if "?" in url:
        return URL(f"{_origin(url[:path])}{url[path:]}", encoded=True)
    return _origin(url[:path]).with_path(url[path:], encoded=True)


@lru_cache
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    limit = None if math.isinf(seconds) else seconds
    return aiohttp.ClientTimeout(total=None, connect=limit, sock_connect=None, sock_read=None)


def _body(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp writes bytes all at once, and of a single piece TLS would take all and report nothing as unsent.
    return body if body is None or len(body) <= _AT_ONCE else io.BytesIO(body)


async def _read(answer: aiohttp.ClientResponse, way: "_Way", most: int) -> bytes:
    """A body, or of one of more than ``most`` bytes more than that."""
    if is_too_long(answer.raw_headers):
        raise _HeadTooLong
    content = answer.content
    if content.is_eof():
        body = content.read_nowait()
    else:
        pieces = bytearray()
        while len(pieces) <= most and not content.at_eof():
            pieces += await content.readany()
        body = bytes(pieces)
    way.check_end(answer.raw_headers)
    return body


@attrs.define(eq=False)
class _Way:
    """What one attempt went through; it knows its connection also after aiohttp has let go of it."""

    call: Call
    limit: TimeLimit
    protocol: ResponseHandler | None = None
    transport: asyncio.Transport | None = None
    done: bool = False

    def check_end(self, head: Head) -> None:
        """Raise if a body that ends with its connection ended with a reset, which aiohttp takes for an end too."""
        error = None if self.protocol is None else self.protocol.exception()
        if isinstance(error, aiohttp.ClientOSError) and not is_measured(head):
            raise error

    def leave(self) -> None:
        """Close the connection, unless the whole answer was read and the whole request sent."""
        # Closing alone would first send what is still unsent, however long that takes. A transport that is closing
        # cannot be asked how much that is: over TLS, asyncio's has nothing left to ask then.
        wire = self.transport
        if wire is not None and (not self.done or wire.is_closing() or wire.get_write_buffer_size()):
            wire.abort()

    def abort(self) -> None:
        """Close the connection at once, if there is one."""
        if self.transport is not None:
            self.transport.abort()


_Ways = dict[asyncio.Task[Any] | None, _Way]


class _Connector(aiohttp.TCPConnector):
    """Notes the connection of each task's attempt, and uses no kept one that is too old or on which something came."""

    def __init__(self, *, max_age: float, **settings: Any) -> None:
        super().__init__(**settings)  # pyright: ignore[reportUnknownMemberType]
        self.ways: _Ways = {}
        self.max_age = max_age
        self.is_closing = False
        self._watches = WeakKeyDictionary[ResponseHandler, tuple[Callable[[], object], float]]()

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
                loop = asyncio.get_running_loop()
                stirs, ends = self._watches.get(protocol, (None, math.inf))
                if stirs is None:
                    self._watches[protocol] = watch(transport), end_of_life(loop, self.max_age)
                elif protocol.should_close or ends <= loop.time() or stirs():
                    # What came answers no request of ours, but it would be taken for the next one's answer.
                    connection.close()
                    continue
            way = self.ways[asyncio.current_task()]
            way.protocol, way.transport = protocol, transport
            way.call.mark_sent()  # nothing is waited for between here and the first byte
            return connection

    def wires(self) -> list[asyncio.Transport]:
        """All connections."""
        return [protocol.transport for protocol in self._watches if protocol.transport is not None]


@attrs.frozen(eq=False)
class _Pool:
    """The connections of one event loop."""

    session: aiohttp.ClientSession
    connector: _Connector

    def wires(self) -> Iterable[asyncio.Transport]:
        """All of them."""
        return self.connector.wires()

    async def close(self) -> None:
        """Close them, those in use as well."""
        self.connector.is_closing = True
        for way in self.connector.ways.values():
            if way.transport is None:
                way.limit.expire()
            way.abort()
        # Who reads from one has to learn of it before the session forgets who that is.
        for _ in range(_TURNS):
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
        max_age: Seconds after which a connection is used no more, however busy, and its host is looked up anew.
        ssl_context: Another TLS configuration than the default one.
        proxy: The URL of an HTTP proxy. Environment variables are not looked at.
        resolver: Looks hosts up; shared by all transports unless it is set.
        max_body: How many bytes of an answer's body are read. Of a larger one the beginning is returned, marked
            ``truncated``, and the connection is closed.

    Raises:
        ConfigurationError: A number that is not above zero, or a proxy that is none.
    """

    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    max_age: float = attrs.field(default=300.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False, validator=_check_proxy)
    resolver: Resolver = attrs.field(default=shared, repr=False)
    max_body: int = attrs.field(default=MAX_BODY, validator=positive_count)
    _pools: Pools[_Pool] = attrs.field(
        default=attrs.Factory(lambda self: Pools(self._make_pool), takes_self=True), init=False, repr=False
    )

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its answer; see :meth:`Transport.send`."""
        loop = asyncio.get_running_loop()
        pool = self._pools.find(loop) or await self._pools.open()
        call = request.call
        call.mark_sent(False)
        if (problem := unsendable(request.url, request.headers)) is not None:
            raise InvalidRequestError(problem)
        task = asyncio.current_task(loop)
        limit = TimeLimit(timeout)
        way = pool.connector.ways[task] = _Way(call, limit)
        answer: aiohttp.ClientResponse | None = None
        failure: TransportError | ClientStateError
        try:
            # Our limit, not aiohttp's: that one can swallow a cancellation, and misses a stalled chunked body.
            with limit:
                answer = await pool.session.request(
                    request.method,
                    _url(request.url),
                    headers=CIMultiDict(request.headers),  # what aiohttp would make of them, slower
                    data=_body(request.body),
                    allow_redirects=False,
                    timeout=_connect_limit(call.timeout.connect),
                    middlewares=() if request.method in _NEVER_RESENT else _ONCE,
                )
                body = await _read(answer, way, self.max_body)
            way.done = len(body) <= self.max_body
            return make_response(request, answer.status, answer.raw_headers, body, self.max_body)
        except asyncio.CancelledError:
            # Closing a session cancels the look-ups of addresses, and with them who waits for one.
            if not pool.session.closed or task is None or task.cancelling():
                raise
            failure = ClientStateError("the transport was closed")
        except Exception as error:
            sent = call.attempts[-1].sent
            if pool.connector.is_closing and sent is False:
                failure = ClientStateError("the transport was closed")
            else:
                failure = (refused_certificate(error) if answer is None else None) or _translate(error, sent=sent)
                if answer is not None and not isinstance(error, _HeadTooLong):
                    failure.status = answer.status
                    failure.content_type = value_of(b"content-type", answer.raw_headers)
            forget_frames(error)
        finally:
            del pool.connector.ways[task]
            if answer is not None and not answer.closed:
                answer.close()
            way.leave()
            answer = None  # a traceback of the failure shows this frame
        try:
            raise failure
        finally:
            del failure

    async def aclose(self) -> None:
        """Close the connections of every event loop; closing twice is fine."""
        await self._pools.aclose()

    def _make_pool(self) -> _Pool:
        connector = _Connector(
            max_age=self.max_age,
            limit=0,
            keepalive_timeout=self.keepalive,
            ssl=True if self.ssl_context is None else self.ssl_context,
            resolver=AiohttpResolver(self.resolver),
            use_dns_cache=False,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            proxy=self.proxy,
            request_class=_Request,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
        )
        return _Pool(session, connector)


def _translate(error: Exception, *, sent: bool | None) -> TransportError:
    """Our error for aiohttp's, which is not kept: its frames hold the request, its text may hold a proxy's password.

    Raised outside the ``except`` block, so that only what is set here stays reachable.
    """
    cause = error.__cause__ if isinstance(error, _NotSentAgain) else error
    match cause:
        case aiohttp.ClientHttpProxyError():
            return ProxyError(f"the proxy answered {cause.status}", sent=False)
        case aiohttp.ClientConnectorError():
            return _not_connected(cause)
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeout("no connection in time", sent=False)
        case TimeoutError() if sent:
            return ReadTimeout("no complete answer in time", sent=True)
        case TimeoutError():
            return ConnectTimeout("no connection in time", sent=False)
        case _HeadTooLong():
            return ConnectionLost(TOO_LONG, sent=sent)
        case aiohttp.ClientResponseError():
            reason = type(cause.__cause__ or cause).__name__
            return ConnectionLost(f"what came is not an HTTP answer: {reason}", sent=sent)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return ConnectionLost("the server closed the connection before its answer ended", sent=sent)
        case OSError() if cause.errno is not None:
            return _caused_by(cause, ConnectionLost(_reason(cause), sent=sent))
        case _:
            return ConnectionLost(f"the connection failed: {type(cause).__name__}", sent=sent)


def _not_connected(error: aiohttp.ClientConnectorError) -> TransportError:
    inner = getattr(error, "certificate_error", None) or error.os_error
    text = f"cannot connect to {error.host}:{error.port}: {_reason(inner)}"
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return TLSError(text, sent=False)
        case aiohttp.ClientProxyConnectionError():
            return _caused_by(inner, ProxyError(text, sent=False))
        case _:
            return _caused_by(inner, ConnectError(text, sent=False))


def _caused_by(error: OSError, failure: TransportError) -> TransportError:
    if error.errno is not None and not isinstance(error, ssl.SSLError):  # whose numbers mean something else
        failure.__cause__ = bare(error)
    return failure


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
