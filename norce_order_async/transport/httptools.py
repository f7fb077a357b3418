"""A faster transport: the event loop's own connections, and the parser of httptools (llhttp, which Node.js uses).

It speaks HTTP/1.1 and does only what a call to the API needs: write a request, read its answer.
"""

import asyncio
import math
import socket
import ssl
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import attrs
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

from norce_order_async.checks import positive_count, positive_seconds
from norce_order_async.errors import (
    ClientStateError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    InvalidRequestError,
    ReadTimeout,
    TLSError,
    TransportError,
)
from norce_order_async.http import AnswerHeaders, Request, Response
from norce_order_async.timelimit import TimeLimit
from norce_order_async.transport import Transport
from norce_order_async.transport.pools import Pools, watch

# Its absence is said when a transport is made: who imports all names of the package need not have the extra.
_installed = find_spec("httptools") is not None
if TYPE_CHECKING or _installed:
    from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MAX_HEAD = 64 * 1024
"""Bytes that may come without any of them being a body's: a head, the trailers, the sizes of chunks."""
_BUFFER = 16 * 1024
"""Bytes that are read at once."""
_HAPPY_EYEBALLS = 0.25
"""Seconds after which the next one of a host's addresses is tried beside the first."""
_TURNS = 5
"""Turns of the event loop after which what was aborted is gone, TLS included."""


