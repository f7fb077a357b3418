"""One client over its life: several event loops, closing."""

import asyncio
import threading

import pytest
from support import TOKEN, RawServer

from norce_order_async import ClientStateError, OrderClient, delete_consent


def test_one_client_serves_several_event_loops_one_after_another() -> None:
    """Without a warning of a connection left open: warnings are errors here."""

    async def call(client: OrderClient, url: str) -> int:
        return (await delete_consent(client, "o_123", "ci")).status

    async def once(client: OrderClient) -> int:
        async with RawServer() as server:
            client._core.base_url = server.url  # pyright: ignore[reportPrivateUsage]
            return await call(client, server.url)

    client = OrderClient(base_url="http://127.0.0.1:1", merchant="m", channel="1", auth=TOKEN)
    assert [asyncio.run(once(client)) for _ in range(3)] == [200, 200, 200]
    asyncio.run(client.aclose())


@pytest.mark.asyncio
async def test_one_client_serves_two_event_loops_at_once_and_closes_in_both() -> None:
    called, stop = threading.Event(), threading.Event()

    async def elsewhere() -> int:
        status = (await delete_consent(client, "o_123", "ci")).status
        called.set()
        await asyncio.to_thread(stop.wait)
        return status

    async with RawServer() as server:
        async with server.client() as client:
            other = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
            await delete_consent(client, "o_123", "ci")
            await asyncio.to_thread(called.wait)
        stop.set()
        assert await other == 200
    with pytest.raises(ClientStateError):
        await delete_consent(client, "o_123", "ci")


@pytest.mark.asyncio
async def test_a_closed_transport_opens_no_new_connections() -> None:
    async with RawServer() as server:
        client = server.client()
        await client._core.transport.aclose()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(ClientStateError, match="transport is closed"):
            await delete_consent(client, "o_123", "ci")
        await client.aclose()
        assert server.connections == 0
