"""The public suite, over the transport that we ship for sockets."""

from typing import Any

from norce_order_async import AiohttpTransport, Transport
from norce_order_async.testing import TlsTransportConformance, TransportConformance


class TestAiohttpTransport(TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)


class TestAiohttpTransportOverTls(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)
