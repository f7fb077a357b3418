"""The public suite, over the faster transport, on both kinds of event loop."""

import asyncio
from typing import Any, ClassVar

import pytest

from norce_order_async import Transport
from norce_order_async.testing import TransportConformance

pytest.importorskip("httptools", reason="the extra httptools is not installed")

NO_PROXIES = "it knows no proxies"


class TestHttptoolsTransport(TransportConformance):
    cannot: ClassVar[dict[str, str]] = {
        "test_a_proxy_that_refuses_was_not_sent": NO_PROXIES,
        "test_a_proxy_that_is_not_there_was_not_sent": NO_PROXIES,
        "test_a_proxy_that_hangs_up_was_not_sent": NO_PROXIES,
        "test_a_proxy_that_says_nothing_is_a_connect_timeout": NO_PROXIES,
        "test_a_proxy_carries_what_is_encrypted": NO_PROXIES,
    }

    def make_transport(self, **settings: Any) -> Transport:
        from norce_order_async import HttptoolsTransport

        return HttptoolsTransport(**settings)


class TestHttptoolsTransportOnUvloop(TestHttptoolsTransport):
    def make_loop(self) -> asyncio.AbstractEventLoop:
        uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop
