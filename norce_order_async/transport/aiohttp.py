"""The default transport, on aiohttp.

aiohttp must not send a second time by itself, follow redirects, keep cookies, read ``.netrc``, decompress, or run a
timer that can swallow a cancellation.
"""

import asyncio
import math
import socket
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

import aiohttp
import attrs
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from norce_order_async.core.errors import ClientStateError, ConnectionLost, InvalidRequestError, TransportError
from norce_order_async.core.http import Request, Response
from norce_order_async.loops.time_limit import TimeLimit, TimeLimits
from norce_order_async.transport.aiohttp_errors import UnusableHead, cause, send_once, translate
from norce_order_async.transport.aiohttp_internals import (
    Connector,
    Exchange,
    PlainRequest,
    request_of,
    take_headers_as_given,
    whole_body,
)
from norce_order_async.transport.connections import await_closed
from norce_order_async.transport.errors import (
    NO_STATUS,
    TOO_LONG,
    WAS_CLOSED,
    forget_frames,
    note_head,
    refused_certificate,
    transport_closed,
)
from norce_order_async.transport.messages import (
    MAX_HEAD,
    MAX_HEADERS,
    Head,
    is_too_long,
    make_response,
    unsendable,
)
from norce_order_async.transport.pools import PooledTransport
from norce_order_async.transport.proxy import proxy_url
from norce_order_async.transport.resolver import HostResolver

_NEVER_RESENT = frozenset({"PATCH", "POST"})
"""The methods that aiohttp does not send again by itself, because they are not idempotent."""
_ONCE = (send_once,)


