"""The public suite over what the ordinary tests leave out, to keep their time: TLS on uvloop, and aiohttp on it.

Run it by its name: ``pytest tests/conformance/loops.py``, or as the nox session ``loops``.
"""

import asyncio
from typing import Any

import pytest

from norce_order_async import AiohttpTransport, HttptoolsTransport, Transport
from norce_order_async.testing import TlsTransportConformance, TransportConformance


def uvloops() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class TestAiohttpTransportOnUvloop(TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return uvloops()


class TestAiohttpTransportOverTlsOnUvloop(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return uvloops()


class TestHttptoolsTransportOverTlsOnUvloop(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return uvloops()
