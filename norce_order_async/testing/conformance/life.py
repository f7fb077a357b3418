"""Event loops, threads, and closing."""

import asyncio
import socket
import threading
from functools import partial
from typing import Any

import pytest

from norce_order_async.core.errors import ClientStateError, ReadTimeout
from norce_order_async.testing.conformance.base import (
    Ending,
    Promises,
    in_a_loop,
    make_request,
    mark,
    send,
    send_to,
    settle,
    sockets,
    together,
)
from norce_order_async.testing.conformance.lines import LARGE, no_host, of
from norce_order_async.testing.conformance.origin import OK, Peer, RawOrigin

_UNSENT = ("name", "connect", "handshake")
"""The phases of an exchange in which nothing of the request was sent."""


class Life(Promises):
    """Event loops, threads, and closing."""

    def test_it_serves_several_event_loops_one_after_another(self) -> None:
        """Three times ``asyncio.run``, without a warning of a connection left open."""
        transport = self.transport()

        async def once() -> None:
            async with self.origin() as origin:
                for _ in range(2):
                    assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"

        before = sockets()
        for _ in range(3):
            self.run(once)
            assert sockets() <= before
        self.run(transport.aclose)

    def test_it_serves_several_event_loops_at_once_and_closes_in_all(self) -> None:
        """Each in a thread of its own."""
        transport = self.transport()
        used, closed, failures = threading.Barrier(4), threading.Event(), list[BaseException]()

        async def elsewhere() -> None:
            async with self.origin() as origin:
                calls = [send_to(origin, transport, of("PATCH", origin)) for _ in range(20)]
                assert {ending.response.body for ending in await asyncio.gather(*calls)} == {b"ok"}
                await asyncio.to_thread(used.wait, 10)
                await asyncio.to_thread(closed.wait, 10)
                for peer in origin.peers:
                    await peer.gone.wait()
                assert isinstance((await send(transport, of("GET", origin))).error, ClientStateError)

        def run() -> None:
            try:
                self.run(elsewhere)
            except BaseException as error:
                failures.append(error)
                used.abort()

        async def here() -> None:
            async with self.origin() as origin:
                await send_to(origin, transport, of("GET", origin))
                await asyncio.to_thread(used.wait, 10)
                await transport.aclose()
                closed.set()

        before = sockets()
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            self.run(here)
        finally:
            closed.set()
            for thread in threads:
                thread.join()
        assert not failures
        assert sockets() <= before

    @in_a_loop
    async def test_closed_is_closed_however_often(self) -> None:
        """Unused or used, twice, or twice at once."""
        async with self.origin() as origin:
            for used in (False, True):
                for at_once in (False, True):
                    transport = self.transport()
                    if used:
                        await send_to(origin, transport, of("GET", origin))
                    if at_once:
                        assert await together(transport.aclose(), transport.aclose()) == [None, None]
                    else:
                        await transport.aclose()
                        await transport.aclose()
                    request = of("GET", origin)
                    assert isinstance((await send_to(origin, transport, request)).error, ClientStateError)
                    assert not origin.got(mark(request))
            async with self.transport() as transport:
                await send_to(origin, transport, of("GET", origin))
            assert isinstance((await send_to(origin, transport, of("GET", origin))).error, ClientStateError)

    @pytest.mark.parametrize(
        "phase", ["name", "connect", "handshake", "send", "wait", "read", "read to the end", "idle"]
    )
    @in_a_loop
    async def test_closing_with_calls_in_flight_cancels_nobody(
        self, phase: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They end with a response, a TransportError or a ClientStateError, and their connections are gone."""
        stay, asked, answered = asyncio.Event(), threading.Event(), threading.Event()
        serve = partial(_serve_until, phase, stay)

        def slow(*_: object, **__: object) -> Any:
            asked.set()
            answered.wait(10)
            no_host()

        # A peer of an origin that speaks TLS comes after the handshake, which is too late here.
        server = RawOrigin(serve) if phase == "handshake" else self.origin(serve, narrow=True)
        async with self.hole() as hole, server as origin:
            transport = self.open()
            url = hole.url if phase == "connect" else origin.url
            if phase == "handshake":
                url = url.replace("http:", "https:")
            if phase == "connect" and not hole.works:
                pytest.skip("this system takes every connection")
            if phase == "name":
                monkeypatch.setattr(socket, "getaddrinfo", slow)
                url = f"{self.scheme}://absent.invalid"
            body = LARGE if phase == "send" else b"{}"
            requests = [make_request("PATCH", url, body, connect=0.5) for _ in range(3)]
            calls = [asyncio.ensure_future(send(transport, request)) for request in requests]
            if phase == "name":
                if not await asyncio.to_thread(asked.wait, 2):
                    pytest.skip("this event loop looks names up in its own way")
            elif phase != "connect":
                await origin.peer(2)
            await settle(20)
            try:
                await transport.aclose()
                for request, ending in zip(requests, await together(*calls), strict=True):
                    _assert_closed(phase, ending)
                    assert phase not in _UNSENT or not origin.got(mark(request))
            finally:
                answered.set()
            for peer in origin.peers:
                peer.resume()
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE)
            stay.set()

    @in_a_loop
    async def test_nothing_is_sent_once_it_is_closed(self) -> None:
        """Also of what began just before, while another request was under way."""
        for turns in range(8):
            transport = self.open()
            async with self.origin() as origin, self.under_way(transport):
                request = of("PATCH", origin)
                attempt = request.call.attempts[-1]
                call = asyncio.ensure_future(send_to(origin, transport, request))
                await settle(turns)
                await transport.aclose()
                was_sent = attempt.sent
                await call
                assert attempt.sent == was_sent, f"closed after {turns} turns"


async def _serve_until(phase: str, stay: asyncio.Event, peer: Peer) -> None:
    """Serve as far as to this phase of an exchange, then wait."""
    if phase == "handshake":
        await stay.wait()
    await peer.head()
    peer.pause()
    if phase == "read":
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    if phase == "read to the end":  # which is that of the connection
        peer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
    if phase == "idle":
        peer.write(OK)
        peer.resume()
    await stay.wait()


def _assert_closed(phase: str, ending: Ending | BaseException) -> None:
    """A call ended as it should when its transport was closed in this phase."""
    assert not isinstance(ending, BaseException), f"{ending!r} came out"
    assert (phase == "idle") == (ending.error is None)
    assert not isinstance(ending.error, ReadTimeout), "it ends with the connection, not with its time"
    if phase in _UNSENT:
        assert ending.sent is False
