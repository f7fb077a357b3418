"""A faster transport, on the event loop's own connections: it does only what a call to the API needs."""

import asyncio
import math
import ssl
from collections.abc import Iterable
from contextvars import Context
from functools import lru_cache

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.errors import (
    ClientStateError,
    ConfigurationError,
    ConnectTimeout,
    InvalidRequestError,
    TLSError,
    TransportError,
)
from norce_order_async.core.http import Request, Response
from norce_order_async.loops.per_loop import PerLoop
from norce_order_async.loops.time_limit import TimeLimit, TimeLimits
from norce_order_async.transport import http11
from norce_order_async.transport.connections import await_closed, end_of_life, take_surplus
from norce_order_async.transport.default import tls_context
from norce_order_async.transport.dial import Origin, Proxy, dial
from norce_order_async.transport.errors import (
    NO_CONNECTION,
    forget_frames,
    not_connected,
    note_head,
    transport_closed,
)
from norce_order_async.transport.http11 import BUFFER, Connection, Exchange
from norce_order_async.transport.messages import written
from norce_order_async.transport.pools import PooledTransport

_AFTER_SCHEME = len("https://")
_default_context = lru_cache(tls_context)
_buffers = PerLoop(lambda: memoryview(bytearray(BUFFER)))
"""What all connections of an event loop read into, those of other transports included."""


