"""One client over its life: several event loops, closing."""

import asyncio

from support import TOKEN, RawServer

from norce_order_async import OrderClient, delete_consent


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
