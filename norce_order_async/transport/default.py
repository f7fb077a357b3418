"""The transport that is made where none is given."""

from norce_order_async.transport import Transport


def default_transport() -> Transport:
    """An :class:`AiohttpTransport`."""
    from norce_order_async.transport.aiohttp import AiohttpTransport  # heavy, so only when it is wanted

    return AiohttpTransport()
