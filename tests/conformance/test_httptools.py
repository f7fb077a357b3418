"""The faster transport: the public suite, and what is only its own."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from norce_order_async import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    HttptoolsTransport,
    ProxyError,
)
from norce_order_async.testing import TlsTransportConformance, TransportConformance
from norce_order_async.testing.conformance.base import in_a_loop, make_request, mark, send, send_to
from norce_order_async.testing.conformance.connecting import address
from norce_order_async.testing.conformance.origin import OK, Peer, responding
from norce_order_async.transport import Response, Transport
from norce_order_async.transport.http11 import Connection, Exchange
from norce_order_async.transport.resolver import HostResolver


class TestHttptoolsTransport(TransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)

    @in_a_loop
    async def test_a_head_without_end_is_no_answer(self) -> None:
        async def serve(peer: Peer) -> None:
            await peer.request()
            peer.write(b"HTTP/1.1 200 OK\r\nx: ")
            while True:
                peer.write(b"x" * 10_000)
                await asyncio.sleep(0)

        async with self.origin(serve) as origin:
            ending = await send_to(origin, self.open(), make_request("GET", origin.url))
        assert "too long" in str(ending.failure)

    @pytest.mark.parametrize("endless", [b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
    @in_a_loop
    async def test_a_proxy_that_never_comes_to_its_answer_is_left(self, endless: bytes) -> None:
        async def serve(peer: Peer) -> None:
            await peer.request()
            while not peer.gone.is_set():
                peer.write(endless * 1000)
                await asyncio.sleep(0)

        async with self.origin(serve) as proxy:
            request = make_request("GET", "https://norce.invalid/a")
            ending = await send_to(proxy, self.open(proxy=proxy.url), request)
        assert (type(ending.failure), ending.sent) == (ProxyError, False)

    @in_a_loop
    async def test_a_body_in_very_small_chunks_is_read(self) -> None:
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
        async with self.origin(responding(chunks, OK)) as origin:
            transport = self.open()
            assert (await send_to(origin, transport, make_request("GET", origin.url))).response.body == b"x" * 100_000
            assert (await send_to(origin, transport, make_request("GET", origin.url))).response.body == b"ok"
            assert len(origin.peers) == 1

    @in_a_loop
    async def test_idle_connections_are_closed_after_their_time(self) -> None:
        async with self.origin() as origin:
            transport = self.open(keepalive=0.5)
            for _ in range(2):
                await send_to(origin, transport, make_request("GET", origin.url))
            assert len(origin.peers) == 1
            await origin.peers[0].gone.wait()

    @in_a_loop
    async def test_a_connection_that_is_lost_at_once_is_told_as_that(self) -> None:
        async def reset(peer: Peer) -> None:
            peer.reset()

        async with self.origin(reset) as origin:
            transport = self.open()
            for _ in range(50):
                ending = await send_to(origin, transport, make_request("PATCH", origin.url, b"{}"))
                assert isinstance(ending.failure, (ConnectError, ConnectionLost))

    @in_a_loop
    async def test_of_several_addresses_the_one_that_failed_is_not_tried_again(self) -> None:
        async def hang_up(peer: Peer) -> None:
            await peer.more()
            peer.reset()

        async with self.hole() as hole, self.origin(hang_up) as origin:
            if not hole.works:
                pytest.skip("this system takes every connection")
            found = [address(hole.port), address(origin.port)]
            transport = self.open(resolver=HostResolver(lambda host, port: found))
            ending = await send(transport, make_request("GET", "https://norce.invalid", connect=0.6))
            assert (type(ending.failure), len(origin.peers)) == (ConnectTimeout, 1)

    @in_a_loop
    async def test_what_is_cancelled_before_its_turn_is_not_sent_and_the_others_are(self) -> None:
        async with self.origin() as origin:
            transport = self.open()
            for _ in range(2):  # the second time over connections that are there
                requests = [make_request("PATCH", origin.url, b"{}") for _ in range(4)]
                sending = [asyncio.ensure_future(send(transport, request)) for request in requests]
                await asyncio.sleep(0)  # all have been handed to the transport
                sending[2].cancel()
                endings = await asyncio.gather(*sending, return_exceptions=True)
                assert isinstance(endings[2], asyncio.CancelledError)
                assert [request.call.attempts[-1].sent for request in requests] == [True, True, False, True]
                assert [origin.got(mark(request)) for request in requests] == [True, True, False, True]

    @in_a_loop
    async def test_what_the_event_loop_refuses_ends_its_own_call_only(self) -> None:
        async with self.origin() as origin:
            transport = self.open()
            await asyncio.gather(*[send(transport, make_request("PATCH", origin.url, b"{}")) for _ in range(4)])
            requests = [make_request("PATCH", origin.url, b"{}") for _ in range(4)]
            refused = requests[2].call.attempts[-1]
            start = Connection.start

            def refuse(connection: Connection, exchange: Exchange, *rest: Any) -> None:
                if exchange.attempt is refused:
                    raise RuntimeError("the handler is closed")
                start(connection, exchange, *rest)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Connection, "start", refuse)
                sending = [transport.send(request, timeout=5.0) for request in requests]
                endings = await asyncio.gather(*sending, return_exceptions=True)
            assert [isinstance(ending, Response) for ending in endings] == [True, True, False, True]
            assert str(endings[2]) == "the handler is closed"
            assert refused.sent is False


class TestHttptoolsTransportOverTls(TlsTransportConformance):
    def make_transport(self, **settings: Any) -> Transport:
        return HttptoolsTransport(**settings)


def test_without_httptools_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.transport.http11.installed", False)
    with pytest.raises(ConfigurationError, match=r"norce-order-async\[speed\]"):
        HttptoolsTransport()


def test_a_call_that_is_cancelled_as_its_connection_opens_leaves_nothing_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    made: list[weakref.ref[Connection]] = []
    opened = Connection.connection_made

    async def main() -> list[Connection | None]:
        def cancel(connection: Connection, transport: asyncio.BaseTransport) -> None:
            opened(connection, transport)
            made.append(weakref.ref(connection))
            sending.pop().cancel()

        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server, HttptoolsTransport() as transport:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Connection, "connection_made", cancel)
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                sending = [asyncio.ensure_future(transport.send(make_request("GET", url), timeout=5.0))]
                await asyncio.wait(sending, timeout=5)
            await asyncio.sleep(0)  # uvloop closes its side
            gc.collect()
            return [connection() for connection in made]

    assert uvloop.run(main()) == [None]
