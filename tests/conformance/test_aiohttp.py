"""The public suite, over the transport that we ship for sockets, and what is only its own."""

import asyncio
from typing import Any

import aiohttp
import pytest

from norce_order_async import AiohttpTransport, ConnectionLost
from norce_order_async.testing import TlsTransportConformance, TransportConformance
from norce_order_async.testing.conformance.base import in_a_loop, make_request, send_to, settle
from norce_order_async.testing.conformance.lines import FAILURES
from norce_order_async.testing.conformance.origin import OK, responding
from norce_order_async.transport import Transport


class TestAiohttpTransport(TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)

    @in_a_loop
    async def test_a_connection_that_is_reset_is_told_as_that_also_after_the_head(self) -> None:
        async with self.origin(responding(FAILURES["reset after the head"])) as origin:
            ending = await send_to(origin, self.open(), make_request("GET", origin.url))
        assert (str(ending.failure), ending.failure.status) == ("Connection reset by peer", 200)

    @in_a_loop
    async def test_a_kept_connection_that_ends_before_its_turn_is_told_as_that(self) -> None:
        told = set[str]()
        transport = self.open()
        async with self.under_way(transport):
            for turns in range(12):
                async with self.origin() as origin:
                    await send_to(origin, transport, make_request("GET", origin.url))
                    call = asyncio.ensure_future(send_to(origin, transport, make_request("GET", origin.url)))
                    await settle(turns)
                    origin.peers[0].close()
                    ending = await call
                if ending.sent is False:
                    told.add(str(ending.failure))
        assert told == {"the connection ended before the request was sent"}

    @in_a_loop
    async def test_what_comes_while_a_trace_waits_is_no_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def wait(*_: Any) -> None:
            if origin.peers and (peer := origin.peers[0]).received:
                peer.write(OK)
                await peer.end()

        def traced(session: aiohttp.ClientSession, **settings: Any) -> None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(wait)
            make(session, **settings, trace_configs=[trace])

        make = aiohttp.ClientSession.__init__
        monkeypatch.setattr(aiohttp.ClientSession, "__init__", traced)
        async with self.origin() as origin:
            transport = self.open()
            first = await send_to(origin, transport, make_request("GET", origin.url))
            second = await send_to(origin, transport, make_request("DELETE", origin.url))
            assert (first.response.status, type(second.failure), second.sent) == (200, ConnectionLost, False)
            assert b"DELETE" not in origin.peers[0].received

    @in_a_loop
    async def test_who_replaces_the_requests_of_sessions_sees_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def watched(session: aiohttp.ClientSession, method: str, url: Any, **settings: Any) -> Any:
            seen.append(method)
            return made(session, method, url, **settings)

        seen: list[str] = []
        made = aiohttp.ClientSession.request
        async with self.origin() as origin:
            transport = self.open()
            await send_to(origin, transport, make_request("GET", origin.url))
            monkeypatch.setattr(aiohttp.ClientSession, "request", watched)
            await send_to(origin, transport, make_request("DELETE", origin.url))
        assert seen == ["DELETE"]


class TestAiohttpTransportOverTls(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return AiohttpTransport(**settings)
