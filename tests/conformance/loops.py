"""The public suite on uvloop, plain and over TLS: apart from the ordinary tests, to keep their time.

Run it by its name: ``pytest tests/conformance/loops.py``, or as the nox session ``loops``.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

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
    cannot: ClassVar[Mapping[str, str]] = {
        "test_a_server_that_answers_and_closes_before_it_reads_has_answered": "it drops what comes before it has sent "
        "anything, which uvloop hands on earlier than asyncio; the call is then told as not sent, which is true"
    }

    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)


class TestHttptoolsTransportOverTlsOnUvloop(OnUvloop, TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)
