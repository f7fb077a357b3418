"""Making connections: cut at any step, to any kind of host, and not for ever."""

import asyncio
import random
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from norce_order_async.core.errors import ClientStateError, ConnectError, ConnectTimeout
from norce_order_async.testing.conformance.base import (
    Promises,
    in_a_loop,
    make_request,
    mark,
    send,
    send_to,
    settle,
    together,
)
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.lines import SHORT, of
from norce_order_async.testing.conformance.origin import Peer, RawOrigin
from norce_order_async.transport.resolver import Address, HostResolver

AT_ONCE = 1e-30
"""A maximum age that every connection has reached before its second request."""


def address(port: int, host: str = "127.0.0.1") -> Address:
    """An address as a look-up gives it."""
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


class Connecting(Promises):
    """Making connections: cut at any step, to any kind of host, and not for ever."""

    @pytest.mark.parametrize("way", ["plain", "tls", "proxy"])
    @in_a_loop
    async def test_a_call_that_is_cut_while_connecting_disturbs_no_other(
        self, certificates: Certificates, way: str
    ) -> None:
        """120 are cut, at every step; their neighbours, each on a connection of its own, are answered."""
        rng = random.Random(4)
        tls = None if way == "plain" else certificates.server
        async with RawOrigin(tls=tls) as origin, RawOrigin(tunnel(origin)) as proxy:
            settings: dict[str, Any] = {"max_age": AT_ONCE}
            if tls is not None:
                settings["ssl_context"] = certificates.trusted
            if way == "proxy":
                settings["proxy"] = proxy.url
            transport = self.open(**settings)

            async def impatient() -> None:
                call = asyncio.ensure_future(send(transport, of("PATCH", origin)))
                await settle(rng.randrange(120))
                call.cancel()
                await together(call)

            async def patient() -> None:
                ending = await send(transport, of("PATCH", origin), timeout=20.0)
                assert ending.response.body == b"ok"

            async def one_by_one(kind: Callable[[], Awaitable[None]]) -> None:
                for _ in range(8):
                    await kind()

            workers = [impatient] * 15 + [patient] * 15
            assert [result for result in await together(*map(one_by_one, workers)) if result is not None] == []
            await self.close_all()

    @pytest.mark.parametrize("phase", ["name", "connect", "handshake", "proxy"])
    @in_a_loop
    async def test_no_call_that_is_connecting_outlives_the_closing(self, phase: str) -> None:
        """However long it might have tried."""
        release = threading.Event()

        def hanging(host: str, port: int) -> Sequence[Address]:
            release.wait(20)
            return [address(port)]

        async with self.hole() as hole, RawOrigin(Peer.end) as silent:
            if phase == "connect" and not hole.works:
                pytest.skip("this system takes every connection")
            url = {"connect": hole.url, "handshake": silent.url.replace("http:", "https:")}.get(phase)
            settings: dict[str, Any] = {"name": {"resolver": HostResolver(hanging)}, "proxy": {"proxy": silent.url}}
            transport = self.open(**settings.get(phase, {}))
            request = make_request("PATCH", url or "https://norce.invalid/a", b"{}", connect=60.0)
            call = asyncio.ensure_future(send(transport, request, timeout=60.0))
            if phase in ("handshake", "proxy"):
                peer = await silent.peer()
                while not peer.received:
                    await peer.more()
            await settle(20)
            await transport.aclose()
            await settle()
            assert call.done()
            release.set()
            ending = await call
            assert (type(ending.error), ending.sent) == (ClientStateError, False)

    # Names

    @in_a_loop
    async def test_calls_to_a_host_share_one_look_up(self) -> None:
        """A slow one too: none of 50 calls pays for it twice."""
        asked: list[str] = []
        release = threading.Event()

        async with RawOrigin() as origin:

            def slow(host: str, port: int) -> Sequence[Address]:
                asked.append(host)
                release.wait(10)
                return [address(origin.port)]

            transport = self.open(resolver=HostResolver(slow), max_age=AT_ONCE)
            calls = [asyncio.ensure_future(send(transport, named("norce.invalid", origin))) for _ in range(50)]
            await settle(20)
            for call in calls[:10]:
                call.cancel()
            release.set()
            assert {ending.response.body for ending in (await together(*calls))[10:]} == {b"ok"}
            assert (await send(transport, named("norce.invalid", origin))).response.body == b"ok"
            assert asked == ["norce.invalid"]

    @in_a_loop
    async def test_a_look_up_that_hangs_ends_with_the_limit_and_one_that_fails_is_told(self) -> None:
        """A failure is not kept."""
        release = threading.Event()
        answers: list[Any] = [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("label")]

        async with RawOrigin() as origin:

            def look_up(host: str, port: int) -> Sequence[Address]:
                if host == "hangs.invalid":
                    release.wait(10)
                if answers:
                    raise answers.pop(0)
                return [address(origin.port)]

            transport = self.open(resolver=HostResolver(look_up))
            ending = await send(transport, named("hangs.invalid", origin, connect=SHORT))
            assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)
            for _ in range(2):
                ending = await send(transport, named("norce.invalid", origin))
                assert (type(ending.failure), ending.sent) == (ConnectError, False)
            assert (await send(transport, named("norce.invalid", origin))).response.body == b"ok"
            release.set()

    @pytest.mark.parametrize(
        ("host", "asked"),
        [
            ("localhost", "localhost"),
            ("norce.invalid.", "norce.invalid."),
            ("xn--bcher-kva.invalid", "xn--bcher-kva.invalid"),
            ("bücher.invalid", "xn--bcher-kva.invalid"),
            ("NORCE.invalid", "norce.invalid"),
        ],
    )
    @in_a_loop
    async def test_a_host_may_be_written_in_every_way(self, host: str, asked: str) -> None:
        """It is looked up as DNS has it."""
        names: list[str] = []
        async with RawOrigin() as origin:

            def look_up(name: str, port: int) -> Sequence[Address]:
                names.append(name)
                return [address(origin.port)]

            transport = self.open(resolver=HostResolver(look_up))
            assert (await send_to(origin, transport, named(host, origin))).response.body == b"ok"
            assert names == [asked]
            assert f"\r\nHost: {asked.rstrip('.')}:{origin.port}\r\n".encode() in origin.requests[0]

    @in_a_loop
    async def test_localhost_is_found_by_the_system(self) -> None:
        """Whichever of its addresses the server listens on."""
        async with RawOrigin() as origin:
            assert (await send_to(origin, self.open(), named("localhost", origin))).response.body == b"ok"

    @in_a_loop
    async def test_an_address_needs_no_look_up(self) -> None:
        """Neither of version 4 nor of version 6; numbers that are none are refused."""

        def never(host: str, port: int) -> Sequence[Address]:
            raise AssertionError(host)

        transport = self.open(resolver=HostResolver(never))
        async with RawOrigin() as origin:
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            assert (await send(transport, named("2130706433", origin))).sent is False
        try:
            server = await asyncio.get_running_loop().create_server(lambda: Peer(RawOrigin()), "::1", 0)
        except OSError:
            pytest.skip("this system has no IPv6")
        async with server:
            url = f"http://[::1]:{server.sockets[0].getsockname()[1]}/a"
            assert (await send(transport, make_request("GET", url))).response.body == b"ok"
            await self.close_all()

    @in_a_loop
    async def test_an_address_that_does_not_answer_gives_way_to_the_next(self) -> None:
        """Long before the limit."""
        async with self.hole() as hole, RawOrigin() as origin:
            if not hole.works:
                pytest.skip("this system takes every connection")
            found = [address(hole.port), address(origin.port)]
            transport = self.open(resolver=HostResolver(lambda host, port: found))
            assert (await send_to(origin, transport, named("norce.invalid", origin))).response.body == b"ok"

    # Age

    @in_a_loop
    async def test_a_connection_that_is_too_old_is_used_no_more(self) -> None:
        """However busy."""
        async with RawOrigin() as origin:
            young, old = self.open(max_age=60.0), self.open(max_age=AT_ONCE)
            for transport, connections in ((young, 1), (old, 4)):
                for _ in range(3):
                    assert (await send_to(origin, transport, of("PATCH", origin))).response.body == b"ok"
                assert len(origin.peers) == connections
            for peer in origin.peers[1:3]:
                await peer.gone.wait()

    @in_a_loop
    async def test_a_host_that_moves_is_followed(self) -> None:
        """Without a call that fails for it."""
        time = 0.0
        async with RawOrigin() as blue, RawOrigin() as green:
            here = blue
            resolver = HostResolver(lambda host, port: [address(here.port)], keep=5.0, now=lambda: time)
            transport = self.open(resolver=resolver, max_age=AT_ONCE)
            for _ in range(3):
                assert (await send(transport, named("norce.invalid", blue))).response.body == b"ok"
            here = green
            time = 5.0
            request = named("norce.invalid", blue)
            assert (await send(transport, request)).response.body == b"ok"
            assert (blue.got(mark(request)), green.got(mark(request))) == (False, True)


def named(host: str, origin: RawOrigin, **more: Any) -> Any:
    """A request to an origin by another name."""
    return make_request("PATCH", f"http://{host}:{origin.port}/a", b"{}", **more)


def tunnel(origin: RawOrigin, interim: bytes = b"") -> Any:
    """What a proxy does with a connection: it joins it to the origin's, maybe after interim answers."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        given = len(peer.received)
        reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
        peer.write(interim + b"HTTP/1.1 200 Connected\r\n\r\n")

        async def back() -> None:
            while data := await reader.read(65536):
                peer.write(data)

        returning = asyncio.ensure_future(back())
        try:
            while True:
                await peer.more()
                writer.write(peer.received[given:])
                given = len(peer.received)
        finally:
            returning.cancel()
            writer.transport.abort()
            await together(returning, writer.wait_closed())

    return serve
