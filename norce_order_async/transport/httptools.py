"""A faster transport, on the event loop's own connections: it does only what a call to the API needs."""

import asyncio
import math
import socket
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import attrs
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

from norce_order_async.core.checks import positive_count, positive_seconds
from norce_order_async.core.errors import (
    ClientStateError,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    ReadTimeout,
    TLSError,
    TransportError,
)
from norce_order_async.core.http import Request, Response
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.transport import Transport, http11
from norce_order_async.transport.http11 import Connection
from norce_order_async.transport.pools import Pools

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


class _Pool:
    """The connections of one event loop."""

    def __init__(self, settings: "HttptoolsTransport") -> None:
        self._settings = settings
        self._idle: dict[_Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None
        self.under_way = 0
        """How many requests are."""

    def take(self, origin: _Origin) -> Connection | None:
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

    def give(self, origin: _Origin, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        if self._closed or not connection.reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None and self._settings.keepalive < math.inf:
            self._sweep = loop.call_later(self._settings.keepalive, self._close_old)

    async def connect(self, origin: _Origin, seconds: float) -> Connection:
        """Make a connection.

        Raises:
            TransportError: That failed.
            ClientStateError: The transport was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        connection = Connection(self._open, self._settings.max_body)
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
        if not http11.installed:
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
        target = "/" if path < 0 else request.url[path:]
        connection: Connection | None = None
        pool.under_way += 1
        try:
            # Our limit, which holds for every wait.
            with TimeLimit(timeout):
                if pool.under_way > 1:
                    await asyncio.sleep(0)  # so that requests leave in a burst: see AiohttpTransport
                connection = pool.take(origin) or await pool.connect(origin, call.timeout.connect)
                return await connection.exchange(request, origin.netloc, target)
        except TimeoutError:
            if connection is None:
                failure: TransportError = ConnectTimeout("no connection in time", sent=False)
            else:
                failure = ReadTimeout("no complete answer in time", sent=True, status=connection.status)
                failure.content_type = connection.content_type
        finally:
            pool.under_way -= 1
            if connection is not None:
                pool.give(origin, connection)
        raise failure

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs; closing twice is fine."""
        await self._pools.aclose()


async def _connect(
    loop: asyncio.AbstractEventLoop, connection: Connection, origin: _Origin, context: ssl.SSLContext | None
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


@lru_cache
def _default_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
