"""The public suite, over the transport that we ship for sockets."""

from typing import Any

from norce_order_async import AiohttpTransport
from norce_order_async.testing import TlsTransportConformance, TransportConformance
from norce_order_async.transport import Transport


class TestAiohttpTransport(TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)


class TestAiohttpTransportOverTls(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)
