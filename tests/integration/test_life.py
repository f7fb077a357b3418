"""One client over its life: several event loops, closing."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from failing import TRANSPORTS
from raw_server import RawServer
from support import TOKEN

from norce_order_async import ClientStateError, OrderClient, delete_consent
from norce_order_async.transport import Transport


def test_one_client_serves_several_event_loops_one_after_another() -> None:
    """Without a warning of a connection left open: warnings are errors here."""

    async def once(client: OrderClient) -> int:
        async with RawServer() as server:
            client._caller.base_url = server.url  # pyright: ignore[reportPrivateUsage]
            return (await delete_consent(client, "o_123", "ci")).status

    client = OrderClient(base_url="http://127.0.0.1:1", merchant="m", channel="1", auth=TOKEN)
    assert [asyncio.run(once(client)) for _ in range(3)] == [200, 200, 200]
    asyncio.run(client.aclose())


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


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_closing_while_the_event_loop_of_another_thread_ends_is_quiet(
    make: Callable[[], Transport], caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever that loop is: in its last call, between the runs of asyncio.run, or closed."""
    async with RawServer() as server:
        for turns in range(30):
            client = server.client(transport=make())
            other = asyncio.create_task(asyncio.to_thread(asyncio.run, delete_consent(client, "o_123", "ci")))
            while not client.stats().calls:  # noqa: ASYNC110 (of another thread)
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.aclose()
            await other
            del client
        gc.collect()
    # In debug mode asyncio tells what was slow, too.
    assert [message for message in caplog.messages if not message.startswith("Executing ")] == []


async def test_a_closed_transport_opens_no_new_connections() -> None:
    async with RawServer() as server:
        client = server.client()
        await client._core.transport.aclose()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(ClientStateError, match="transport is closed"):
            await delete_consent(client, "o_123", "ci")
        await client.aclose()
        assert len(server.peers) == 0


FORK = """
import asyncio, os, sys
import norce_order_async
from norce_order_async import OrderClient, delete_consent

async def call():
    return (await delete_consent(client, "o_123", "ci")).status

client = OrderClient(base_url=sys.argv[1], merchant="m", channel="1", auth="token",
                     transport=getattr(norce_order_async, sys.argv[2])())
statuses = [asyncio.run(call())]

async def fork_with_open_connections():
    await call()
    child = os.fork()
    if child == 0:
        os._exit(0)  # as a worker that does nothing with what it inherited
    os.waitpid(child, 0)
    return await call()

statuses.append(asyncio.run(fork_with_open_connections()))
child = os.fork()
statuses.append(asyncio.run(call()))
if child == 0:
    os._exit(0 if statuses == [200, 200, 200] else 1)
_, code = os.waitpid(child, 0)
statuses.append(asyncio.run(call()))
asyncio.run(client.aclose())
print(statuses, code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("transport", ["AiohttpTransport", "HttptoolsTransport"])
async def test_one_client_works_before_and_after_a_fork_on_both_sides(transport: str) -> None:
    async with RawServer() as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", FORK, server.url, transport,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
    assert (out.decode().strip(), err.decode()) == ("[200, 200, 200, 200] 0", "")
    assert len(server.requests) == 6