@attrs.frozen
class _Origin:
    """Where requests go to.

    Attributes:
        host: A name or an address.
        port: The port.
        tls: Whether it speaks TLS.
        netloc: What the ``Host`` header says.
    """

    host: str
    port: int
    tls: bool
    netloc: str

    @classmethod
    @lru_cache
    def of(cls, url: str) -> "_Origin":
        """The origin of a URL without a path."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, parts.netloc)


class _Connection(asyncio.BufferedProtocol):
    """One connection; it carries one exchange after another."""

    def __init__(self, open_ones: "set[_Connection]", most: int) -> None:
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

    async def exchange(self, message: bytes, request: Request) -> Response:
        """Send the bytes of a request and read its answer.

        Raises:
            TransportError: No complete answer came.
        """
        if self._wire is None or self._wire.is_closing():
            raise ConnectionLost("the server closed the connection at once", sent=False)
        waiting = asyncio.get_running_loop().create_future()
        self._begin(waiting)
        self._wire.write(message)
        try:
            await waiting
        finally:
            self._waiting = None
        if self._failure is not None:
            raise self._failure
        body, self._body = b"".join(self._body), []
        headers = AnswerHeaders(_texts(self.headers))
        return Response(request, self.status or 0, headers, body[: self._most], len(body) > self._most)

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
        self._wire = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        self._stirs = watch(self._wire)
        self._open_ones.add(self)
        if self._aborted:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
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
        self._reusable = False  # there is more than the answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._done:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if not self._done:
            self.status = self._parser.get_status_code()
            self._head_ended = True

    def on_body(self, body: bytes) -> None:
        self._other = 0
        if self._done:
            return
        if self._size <= self._most:
            self._body.append(body)
            self._size += len(body)
        if self._size > self._most:
            self._end(reusable=False)

    def on_message_complete(self) -> None:
        if self.status is not None and 100 <= self.status < 200 and self.status != 101:
            self.status, self.headers, self._head_ended = None, [], False  # the answer proper is still to come
        else:
            self._end(reusable=self._parser.should_keep_alive())

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
            self._failure = ConnectionLost(reason, sent=True, status=self.status)
            self._end(reusable=False)


class _Pool:
    """The connections of one event loop."""

    def __init__(self, settings: "HttptoolsTransport") -> None:
        self._settings = settings
        self._idle: dict[_Origin, list[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None
        self.under_way = 0
        """How many requests are."""

    def take(self, origin: _Origin) -> _Connection | None:
        """An idle connection on which nothing happened meanwhile, if there is one."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            # A loop that stood still has closed none of those that are too old.
            too_old = connection.idle_since < asyncio.get_running_loop().time() - self._settings.keepalive
            if not (too_old or connection.stirs()):
                return connection
            connection.abort()
        return None

    def give(self, origin: _Origin, connection: _Connection) -> None:
        """Keep a connection for the next request, or close it."""
        if self._closed or not connection.reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None and self._settings.keepalive < math.inf:
            self._sweep = loop.call_later(self._settings.keepalive, self._close_old)

    async def connect(self, origin: _Origin, seconds: float) -> _Connection:
        """Make a connection.

        Raises:
            TransportError: That failed.
            ClientStateError: The transport was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        connection = _Connection(self._open, self._settings.max_body)
        context = (self._settings.ssl_context or _default_context()) if origin.tls else None
        task = loop.create_task(_connect(loop, connection, origin, context))
        self._connecting.add(task)
        failure: TransportError | ClientStateError
        made = False
        try:
            with TimeLimit(seconds):
                await task
            made = True
            return connection
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if not self._closed or this is None or this.cancelling():
                raise
            failure = ClientStateError("the transport was closed")
        except TimeoutError:
            failure = ConnectTimeout("no connection in time", sent=False)
        except ssl.SSLError as error:
            failure = TLSError(str(error), sent=False)
            failure.__cause__ = error
        except OSError as error:
            failure = ConnectError(f"cannot connect to {origin.host}:{origin.port}: {_reason(error)}", sent=False)
            failure.__cause__ = error
        finally:
            self._connecting.discard(task)
            if not made:
                connection.abort()
        raise failure

    async def close(self) -> None:
        """Close them, those in use as well."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for task in self._connecting:
            task.cancel()
        for connection in list(self._open):
            connection.abort()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _close_old(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._settings.keepalive
        for origin, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= oldest:
                idle.pop(0).abort()
            if not idle:
                del self._idle[origin]
        if self._idle:
            first = min(idle[0].idle_since for idle in self._idle.values())
            self._sweep = loop.call_at(first + self._settings.keepalive, self._close_old)


@attrs.define(kw_only=True, eq=False)
class HttptoolsTransport(Transport):
    """Sends over connections of the event loop's own, with the parser of httptools.

    It needs the extra ``speed``, keeps every promise that :class:`AiohttpTransport` keeps, and takes about half of its
    time. What it lacks are proxies.

    Attributes:
        keepalive: Seconds that an idle connection is kept; should be below what the server allows, because a
            connection that the server closes at the moment of sending costs an attempt.
        ssl_context: Another TLS configuration than the default one.
        max_body: How many bytes of an answer's body are read. Of a larger one the beginning is returned, marked
            ``truncated``, and the connection is closed.

    Raises:
        ConfigurationError: A number that is not above zero, or httptools is not installed.
    """

    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    max_body: int = attrs.field(default=1024 * 1024, validator=positive_count)
    _pools: Pools[_Pool] = attrs.field(
        default=attrs.Factory(lambda self: Pools(lambda: _Pool(self)), takes_self=True), init=False, repr=False
    )

    def __attrs_post_init__(self) -> None:
        if not _installed:
            raise ConfigurationError('this transport needs httptools: pip install "norce-order-async[speed]"')

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its answer; see :meth:`Transport.send`.

        Raises:
            InvalidRequestError: A header that a middleware has set holds a line break.
        """
        pool = self._pools.find(asyncio.get_running_loop()) or await self._pools.open()
        call = request.call
        call.mark_sent(False)
        path = request.url.find("/", len("https://"))
        origin = _Origin.of(request.url if path < 0 else request.url[:path])
        message = _message(request, origin, "/" if path < 0 else request.url[path:])
        connection: _Connection | None = None
        pool.under_way += 1
        try:
            # Our limit, which holds for every wait.
            with TimeLimit(timeout):
                if pool.under_way > 1:
                    await asyncio.sleep(0)  # so that requests leave in a burst: see AiohttpTransport
                connection = pool.take(origin) or await pool.connect(origin, call.timeout.connect)
                call.mark_sent()
                return await connection.exchange(message, request)
        except TimeoutError:
            if connection is None:
                failure: TransportError = ConnectTimeout("no connection in time", sent=False)
            else:
                failure = ReadTimeout("no complete answer in time", sent=True, status=connection.status)
        finally:
            pool.under_way -= 1
            if connection is not None:
                pool.give(origin, connection)
        raise failure

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs; closing twice is fine."""
        await self._pools.aclose()


async def _connect(
    loop: asyncio.AbstractEventLoop, connection: _Connection, origin: _Origin, context: ssl.SSLContext | None
) -> None:
    addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    # As aiohttp does it: asyncio's own way of trying several addresses leaves sockets open when it is cancelled.
    sock = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS)
    try:
        name = origin.host if context else None
        await loop.create_connection(lambda: connection, sock=sock, ssl=context, server_hostname=name)
    except BaseException:
        sock.close()
        raise


def _message(request: Request, origin: _Origin, target: str) -> bytes:
    """The bytes of a request."""
    body = request.body
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {origin.netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    elif request.method != "GET":
        lines.append("Content-Length: 0")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise InvalidRequestError("a header holds a line break, which would begin another header")
    return f"{head}\r\n\r\n".encode() + (body or b"")


def _texts(headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


@lru_cache
def _default_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
