"""The transport that is made where none is given, and the TLS of transports that are given none."""

import ssl
from typing import Any

from norce_order_async.transport import Transport


def default_transport(**settings: Any) -> Transport:
    """An :class:`AiohttpTransport` with these settings."""
    from norce_order_async.transport.aiohttp import AiohttpTransport  # heavy, so only when it is wanted

    return AiohttpTransport(**settings)


def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """A TLS configuration that verifies servers, and offers HTTP/1.1 only.

    Args:
        authorities: The path of a file with the certificates to trust, in place of the system's.

    Raises:
        OSError: The file cannot be read.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context
