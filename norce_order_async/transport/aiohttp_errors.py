"""Errors of aiohttp, and the errors of this package that stand for them."""

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from norce_order_async.core.errors import (
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    ProxyError,
    ReadTimeout,
    TLSError,
    TransportError,
)
from norce_order_async.core.wording import reason_of
from norce_order_async.transport.errors import (
    CUT_OFF,
    NO_CONNECTION,
    NO_RESPONSE,
    NOT_BEGUN,
    PROXY_CUT_OFF,
    PROXY_NOT_HTTP,
    caused_by,
    not_connected,
    place_of,
)


class NotSentAgain(Exception):
    """Wraps an error after which aiohttp would send the request again: ClientOSError, ServerDisconnectedError."""


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A client middleware that keeps aiohttp from sending a request again.

    Raises:
        NotSentAgain: An error after which aiohttp would do so.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise NotSentAgain from error


class UnusableHead(Exception):
    """The head of a response that aiohttp takes, and that is none: for the reason that the text says."""


def cause(error: Exception, lost: Exception | None) -> Exception:
    """The error with which the connection was lost, where aiohttp raises that of the body which it has cut off."""
    if isinstance(error, aiohttp.ClientPayloadError) and isinstance(lost, aiohttp.ClientOSError):
        return lost
    return error


def translate(error: Exception, *, sent: bool | None, proxy: str | None) -> TransportError:
    """The error that stands for one of aiohttp, which is not kept.

    Its frames hold the request, and its text may hold a proxy's password.
    To be raised outside the ``except`` block, so that it does not become the context.

    Args:
        error: The error.
        sent: Whether the request's headers went out.
        proxy: The URL of the proxy through which a connection was being made, if there is one.
    """
    cause = error.__cause__ if isinstance(error, NotSentAgain) else error
    match cause:
        case aiohttp.ClientHttpProxyError():
            return ProxyError(f"the proxy answered {cause.status}", sent=False)
        case aiohttp.ClientConnectorError():
            return _not_connected(cause, URL(proxy or ""))
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeout(NO_CONNECTION, sent=False)
        case TimeoutError() if sent:
            return ReadTimeout(NO_RESPONSE, sent=True)
        case TimeoutError():
            return ConnectTimeout(NO_CONNECTION, sent=False)
        case aiohttp.ClientResponseError() | HttpProcessingError() if proxy is not None:
            return ProxyError(PROXY_NOT_HTTP, sent=False)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() if proxy is not None:
            return ProxyError(PROXY_CUT_OFF, sent=False)
        case aiohttp.ClientOSError() if proxy is not None:
            url = URL(proxy)
            return not_connected(cause, place_of(url.raw_host or "", url.port), ProxyError)
        case UnusableHead():
            return ConnectionLost(str(cause), sent=sent)
        case aiohttp.ClientResponseError() | HttpProcessingError():
            reason = type(cause.__cause__ or cause).__name__
            return ConnectionLost(f"what came is not an HTTP answer: {reason}", sent=sent)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return ConnectionLost(NOT_BEGUN if sent is False else CUT_OFF, sent=sent)
        case OSError() if cause.errno is not None:
            return caused_by(cause, ConnectionLost(reason_of(cause), sent=sent))
        case _:
            return ConnectionLost(f"the connection failed: {type(cause).__name__}", sent=sent)


def _not_connected(error: aiohttp.ClientConnectorError, proxy: URL) -> TransportError:
    inner = getattr(error, "certificate_error", None) or error.os_error
    place = place_of(error.host, error.port)
    kind: type[TransportError] = ConnectError
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        kind = TLSError
    elif (error.host, error.port) == (proxy.raw_host, proxy.port):  # also where its name is not known
        kind = ProxyError
    return not_connected(inner, place, kind)
