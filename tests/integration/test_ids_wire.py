"""An id reaches the resource that it names, and no other, over every transport."""

from collections.abc import Callable

import pytest
from support import TOKEN

from norce_order_async import AiohttpTransport, HttptoolsTransport, OrderClient, get_order, patch_attributes
from norce_order_async.testing import Sandbox, SandboxServer
from norce_order_async.transport import Transport

IDS = ["a#f", "a?x=1", "terms 2024", "åäö", "+", "a;b", "...", "a&b"]


@pytest.mark.parametrize("transport", [AiohttpTransport, HttptoolsTransport])
async def test_an_id_reaches_the_order_that_it_names(transport: Callable[[], Transport]) -> None:
    sandbox = Sandbox(tokens=[TOKEN])
    for name in ["a", *IDS]:
        sandbox.add_order(name)
    async with SandboxServer(sandbox) as server:
        settings = {"base_url": server.url, "merchant": "norce", "channel": "1", "auth": TOKEN}
        async with OrderClient(**settings, transport=transport()) as client:  # type: ignore[arg-type]
            for name in IDS:
                await patch_attributes(client, name, {"mark": name})
                assert (await get_order(client, name)).id == name
            assert (await get_order(client, "a")).attributes == {}
            for name in IDS:
                assert (await get_order(client, name)).attributes == {"mark": name}
