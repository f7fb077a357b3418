"""Errors of aiohttp, and the errors of this package that stand for them."""

import ssl

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
    bare,
)
from norce_order_async.core.wording import reason_of
from norce_order_async.transport.errors import CUT_OFF, NO_CONNECTION, NO_RESPONSE, TOO_LONG


class NotSentAgain(Exception):
    """Wraps an error after which aiohttp would send the request again: ClientOSError, ServerDisconnectedError."""


class HeadTooLong(Exception):
    """The head of a response is too long; aiohttp limits its lines and their number, not the whole."""


def translate(error: Exception, *, sent: bool | None, proxy: str | None) -> TransportError:
    """The error that stands for one of aiohttp, which is not kept.

    Its frames hold the request, and its text may hold a proxy's password.
    To be raised outside the ``except`` block, so that it does not become the context.

    Args:
        error: The error.
        sent: Whether the request's headers went out.
        proxy: The URL of the proxy that the request goes through.
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
        case HeadTooLong():
            return ConnectionLost(TOO_LONG, sent=sent)
        case aiohttp.ClientResponseError() | HttpProcessingError():
            reason = type(cause.__cause__ or cause).__name__
            return ConnectionLost(f"what came is not an HTTP answer: {reason}", sent=sent)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return ConnectionLost(CUT_OFF, sent=sent)
        case OSError() if cause.errno is not None:
            return _caused_by(cause, ConnectionLost(reason_of(cause), sent=sent))
        case _:
            return ConnectionLost(f"the connection failed: {type(cause).__name__}", sent=sent)


def _not_connected(error: aiohttp.ClientConnectorError, proxy: URL) -> TransportError:
    inner = getattr(error, "certificate_error", None) or error.os_error
    place, reason = f"{error.host}:{error.port}", reason_of(inner)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return TLSError(f"cannot connect to {place}: {reason}", sent=False)
    if (error.host, error.port) == (proxy.raw_host, proxy.port):  # also where its name is not known
        return _caused_by(inner, ProxyError(f"cannot connect through the proxy {place}: {reason}", sent=False))
    return _caused_by(inner, ConnectError(f"cannot connect to {place}: {reason}", sent=False))


def _caused_by(error: OSError, failure: TransportError) -> TransportError:
    if error.errno is not None and not isinstance(error, ssl.SSLError):  # whose numbers mean something else
        failure.__cause__ = bare(error)
    return failure
