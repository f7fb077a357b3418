"""The default transport, on aiohttp.

aiohttp is kept on a short lead: it must not send a second time by itself, follow redirects, keep cookies, read
``.netrc``, decompress, or run a timer that can swallow a cancellation.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from functools import lru_cache
from types import SimpleNamespace

import aiohttp
import attrs
from yarl import URL

from norce_order_async.checks import positive_count, positive_seconds
from norce_order_async.errors import (
    ClientStateError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    ProxyError,
    ReadTimeout,
    TLSError,
    TransportError,
)
from norce_order_async.http import Request, Response
from norce_order_async.transport import Transport


class _NotSentAgain(Exception):
    """Carries an error past aiohttp's own resending, which looks for ClientOSError and ServerDisconnectedError."""


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NotSentAgain from error


async def _on_headers_sent(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    request: Request = context.trace_request_ctx
    request.call.mark_sent()


@lru_cache
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=None, sock_read=None)


@attrs.frozen(eq=False)
class _Pool:
    """The connections of one event loop."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore


@attrs.define(kw_only=True, eq=False)
class AiohttpTransport(Transport):
    """Sends over aiohttp, with one pool of kept connections for each event loop it is used in.

    A pool is opened with the first request in its loop and closed by :meth:`aclose`, or at the latest when its
    loop shuts down, so one transport serves several ``asyncio.run`` one after another.

    Attributes:
        limit: How many requests at once in each loop; further ones wait their turn before their attempt's
            timer starts.
        keepalive: Seconds that an idle connection is kept; should be below what the server allows, because a
            connection that the server closes at the moment of sending costs an attempt.
        ssl_context: Another TLS configuration than the default one.
        proxy: The URL of an HTTP proxy. Environment variables are not looked at.

    Raises:
        ConfigurationError: A number that is not above zero.
    """

    limit: int = attrs.field(default=100, validator=positive_count)
    keepalive: float = attrs.field(default=15.0, validator=positive_seconds)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False)
    _closed: bool = attrs.field(default=False, init=False, repr=False)
    _pools: dict[asyncio.AbstractEventLoop, _Pool] = attrs.field(
        factory=dict[asyncio.AbstractEventLoop, _Pool], init=False, repr=False
    )
    _lifetimes: dict[asyncio.AbstractEventLoop, AsyncGenerator[_Pool]] = attrs.field(
        factory=dict[asyncio.AbstractEventLoop, AsyncGenerator[_Pool]], init=False, repr=False
    )

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its answer; see :meth:`Transport.send`."""
        pool = self._pools.get(asyncio.get_running_loop()) or await self._open()
        call = request.call
        call.mark_sent(False)
        async with pool.slots:
            if self._closed:
                raise ClientStateError("the transport was closed while the request waited for its turn")
            try:
                # Our timer, not aiohttp's: that one can swallow a cancellation, and misses a stalled chunked body.
                async with (
                    asyncio.timeout(timeout),
                    pool.session.request(
                        request.method,
                        URL(request.url, encoded=True),
                        headers=request.headers,
                        data=request.body,
                        allow_redirects=False,
                        timeout=_connect_limit(call.timeout.connect),
                        trace_request_ctx=request,
                    ) as answer,
                ):
                    return Response(
                        request=request,
                        status=answer.status,
                        headers={name.lower(): value for name, value in answer.headers.items()},
                        body=await answer.read(),
                    )
            except (aiohttp.ClientError, OSError, _NotSentAgain) as error:
                failure = _translate(error, sent=call.attempts[-1].sent)
        raise failure

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs; closing twice is fine."""
        self._closed = True
        here = asyncio.get_running_loop()
        for loop, lifetime in list(self._lifetimes.items()):
            if loop is here:
                await _close(lifetime)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_close(lifetime), loop))

    async def _open(self) -> _Pool:
        if self._closed:
            raise ClientStateError("the transport is closed")
        loop = asyncio.get_running_loop()
        lifetime = self._lifetimes[loop] = self._lifetime(loop)
        return await anext(lifetime)

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[_Pool]:
        # A generator, because event loops close the generators begun in them when they shut down.
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_on_headers_sent)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=self.keepalive, ssl=True if self.ssl_context is None else self.ssl_context
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            proxy=self.proxy,
            middlewares=(_send_once,),
            trace_configs=[tracing],
        )
        self._pools[loop] = pool = _Pool(session, asyncio.Semaphore(self.limit))
        try:
            yield pool
        finally:
            del self._pools[loop], self._lifetimes[loop]
            await session.close()


async def _close(lifetime: AsyncGenerator[_Pool]) -> None:
    await lifetime.aclose()


def _translate(error: Exception, *, sent: bool | None) -> TransportError:
    """Our error for aiohttp's. Raised outside the ``except`` block, so that only what is set here stays reachable."""
    if isinstance(error, _NotSentAgain) and error.__cause__ is not None:
        cause: BaseException = error.__cause__
    else:
        cause = error
    text = str(cause) or type(cause).__name__
    if isinstance(cause, aiohttp.ClientConnectorError):
        text = f"cannot connect to {cause.host}:{cause.port}: {cause.strerror or cause.os_error}"
    failure: TransportError
    match cause:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            failure = TLSError(text, sent=False)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
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
            return ConnectionLost(f"what came is not an HTTP answer: {cause.message}", sent=True)
        case _:
            failure = ConnectionLost(text, sent=sent)
    failure.__cause__ = cause
    return failure
