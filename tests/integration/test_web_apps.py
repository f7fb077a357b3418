"""The example web apps, each run by its server and visited over a socket."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from webapps import CANCELS, COMMANDS, WebApp, missing

from norce_order_async.testing import Fault, Sandbox, SandboxServer

READ, CHANGE = "GetCheckoutOrder", "PatchCheckoutOrderConsent"


class Visit:
    """An example app, a visitor, and the sandbox behind."""

    def __init__(self, sandbox: Sandbox, app: WebApp, browser: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.app = app
        self.browser = browser

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.browser.request(method, self.app.url + path, headers=named) as answer:
            kind = "application/problem+json" if answer.status >= 400 else "application/json"
            assert answer.content_type == kind, await answer.text()
            return answer.status, dict(answer.headers), await answer.json(content_type=None)

    async def came(self, operation: str, latency: float) -> asyncio.Task[Any]:
        """A visitor whose request is under way at the API, which answers after ``latency`` seconds."""
        self.sandbox.faults.add(Fault.latency(latency))
        seen = self.sandbox.count
        path = "/1/orders/o%201" if operation == READ else "/1/orders/o%201/consents/ci"
        task = asyncio.create_task(self.ask(path, "GET" if operation == READ else "POST"))
        while self.sandbox.count == seen:  # noqa: ASYNC110 (the sandbox tells nobody)
            await asyncio.sleep(0.01)
        self.sandbox.faults.clear()
        return task

    async def leaves(self, operation: str, latency: float) -> str:
        """What the app's log says of the call of a visitor who has left."""
        lines = len(self.app.lines)
        task = await self.came(operation, latency)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return await self.app.printed(
            lambda line: line in self.app.lines[lines:] and operation in line and "shop" in line
        )


@contextlib.asynccontextmanager
async def visiting(name: str) -> AsyncGenerator[Visit, None]:
    sandbox = Sandbox()
    sandbox.add_order("o 1", consents=["ci"])
    async with (
        SandboxServer(sandbox) as upstream,
        WebApp(COMMANDS[name][1], upstream.url) as app,
        aiohttp.ClientSession() as browser,
    ):
        yield Visit(sandbox, app, browser)


@pytest.mark.parametrize("name", COMMANDS)
async def test_an_example_app_serves_its_visitors(name: str) -> None:
    if why := missing(name):
        pytest.skip(why)
    async with asyncio.timeout(60), visiting(name) as visit:
        await _ordinary_visits(visit)
        await _visits_that_fail(visit)
        assert "CancelledError" in await visit.leaves(READ, 60)
        if name in CANCELS:
            assert "unknown (CancelledError)" in await visit.leaves(CHANGE, 60)
        else:
            assert "applied" in await visit.leaves(CHANGE, 0.3)
        status, _, stats = await visit.ask("/health")
        assert (status, stats["calls"], stats["slots_used"]) == (200, 7, 0)
        # SIGTERM while a request is under way: it ends well, and then the server does.
        under_way = await visit.came(CHANGE, 0.3)
        await visit.app.terminate()
        assert (await under_way)[2] == {"outcome": "applied"}
        printed = "\n".join(visit.app.lines)
        assert "Traceback" not in printed
        assert "unclosed" not in printed


async def _ordinary_visits(visit: Visit) -> None:
    status, _, order = await visit.ask("/1/orders/o%201")
    assert (status, order["id"]) == (200, "o 1")
    assert (await visit.ask("/1/orders/o%201/consents/ci", "POST"))[::2] == (200, {"outcome": "applied"})
    stored = visit.sandbox.order("o 1")
    assert stored is not None
    assert stored["consents"] == [{"id": "ci", "checked": True}]


async def _visits_that_fail(visit: Visit) -> None:
    status, _, body = await visit.ask("/2/orders/o%201")  # another shop
    assert (status, body["status"], body["outcome"]) == (404, 404, "rejected")
    for path in ("/1/orders/..%25", "/%0A/orders/o%201"):
        status, _, body = await visit.ask(path)
        assert (status, body["outcome"]) == (400, "not_sent")
    visit.sandbox.faults.add(Fault.status(429, retry_after=3000, times=1))
    status, headers, _ = await visit.ask("/1/orders/o%201")
    assert (status, headers["Retry-After"]) == (429, "3000")
    visit.sandbox.faults.add(Fault.latency(60, times=1))
    status, _, body = await visit.ask("/1/orders/o%201/consents/ci", "POST", x_request_timeout="0.2")
    assert (status, body["outcome"]) == (504, "unknown")
