"""Errors of aiohttp, and the errors of this package that stand for them."""

import ssl

import aiohttp
from aiohttp.http import HttpProcessingError

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


def translate(error: Exception, *, sent: bool | None) -> TransportError:
    """The error that stands for one of aiohttp, which is not kept.

    Its frames hold the request, and its text may hold a proxy's password.
    To be raised outside the ``except`` block, so that it does not become the context.
    """
    cause = error.__cause__ if isinstance(error, NotSentAgain) else error
    match cause:
        case aiohttp.ClientHttpProxyError():
            return ProxyError(f"the proxy answered {cause.status}", sent=False)
        case aiohttp.ClientConnectorError():
            return _not_connected(cause)
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


def _not_connected(error: aiohttp.ClientConnectorError) -> TransportError:
    inner = getattr(error, "certificate_error", None) or error.os_error
    text = f"cannot connect to {error.host}:{error.port}: {reason_of(inner)}"
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
