"""Connections that are kept while nobody uses them: how many, for how long, and what they keep besides."""

import asyncio
import gc
import math
import socket
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from norce_order_async import AiohttpTransport, ClientCredentials, HttptoolsTransport
from norce_order_async.testing.conformance.base import make_request
from norce_order_async.testing.conformance.origin import OK, Peer, RawOrigin, Serve
from norce_order_async.transport import HostResolver
from norce_order_async.transport.connections import MOST_IDLE


@asynccontextmanager
async def many_hosts(
    kind: Any, serve: Serve | None = None
) -> AsyncGenerator[tuple[RawOrigin, Callable[[object], Awaitable[object]]]]:
    """An origin of as many hosts as are named, and a function that sends a request to one of them."""

    def look_up(host: str, port: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    async with RawOrigin(serve) as origin, kind(resolver=HostResolver(look_up)) as transport:

        async def send(host: object) -> None:
            url = origin.url.replace("127.0.0.1", f"h{host}.test")
            await transport.send(make_request("GET", url), timeout=5.0)

        yield origin, send


async def gone(peers: list[Peer]) -> None:
    """Wait until these connections are closed."""
    async with asyncio.timeout(5):
        for peer in peers:
            await peer.gone.wait()


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
@pytest.mark.parametrize("keepalive", [1e-9, math.inf])
async def test_a_connection_is_kept_for_any_number_of_seconds(kind: Any, keepalive: float) -> None:
    async with RawOrigin() as origin, kind(keepalive=keepalive) as transport:
        for _ in range(3):
            await transport.send(make_request("GET", origin.url), timeout=5.0)
            await asyncio.sleep(0.001)
        assert len(origin.peers) == (1 if keepalive == math.inf else 3)


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
async def test_idle_connections_to_many_hosts_make_room_for_new_ones(kind: Any) -> None:
    async with many_hosts(kind) as (origin, send):
        for number in range(MOST_IDLE + 20):
            await send(number)
        await gone(origin.peers[:20])
        await asyncio.gather(*map(send, range(20, MOST_IDLE + 20)))  # the connections of these are kept
        assert len(origin.peers) == MOST_IDLE + 20


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
async def test_a_burst_of_calls_to_new_hosts_leaves_a_hundred_idle_connections_besides_its_own(kind: Any) -> None:
    async with many_hosts(kind) as (origin, send):
        for number in range(MOST_IDLE - 1):
            await send(number)
        for burst in range(3):
            await asyncio.gather(*(send(f"{burst}-{number}") for number in range(100)))
        assert len(origin.peers) == MOST_IDLE - 1 + 300
        await gone(origin.peers[: -MOST_IDLE - 99])


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
async def test_idle_connections_that_the_server_has_closed_take_no_room_and_hide_none(kind: Any) -> None:
    async with many_hosts(kind) as (origin, send):
        for number in range(40):
            await send(number)
        for burst in range(3):
            await asyncio.gather(*(send(f"{burst}-{number}") for number in range(60)))
            for peer in origin.peers[-60:]:
                peer.close()
            await send(0)  # meanwhile the client sees it
        opened = len(origin.peers)
        await asyncio.gather(*map(send, range(40)))
        assert len(origin.peers) == opened  # they were not closed to make room
        for number in range(40, MOST_IDLE + 80):
            await send(number)
        await gone(origin.peers[:40] + origin.peers[opened : opened + 40])


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
async def test_idle_connections_are_kept_beside_those_in_use_however_many_these_are(kind: Any) -> None:
    free = asyncio.Event()

    async def serve(peer: Peer) -> None:
        while True:
            if b"hbusy.test" in await peer.request():
                await free.wait()
            peer.write(OK)

    async with many_hosts(kind, serve) as (origin, send):
        busy = asyncio.gather(*(send("busy") for _ in range(MOST_IDLE + 50)))
        await origin.peer(MOST_IDLE + 49)
        for _ in range(3):
            for number in range(50):
                await send(number)
        assert len(origin.peers) == MOST_IDLE + 50 + 50
        free.set()
        await busy


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
@pytest.mark.parametrize("keepalive", [0.2, math.inf])
async def test_the_sweep_of_idle_connections_keeps_no_caller_s_context(kind: Any, keepalive: float) -> None:
    class Visitor:
        pass

    visitor = ContextVar[Visitor]("visitor")

    async with RawOrigin() as origin, kind(keepalive=keepalive, max_age=0.1) as transport:

        async def visit() -> weakref.ref[Visitor]:
            visitor.set(one := Visitor())
            # Without a limit of connecting, whose timer asyncio keeps for a while after it was cancelled.
            await transport.send(make_request("GET", origin.url, connect=math.inf), timeout=5.0)
            return weakref.ref(one)

        first = await asyncio.create_task(visit())
        for _ in range(50):
            await asyncio.sleep(0.01)
            await asyncio.create_task(visit())
        gc.collect()
        assert first() is None


async def test_token_sources_keep_no_connections_to_their_endpoint() -> None:
    body = b'{"access_token": "t", "expires_in": 3600}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def serve(peer: Peer) -> None:
        while await peer.request():
            peer.write(answer)

    async with RawOrigin(serve) as origin:
        sources = [ClientCredentials(token_url=origin.url, client_id="i", client_secret="s") for _ in range(3)]
        for source in sources:
            assert await source.get() == "t"
        await gone(origin.peers)
        for source in sources:
            await source.aclose()
