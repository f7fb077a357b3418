"""Errors that every transport treats in the same way."""

import asyncio
import ssl
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from norce_order_async.core.errors import ClientStateError, ConnectError, ProxyError, TLSError, TransportError
from norce_order_async.core.wording import reason_of
from norce_order_async.transport.messages import Head, ResponseHeaders

P = ParamSpec("P")
T = TypeVar("T")

_WORDS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "DECRYPT_ERROR")
TOO_LONG = "what came is too long for the head of an answer"
"""The reason of the error for a response whose head is longer than is read."""
NO_STATUS = "what came is not an HTTP answer: its status is below 100"
"""The reason of the error for a response whose status no response can have."""
CUT_OFF = "the server closed the connection before its answer ended"
"""The reason of the error for a response that ends too early."""
NOT_BEGUN = "the connection ended before the request was sent"
"""The reason of the error for a kept connection that ends, or brings an answer, before its next request goes out."""
NO_CONNECTION = "no connection in time"
"""The reason of the error for a connection that was not made within its time limit."""
NO_RESPONSE = "no complete answer in time"
"""The reason of the error for a response that did not end within its time limit."""
PROXY_CUT_OFF = "the proxy closed the connection, or its answer has no end"
"""The reason of the error for a proxy that hangs up before it has answered."""
PROXY_NOT_HTTP = "what the proxy answered is not HTTP"
"""The reason of the error for a proxy that is none."""
IS_CLOSED = "the transport is closed"
"""The reason of the error for a transport that is used after ``aclose``."""
WAS_CLOSED = "the transport was closed"
"""The reason of the error for a transport that was closed while a request was under way."""


def transport_closed() -> ClientStateError:
    """The error for a transport that was closed before a request was sent."""
    return ClientStateError(WAS_CLOSED)


def place_of(host: str, port: int | None) -> str:
    """Host and port, as messages and a CONNECT request name them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def not_connected(error: Exception, place: str, kind: type[TransportError] = ConnectError) -> TransportError:
    """The error for a connection that cannot be made to a server, or through a proxy.

    Args:
        error: Why; it is not kept.
        place: Host and port of the server, or of the proxy.
        kind: The class; with ProxyError the place is a proxy's.
    """
    way = "through the proxy" if kind is ProxyError else "to"
    return caused_by(error, kind(f"cannot connect {way} {place}: {reason_of(error)}", sent=False))


def caused_by(error: Exception, failure: TransportError) -> TransportError:
    """An error with that of the operating system as its cause, without its frames."""
    # The numbers of ssl mean something else.
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        failure.__cause__ = bare(error)
    return failure


def bare(error: OSError) -> OSError:
    """A copy with class, errno and text, fit for a ``__cause__``: the frames of the original hold requests."""
    return OSError(error.errno, error.strerror) if error.errno is not None else OSError(str(error))


def refused_certificate(
    error: BaseException | None, stream: asyncio.Transport | None, *, is_first: bool
) -> TLSError | None:
    """The error for a server that ended a connection because it does not accept the client's certificate.

    In TLS 1.3 that comes after the client's side of the handshake, in place of the first response. The server's side of
    the handshake is not complete then, so the application behind it has read nothing of the request. Whenever else it
    comes, the request may have been read: a server may ask for a certificate after the handshake, too.

    Args:
        error: Why the connection ended.
        stream: The event loop's transport of the connection; None if nothing was sent over it.
        is_first: Whether the request is the first one on the connection.
    """
    while error is not None:
        # Subclasses of other libraries may lack the reason.
        reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
        if "_ALERT_" in reason and any(word in reason for word in _WORDS):
            sent = stream is not None and not (is_first and _asks_in_the_handshake_only(stream))
            return TLSError(f"the server does not accept the client's certificate: {error}", sent=sent)
        error = error.__cause__
    return None


def _asks_in_the_handshake_only(stream: asyncio.Transport) -> bool:
    """Whether a server refuses a certificate after the client's side of the handshake, and at no later time."""
    # What is asked of the ssl_object is None by now.
    cipher: tuple[str, str, int] | None = stream.get_extra_info("cipher")
    context: ssl.SSLContext = stream.get_extra_info("sslcontext")
    return cipher is not None and cipher[1] == "TLSv1.3" and not context.post_handshake_auth


def note_head(error: BaseException, status: int, head: Head) -> None:
    """Note on an error that the head of a response came: also on a cancellation, so that a yes of the API stays one."""
    vars(error).update(status=status, content_type=ResponseHeaders(head).get("content-type"))


def forget_frames(error: BaseException) -> None:
    """Remove the tracebacks of an error and of those it comes from: frames hold requests, and often the error."""
    seen: list[BaseException | None] = [None]
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and all(one is not other for other in seen):
            seen.append(one)
            one.__traceback__ = None
            todo += [one.__cause__, one.__context__]


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, whose errors lead to no frames of it: its arguments may be tokens, or hold some."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            forget_frames(error)
            del args, kwargs
            raise

    return call
