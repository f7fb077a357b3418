"""Adapters that a sandbox calls, through both doors: hooks, validations and notifications."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
import pytest_asyncio
from aiohttp import web

from norce_order_async import (
    BadRequestError,
    CallOptions,
    ConflictError,
    Consent,
    Hook,
    NotFoundError,
    Order,
    OrderClient,
    OutcomeKind,
    create_hook,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.receiving import HookCall, Receiver, Reply, allow, change, refuse, web_app
from norce_order_async.testing import Sandbox, SandboxServer
from norce_order_async.testing.sandbox.callbacks import Callbacks

pytestmark = pytest.mark.asyncio

OnHook = Callable[[HookCall], Awaitable[Reply]]
IN_PROCESS = "https://adapter.example/norce"


@attrs.define
class Stage:
    """A sandbox, a client of it, and an adapter that it reaches."""

    sandbox: Sandbox
    client: OrderClient
    url: str
    on_hook: OnHook

    @property
    def order(self) -> Any:
        return self.sandbox.order("o_1")

    @property
    def called(self) -> list[tuple[int, str | None]]:
        return [(one.reply.status, one.reply.problem) for one in self.sandbox.called]

    async def hook(self, subscribe_to: str = "/consents", target: str | None = None, adapter_id: str = "ours") -> None:
        invoke = f"{self.url}/hooks/{adapter_id}"
        hook = Hook(adapter_id=adapter_id, subscribe_to=subscribe_to, target=target, invoke=invoke)
        await create_hook(self.client, "o_1", hook)


@pytest_asyncio.fixture(params=["transport", "server"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    settings: dict[str, Any] = {"deadline": 0.3, "pause": 0.01, **getattr(request.module, "settings", {})}

    async def on_hook(call: HookCall) -> Reply:
        return await stage.on_hook(call)

    async def agree(call: HookCall) -> Reply:
        return allow()

    receiver = Receiver(on_hook=on_hook)
    async with AsyncExitStack() as stack:
        if request.param == "transport":
            sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: receiver}, **settings))
            client, url = await stack.enter_async_context(sandbox.client(retry=None)), IN_PROCESS
        else:
            sandbox = Sandbox(callbacks=Callbacks(**settings))
            runner = web.AppRunner(web_app(receiver))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            server = await stack.enter_async_context(SandboxServer(sandbox))
            client = sandbox.client(retry=None, base_url=server.url, transport=None)
            await stack.enter_async_context(client)
        sandbox.add_order("o_1", consents=["ci_news"])
        stage = Stage(sandbox, client, url, agree)
        yield stage


def checked(order: Any) -> bool:
    value: bool = order["consents"][0]["checked"]
    return value


async def test_a_hook_that_refuses_keeps_the_change_from_being_stored(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        assert (call.merchant, call.channel, call.path) == ("norce", "1", "ours")
        assert call.order.consents
        assert call.order.consents[0].checked is True
        return refuse("terms-missing", "The terms are not accepted.")

    stage.on_hook = on_hook
    await stage.hook()
    before = stage.order
    with pytest.raises(BadRequestError, match="The terms are not accepted") as caught:
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert (caught.value.code, caught.value.outcome) == ("terms-missing", OutcomeKind.REJECTED)
    assert stage.order == before
    assert not stage.sandbox.requests[-1].applied