class _Resolver(AbstractResolver):
    """Gives aiohttp the addresses that a :class:`HostResolver` knows."""

    def __init__(self, resolver: HostResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host."""
        return [
            ResolveResult(hostname=host, host=address[0], port=address[1], family=kind, proto=0, flags=0)
            for kind, _, _, _, address in await self._resolver.resolve(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept here."""


@attrs.frozen(eq=False)
class _Pool:
    """The connections of one event loop."""

    session: aiohttp.ClientSession
    connector: Connector
    limits: TimeLimits[TimeLimit] = attrs.Factory(TimeLimits[TimeLimit])

    def connections(self) -> Iterable[asyncio.Transport]:
        """All of them."""
        return self.connector.streams()

    async def close(self) -> None:
        """Close them, those in use as well."""
        self.connector.is_closing = True
        for exchange in self.connector.exchanges.values():
            if exchange.stream is None:
                exchange.limit.expire()
            exchange.abort()
        # A request that reads from one has to learn of it before the session forgets the request.
        try:
            await await_closed()
        finally:  # also where its loop ends meanwhile
            await self.session.close()


def _check_proxy(instance: object, attribute: object, value: str | None) -> None:
    if value is not None:
        proxy_url(value, ("http", "https"))


@attrs.define(kw_only=True, eq=False)
class AiohttpTransport(PooledTransport[_Pool]):
    """Sends over aiohttp, with one pool of kept connections for each event loop it is used in.

    A pool is opened with the first request in its loop and closed by ``aclose()``, or at the latest when its
    loop shuts down, so one transport serves several ``asyncio.run`` one after another.

    Attributes:
        keepalive: Seconds that an idle connection is kept; should be below what the server allows, because a
            connection that the server closes at the moment of sending costs an attempt.
        max_age: Seconds after which a connection is used no more, however busy, and its host is looked up anew.
        ssl_context: Another TLS configuration than the default one.
        proxy: The URL of an HTTP proxy. Environment variables are not looked at.
        resolver: Looks hosts up; shared by all transports unless it is set.
        max_body: How many bytes of a response's body are read. Of a larger one the beginning is returned, marked
            ``truncated``, and the connection is closed.

    Raises:
        ConfigurationError: A number that is not above zero, or a proxy, an ``ssl_context`` or a resolver that is none.
    """

    proxy: str | None = attrs.field(default=None, repr=False, validator=_check_proxy)

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its response; see :meth:`Transport.send`."""
        loop = asyncio.get_running_loop()
        call = request.call
        attempt = call.attempts[-1]
        attempt.sent = False
        pool = self._pools.ready.get(loop) or await self._pools.open()
        if (problem := unsendable(request.url, request.headers)) is not None:
            raise InvalidRequestError(problem)
        task, connector = asyncio.current_task(loop), pool.connector
        exchange = Exchange(connector, attempt, call.random, TimeLimit(timeout, pool.limits, loop))
        connector.exchanges[task] = exchange
        failure: TransportError | ClientStateError
        try:
            # aiohttp's own limit can swallow a cancellation, and misses a stalled chunked body.
            with exchange.limit:
                url, host = _address(request.url)
                exchange.response = await request_of(pool.session)(
                    request.method,
                    url,
                    headers=CIMultiDict({"Host": host, **request.headers}),  # what aiohttp would make, slower
                    data=request.body,
                    allow_redirects=False,
                    timeout=_connect_limit(call.timeout.connect),
                    middlewares=() if request.method in _NEVER_RESENT else _ONCE,
                )
                status, head = exchange.response.status, _head_of(exchange.response)
                if status < 100 or is_too_long(head):
                    raise UnusableHead(NO_STATUS if status < 100 else TOO_LONG)
                content = exchange.response.content
                body = whole_body(content) if content.is_eof() else await _read(content, self.max_body)
                exchange.check_end(head)
            exchange.done = status != 101 and len(body) <= self.max_body
            return make_response(request, status, head, body, self.max_body)
        except asyncio.CancelledError as error:
            # Closing a session cancels the look-ups of addresses, and with them the requests that wait for one.
            if not pool.session.closed or exchange.limit.is_cancelled():
                if exchange.response is not None:
                    note_head(error, exchange.response.status, _head_of(exchange.response))
                forget_frames(error)  # aiohttp's: they hold the headers, with the token
                raise
            failure = transport_closed()
        except Exception as error:
            is_closed = attempt.sent is False and connector.is_closing
            failure = transport_closed() if is_closed else _failure(error, exchange, self.proxy)
            forget_frames(error)
        finally:
            del connector.exchanges[task]
            exchange.leave()
        try:
            raise failure
        finally:
            del failure

    def _make_pool(self) -> _Pool:
        connector = Connector(
            max_age=self.max_age,
            limit=0,
            # It makes an integer of it, and its timer keeps the context of the call that sets it; for None it has none.
            keepalive_timeout=None if self.keepalive == math.inf else self.keepalive,
            ssl=True if self.ssl_context is None else self.ssl_context,
            resolver=_Resolver(self.resolver),
            use_dns_cache=False,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            proxy=self.proxy,
            request_class=PlainRequest,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
        )
        take_headers_as_given(session)
        return _Pool(session, connector)


def _head_of(response: aiohttp.ClientResponse) -> Head:
    return [*chain.from_iterable(response.raw_headers)]


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    """A body, or more than ``limit`` bytes of it."""
    body = bytearray()
    while len(body) <= limit:
        if content.at_eof():
            if (error := content.exception()) is not None:
                raise error
            break
        body += await content.readany()
    return bytes(body)


def _failure(error: Exception, exchange: Exchange, proxy: str | None) -> TransportError:
    """The error that stands for one of an exchange; with what is known of its response, if its head came."""
    response = exchange.response
    stream = exchange.stream if exchange.attempt.sent else None
    refused = refused_certificate(error, stream, is_first=exchange.is_first) if response is None else None
    through = proxy if exchange.protocol is None else None
    failure: TransportError
    if exchange.connector.is_closing:
        failure = ConnectionLost(WAS_CLOSED, sent=exchange.attempt.sent)
    else:
        failure = refused or translate(cause(error, exchange.lost), sent=exchange.attempt.sent, proxy=through)
    if response is not None and not isinstance(error, UnusableHead):
        note_head(failure, response.status, _head_of(response))
    return failure


@lru_cache(maxsize=1024)  # one for each shop that has its own host
def _origin(url: str) -> tuple[URL, str]:
    origin = URL(url)
    return origin, origin.host_port_subcomponent or ""


def _address(url: str) -> tuple[URL, str]:
    """The URL as it stands and its host, made from its origin: to parse it anew for each order would cost more."""
    path = url.find("/", len("https://"))
    if path < 0:
        return _origin(url)
    origin, host = _origin(url[:path])
    if "?" in url:
        return URL(f"{origin}{url[path:]}", encoded=True), host
    return origin.with_path(url[path:], encoded=True), host


@lru_cache
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    limit = None if math.isinf(seconds) else seconds
    return aiohttp.ClientTimeout(total=None, connect=limit, sock_connect=None, sock_read=None)
