"""The public suite on uvloop, plain and over TLS: apart from the ordinary tests, to keep their time.

Run it by its name: ``pytest tests/conformance/loops.py``, or as the nox session ``loops``.
"""

import asyncio
from typing import Any

import pytest

from norce_order_async import AiohttpTransport, HttptoolsTransport
from norce_order_async.testing import TlsTransportConformance, TransportConformance
from norce_order_async.transport import Transport


class OnUvloop:
    def make_loop(self) -> asyncio.AbstractEventLoop:
        uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop


class TestAiohttpTransportOnUvloop(OnUvloop, TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)


class TestAiohttpTransportOverTlsOnUvloop(OnUvloop, TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)


class TestHttptoolsTransportOnUvloop(OnUvloop, TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)


class TestHttptoolsTransportOverTlsOnUvloop(OnUvloop, TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)
