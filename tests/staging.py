"""A sandbox, a client of it, and an adapter that the sandbox calls: in process, or over sockets."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
from aiohttp import web

from norce_order_async import OrderClient, create_hook
from norce_order_async.endpoints.notifications import create_notification
from norce_order_async.endpoints.validations import create_validation
from norce_order_async.models import Callback, Hook, Notification
from norce_order_async.receiving import (
    HookCall,
    NotificationCall,
    Receiver,
    Reply,
    ValidationCall,
    allow,
    valid,
    web_app,
)
from norce_order_async.testing import Callbacks, Fault, Sandbox, SandboxServer

IN_PROCESS = "https://adapter.example/norce"


async def _agree(call: HookCall) -> Reply:
    return allow()


async def _pass(call: ValidationCall) -> Reply:
    return valid()


async def _take(call: NotificationCall) -> None:
    return None


@attrs.define
class Stage:
    """What a test has in its hands."""

    sandbox: Sandbox
    client: OrderClient
    url: str
    on_hook: Callable[[HookCall], Awaitable[Reply]] = _agree
    on_validation: Callable[[ValidationCall], Awaitable[Reply]] = _pass
    on_notification: Callable[[NotificationCall], Awaitable[None]] = _take

    @property
    def order(self) -> Any:
        """The order as it is stored."""
        return self.sandbox.order("o_1")

    @property
    def consent(self) -> bool:
        """Whether its consent is checked."""
        checked: bool = self.order["consents"][0]["checked"]
        return checked

    @property
    def called(self) -> list[str | None]:
        """The adapters that were called, in this order."""
        return [one.call.adapter_id for one in self.sandbox.called]

    async def hook(self, adapter_id: str = "ours", watch: str = "/consents", target: str | None = None) -> None:
        """Register a hook."""
        invoke = f"{self.url}/hooks/{adapter_id}"
        hook = Hook(adapter_id=adapter_id, subscribe_to=watch, target=target, invoke=invoke)
        await create_hook(self.client, "o_1", hook)

    async def notify(self, scope: str = "/consents", **members: Any) -> None:
        """Register a notification."""
        notification = Notification(adapter_id="ours", scope=scope, invoke=f"{self.url}/notifications", **members)
        await create_notification(self.client, "o_1", notification)

    async def validation(self, adapter_id: str) -> None:
        """Register a validation."""
        callback = Callback(adapter_id=adapter_id, url=f"{self.url}/validations/{adapter_id}")
        await create_validation(self.client, "o_1", callback)


@asynccontextmanager
async def staged(kind: str, **settings: Any) -> AsyncGenerator[Stage]:
    """A stage with the order ``o_1``; in process (``kind`` is ``transport``) or over a socket (``server``)."""
    settings = {"deadline": 2.0, "pause": 0.01, **settings}

    async def on_hook(call: HookCall) -> Reply:
        return await stage.on_hook(call)

    async def on_validation(call: ValidationCall) -> Reply:
        return await stage.on_validation(call)

    async def on_notification(call: NotificationCall) -> None:
        await stage.on_notification(call)

    receiver = Receiver(on_hook=on_hook, on_validation=on_validation, on_notification=on_notification)
    async with AsyncExitStack() as stack:
        if kind == "transport":
            sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: receiver}, **settings))
            stage = Stage(sandbox, await stack.enter_async_context(sandbox.client(retry=None)), IN_PROCESS)
        else:
            sandbox = Sandbox(callbacks=Callbacks(**settings))
            runner = web.AppRunner(web_app(receiver), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server = await stack.enter_async_context(SandboxServer(sandbox))
            client = sandbox.client(retry=None, base_url=server.url, transport=None)
            await stack.enter_async_context(client)
            stage = Stage(sandbox, client, f"http://127.0.0.1:{runner.addresses[0][1]}")
        sandbox.add_order("o_1", consents=["ci_news"])
        yield stage


@asynccontextmanager
async def sandbox_of(orders: int, *faults: Fault | str, **more: str) -> AsyncGenerator[tuple[Sandbox, dict[str, Any]]]:
    """A served sandbox of so many orders, and the settings with which other processes call it."""
    sandbox = Sandbox(remember=100_000)
    sandbox.faults.add(*faults)
    for n in range(orders):
        sandbox.add_order(f"o_{n}", consents=["ci"])
    async with SandboxServer(sandbox) as server:
        yield sandbox, {"base_url": server.url, "merchant": "norce", "channel": "1", **more}