class _Pool:
    """The connections of one event loop."""

    def __init__(self, settings: "HttptoolsTransport", proxy: Proxy | None) -> None:
        self._settings = settings
        self._proxy = proxy
        self._idle: dict[str, list[Connection]] = {}
        """The idle connections to each origin's URL, the one used last at the end."""
        self._open: dict[Connection, None] = {}
        self._connecting: dict[TimeLimit, None] = {}
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None
        self.limits = TimeLimits[TimeLimit | Connection]()
        """The limits of making connections, and of exchanges."""
        self.under_way = 0
        """How many requests are under way."""
        self._queue: list[Exchange] = []
        self._buffer = _buffers.here()

    def begin(self, exchange: Exchange, now: float, loop: asyncio.AbstractEventLoop) -> None:
        """Send a request; where others are under way, in a burst with them, one turn of the loop later.

        See aiohttp_internals.Connector. If there is no idle connection for it, nobody waits for it any more.
        """
        self.under_way += 1
        if self.under_way == 1:
            self._send(exchange, now, loop)
            return
        if not self._queue:
            loop.call_soon(self._send_queue, loop)
        self._queue.append(exchange)

    def _send_queue(self, loop: asyncio.AbstractEventLoop) -> None:
        queue, self._queue = self._queue, []
        now = loop.time()
        for exchange in queue:
            if exchange.waiting.done():
                continue  # its call was cancelled
            try:
                self._send(exchange, now, loop)
            except Exception as error:  # of the event loop's transport
                if not exchange.waiting.done():
                    exchange.waiting.set_exception(error)

    def _send(self, exchange: Exchange, now: float, loop: asyncio.AbstractEventLoop) -> None:
        """Send a request over an idle connection that can be used, if there is one."""
        idle = self._idle.get(exchange.origin.url)
        while idle:
            connection = idle.pop()
            # After the loop was blocked, the timer has not yet closed those that were idle too long.
            too_old = connection.idle_since < now - self._settings.keepalive or connection.used_until <= now
            if not (too_old or connection.has_unread()):
                connection.start(exchange, now, self.limits, loop)
                return
            connection.abort()
        self._forget(exchange.origin)
        exchange.waiting.set_result(None)

    def end(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """An exchange is over: keep its connection for the next one, or close it."""
        self.under_way -= 1
        connection = exchange.connection
        if connection is None:
            return
        if not connection.leave(self.limits) or self._closed:
            connection.abort()
            self._forget(exchange.origin)
            return
        connection.idle_since = loop.time()
        self._idle.setdefault(exchange.origin.url, []).append(connection)
        if self._sweep is None and self._settings.keepalive < math.inf:
            self._sweep_at(connection.idle_since + self._settings.keepalive, loop)

    def _forget(self, origin: Origin) -> None:
        """Keep nothing of an origin that has no idle connection any more."""
        if self._idle.get(origin.url) == []:
            del self._idle[origin.url]

    async def connect(self, origin: Origin, call: Call, timeout: float) -> Connection:
        """Make a connection, in the time that the call and the attempt leave for it.

        Raises:
            TransportError: That failed.
            ClientStateError: The transport was closed meanwhile.
        """
        if self._closed:
            raise transport_closed()
        surplus = take_surplus(self._idle, lambda kept: kept.idle_since, lambda kept: kept.stream is not None)
        if surplus is not None:
            surplus.abort()
        settings = self._settings
        connection = Connection(self._open, settings.max_body, self._buffer)
        context = (settings.ssl_context or _default_context()) if origin.tls else None
        limit = TimeLimit(min(call.timeout.connect, timeout), self.limits)
        self._connecting[limit] = None
        failure: TransportError | ClientStateError
        made = False
        try:
            connection.used_until = end_of_life(asyncio.get_running_loop(), settings.max_age, call.random)
            with limit:
                await dial(connection, origin, resolver=settings.resolver, context=context, proxy=self._proxy)
            made = True
            return connection
        except (
            TransportError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # the last two for host names that cannot be encoded
            forget_frames(error)
            failure = transport_closed() if self._closed else _failure(error, origin)
        finally:
            self._connecting.pop(limit, None)
            if not made:
                connection.abort()
                self._open.pop(connection, None)  # uvloop closes it without telling it so
        try:
            raise failure
        finally:
            del failure

    def connections(self) -> Iterable[asyncio.Transport]:
        """All of them."""
        return [connection.stream for connection in self._open if connection.stream is not None]

    async def close(self) -> None:
        """Close them, those in use as well."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for limit in list(self._connecting):
            limit.expire()
        for connection in list(self._open):
            connection.abort()
        await await_closed()

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
            self._sweep_at(first + self._settings.keepalive, loop)

    def _sweep_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        # In a context of its own: that of the first call would be kept for as long as others follow it.
        self._sweep = loop.call_at(when, self._close_old, context=Context())


@attrs.define(kw_only=True, eq=False)
class HttptoolsTransport(PooledTransport[_Pool]):
    """Sends over the event loop's own connections, with the parser of httptools.

    It needs the extra ``speed``, keeps every promise that :class:`AiohttpTransport` keeps, and takes two fifths of
    its CPU time. Unlike that one it reaches no proxy over TLS.

    Attributes:
        keepalive: Seconds that an idle connection is kept; should be below what the server allows, because a
            connection that the server closes at the moment of sending costs an attempt.
        max_age: Seconds after which a connection is used no more, however busy, and its host is looked up anew.
        ssl_context: Another TLS configuration than the default one.
        proxy: The http URL of an HTTP proxy. Environment variables are not looked at.
        resolver: Looks hosts up; shared by all transports unless it is set.
        max_body: How many bytes of a response's body are read. Of a larger one the beginning is returned, marked
            ``truncated``, and the connection is closed.

    Raises:
        ConfigurationError: A number that is not above zero, a proxy, an ``ssl_context`` or a resolver that is none, or
            httptools is not installed.
    """

    proxy: str | None = attrs.field(default=None, repr=False)
    _route: Proxy | None = attrs.field(
        default=attrs.Factory(lambda self: None if self.proxy is None else Proxy.parse(self.proxy), takes_self=True),
        init=False,
        repr=False,
    )

    def __attrs_post_init__(self) -> None:
        if not http11.installed:
            raise ConfigurationError('this transport needs httptools: pip install "norce-order-async[speed]"')

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its response; see :meth:`Transport.send`.

        Raises:
            InvalidRequestError: A middleware has set a header that cannot be sent.
        """
        loop = asyncio.get_running_loop()
        call = request.call
        attempt = call.attempts[-1]
        attempt.sent = False
        pool = self._pools.ready.get(loop) or await self._pools.open()
        url = request.url
        path = url.find("/", _AFTER_SCHEME)
        origin = Origin.of(url if path < 0 else url[:path])
        target = "/" if path < 0 else url[path:]
        through = self._route if not origin.tls else None
        if through is None:
            message = written(request, origin.netloc, target)
        else:
            message = written(request, origin.netloc, origin.url + target, *through.lines)
        if isinstance(message, str):
            raise InvalidRequestError(message)
        seconds = math.inf if timeout is None else timeout
        exchange = Exchange(origin, attempt, message, seconds, loop.create_future())
        del message  # so that it is let go once it is sent
        now = loop.time()
        try:
            pool.begin(exchange, now, loop)
            await exchange.waiting
            connection = exchange.connection
            if connection is None:
                connection = await pool.connect(origin, call, seconds)
                exchange.waiting = loop.create_future()
                connection.start(exchange, now, pool.limits, loop)
                await exchange.waiting
            return connection.result(request)
        except asyncio.CancelledError as error:
            if (connection := exchange.connection) is not None and connection.status is not None:
                note_head(error, connection.status, connection.head)
            raise
        finally:
            pool.end(exchange, loop)

    def _make_pool(self) -> _Pool:
        return _Pool(self, self._route)


def _failure(error: Exception, origin: Origin) -> TransportError:
    """The error that stands for one of making a connection."""
    match error:
        case TransportError():
            return error
        case TimeoutError():
            return ConnectTimeout(NO_CONNECTION, sent=False)
        case ssl.SSLError():
            return not_connected(error, origin.address, TLSError)
        case _:
            return not_connected(error, origin.address)
