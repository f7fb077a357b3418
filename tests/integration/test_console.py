"""The sandbox's console over a socket: what it shows and to whom, what it never shows, and what it refuses."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from norce_order_async import ConfigurationError, ServerError, get_order, patch_consent
from norce_order_async.receiving import Reply
from norce_order_async.testing import AdapterCall, Callbacks, Fault, Sandbox, SandboxServer
from norce_order_async.testing.sandbox.console import feed

TOKEN = "the-token-of-this-sandbox"
ADDRESS = "/_console/order?merchant=norce&channel=1&id=o_1"


@asynccontextmanager
async def console(sandbox: Sandbox, kind: Any = "read") -> AsyncGenerator[aiohttp.ClientSession]:
    async with (
        SandboxServer(sandbox, console=kind) as server,
        aiohttp.ClientSession(server.url.removesuffix("checkout/order")) as browser,
    ):
        yield browser


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any, str]]:
    """The events of a stream: name, data, and id."""
    event: dict[str, str] = {}
    async for line in answer.content:
        name, _, text = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = text
        elif event:
            yield event["event"], json.loads(event["data"]), event.get("id", "")
            event = {}


async def after(stream: AsyncIterator[tuple[str, Any, str]], name: str) -> Any:
    """The data of the next event of this name."""
    return next(data for event, data, _ in [one async for one in until(stream, name)] if event == name)


async def until(stream: AsyncIterator[tuple[str, Any, str]], name: str) -> AsyncGenerator[tuple[str, Any, str]]:
    async for one in stream:
        yield one
        if one[0] == name:
            return


async def test_requests_calls_and_faults_are_streamed() -> None:
    async def adapter(call: AdapterCall) -> Reply:
        return Reply(200)

    sandbox = Sandbox(callbacks=Callbacks(adapters={"https://adapter.example": adapter}))
    hook = {"id": "h_1", "adapterId": "ours", "subscribeTo": "/consents", "invoke": "https://adapter.example/hooks"}
    sandbox.add_order("o_1", consents=["ci"], hooks=[hook])
    async with console(sandbox) as browser, browser.get("/_console/events") as answer, sandbox.client() as client:
        stream = events(answer)
        assert answer.content_type == "text/event-stream"
        assert (await after(stream, "hello"))["writes"] is False
        assert await after(stream, "faults") == []
        await patch_consent(client, "o_1", "ci", checked=True)
        seen: list[Any] = []
        while len(seen) < 2:
            seen += (await after(stream, "noted"))["noted"]
        call, request = seen
        assert (call["name"], call["status"], call["target"]) == ("hook h_1", 200, "order o_1, adapter ours")
        assert (request["name"], request["status"], request["applied"]) == ("PatchCheckoutOrderConsent", 200, True)
        assert request["body"] == "{id, checked}"
        assert call["number"] < request["number"]
        sandbox.faults.add(Fault.status(503, times=2))
        assert await after(stream, "faults") == [{"fault": "status:503:times=2", "left": 2}]
        with pytest.raises(ServerError):
            await get_order(sandbox.client(retry=None), "o_1")
        assert (await after(stream, "noted"))["noted"][0]["fault"] == "status:503:times=2"


async def test_a_reader_that_comes_back_skips_what_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(remember=5)
    sandbox.add_order("o_1")
    async with console(sandbox) as browser, sandbox.client() as client:
        await get_order(client, "o_1")
        async with browser.get("/_console/events") as answer:
            *_, (_, data, number) = [one async for one in until(events(answer), "noted")]
            assert (len(data["noted"]), data["skipped"]) == (1, 0)
            with monkeypatch.context() as patched:
                patched.setattr(feed, "_MOST_READERS", 1)
                async with browser.get("/_console/events") as second:
                    assert second.status == 503
        for _ in range(20):
            await get_order(client, "o_1")
        async with browser.get("/_console/events", headers={"last-event-id": number}) as answer:
            data = await after(events(answer), "noted")
            assert (len(data["noted"]), data["skipped"]) == (5, 15)
        assert sandbox.count == 21


async def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(feed, "_PATIENCE", 0.01)
    monkeypatch.setattr(feed, "_MOST_READERS", 1)
    async with console(Sandbox()) as browser:
        for _ in range(2):
            with monkeypatch.context() as patched:
                patched.setattr(web.StreamResponse, "write", wait)
                async with browser.get("/_console/events") as answer:
                    with pytest.raises(aiohttp.ClientError):
                        await answer.read()


async def test_faults_are_switched_only_where_the_console_may_write() -> None:
    sandbox = Sandbox()
    for kind, status, faults in [("read", 403, []), ("write", 200, ["status:503:times=1"])]:
        async with console(sandbox, kind) as browser:
            async with browser.post("/_console/faults", json={"fault": "status:503:times=1"}) as answer:
                assert answer.status == status
            assert [str(fault) for fault in sandbox.faults] == faults
            async with browser.delete("/_console/faults", json={"fault": "status:503:times=1"}) as answer:
                assert answer.status == status
            assert not list(sandbox.faults)


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b'{"fault": "nonsense"}', "application/json", 400),
        (b'{"fault": "latency:nan"}', "application/json", 400),
        (b'{"fault": "latency:1:operation=Nope"}', "application/json", 400),
        (b'{"fault": 7}', "application/json", 400),
        (b"[" * 4096, "application/json", 400),
        (b" " * 4097, "application/json", 413),
        (b'{"fault": "truncate"}', "text/plain", 415),
    ],
)
async def test_a_bad_write_is_refused(data: bytes, kind: str, status: int) -> None:
    sandbox = Sandbox()
    headers = {"content-type": kind}
    async with (
        console(sandbox, "write") as browser,
        browser.post("/_console/faults", data=data, headers=headers) as answer,
    ):
        assert (answer.status, list(await answer.json())) == (status, ["message"])
    assert not list(sandbox.faults)


STRANGERS = [
    {"host": "rebound.example"},
    {"host": "localhost.example:80"},
    {"host": ""},
    {"origin": "http://rebound.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
async def test_other_pages_and_other_names_are_refused(headers: dict[str, str]) -> None:
    sandbox = Sandbox()
    sandbox.add_order("o_1")
    async with console(sandbox, "write") as browser:
        for path in ("/_console/orders", ADDRESS, "/_console/events"):
            async with browser.get(path, headers=headers) as answer:
                assert answer.status == 403
        async with browser.post("/_console/faults", json={"fault": "truncate"}, headers=headers) as answer:
            assert answer.status == 403
    assert not list(sandbox.faults)


async def test_the_page_loads_nothing_from_elsewhere_and_leaves_the_api_alone() -> None:
    sandbox = Sandbox()
    async with console(sandbox) as browser:
        for path, kind in [
            ("/", "text/html"),
            ("/_console/page.js", "text/javascript"),
            ("/_console/page.css", "text/css"),
        ]:
            async with browser.get(path, headers={"sec-fetch-site": "cross-site"}) as answer:
                text = await answer.text()
                assert (answer.status, answer.content_type) == (200, kind)
                assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
                assert "//" not in text.replace("// ", "")
                assert "innerHTML" not in text
        for method, path, status in [("POST", "/", 405), ("GET", "/_console/api", 404), ("GET", "/api/v0/x", 404)]:
            async with browser.request(method, path) as answer:
                assert answer.status == status
    assert [received.target for received in sandbox.requests] == ["/api/v0/x"]
    async with console(sandbox, None) as browser, browser.get("/") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "unknown-path")
    with pytest.raises(ConfigurationError, match="console"):
        SandboxServer(sandbox, console="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_no_secret_is_shown() -> None:
    sandbox = Sandbox(tokens=[TOKEN])
    url = "http://user:hunter22@127.0.0.1:1/hooks?key=hunter22&hunter22#hunter22"
    sandbox.add_order(
        "o_1",
        reference=TOKEN,
        attributes={
            "client_secret": "hunter22",
            "sharedSecret": "hunter22",
            "token": {"deep": "hunter22"},
            TOKEN: f"Bearer {TOKEN}",
            "answer": '{"client_secret": "hunter22", "other": 1}',
        },
        hooks=[
            {"id": "h_1", "subscribeTo": "/consents", "invoke": url},
            {"id": "h_2", "invoke": "{config.adapter.publicUrl}/norce/hooks?secret=hunter22"},
        ],
        validations=[{"id": "oc_1", "adapterId": "a", "url": "//user:hunter22@a.example/?hunter22"}],
        notifications=[
            {"id": "n_1", "url": "http://127.0.0.1:1/", "headers": {"x-site": "hunter22", "x-key": [1, "hunter22"]}}
        ],
        consents=["ci"],
    )
    sandbox.faults.add(f"status:503:times=1:retry-after={TOKEN}:operation=Validate")
    shown: list[str] = []
    async with console(sandbox) as browser, sandbox.client() as client:
        await patch_consent(client, "o_1", "ci", checked=True)
        sandbox.handle("GET", f"/nowhere/{TOKEN}?secret=hunter22", {"authorization": f"Bearer {TOKEN}"}, b"hunter22")
        for path in ("/_console/orders", f"/_console/orders?search={TOKEN}", ADDRESS, f"{ADDRESS}&whole=1"):
            async with browser.get(path) as answer:
                assert answer.status == 200
                shown.append(await answer.text())
        async with browser.get("/_console/events") as answer:
            shown += [str(one) async for one in until(events(answer), "noted")]
    assert "o_1" in shown[0]
    for part in (
        "http://***@127.0.0.1:1/hooks?key=***&***",
        "{config.adapter.publicUrl}/norce/hooks?secret=***",
        "//***@a.example/?***",
        r"{\"client_secret\":\"***\",\"other\":1}",
    ):
        assert part in shown[2]
    assert '{"name": "1", "text": "1", "kind": "value"}' in shown[2]
    assert "/nowhere/***?secret" in shown[-1]
    assert [text for text in shown if TOKEN in text or "hunter22" in text] == []


async def test_orders_of_all_shops_are_searched_and_paged_the_latest_first() -> None:
    now = 0.0
    sandbox = Sandbox(wall=lambda: now)
    for number in range(60):
        now = float(number)
        name = {"givenName": "Eva", "familyName": "Ek"}
        sandbox.add_order(f"o_{number:02}", merchant=f"m{number % 2}", customer={"billing": name})
    sandbox.add_order("odd", cart=None, customer=7, reference=["<b>"], total={}, state="?")
    async with console(sandbox) as browser:

        async def page(**query: str) -> tuple[int, list[str]]:
            async with browser.get("/_console/orders", params=query) as answer:
                found = await answer.json()
                return found["size"], [order["id"] for order in found["orders"]]

        assert await page(offset="25", search="ek") == (60, [f"o_{number:02}" for number in range(34, 9, -1)])
        assert await page(search="eva ek", offset="59") == (60, ["o_00"])
        assert await page(search="O_0", offset="9") == (10, ["o_00"])
        assert await page(search="<B>") == (1, ["odd"])
        assert await page(offset="999") == (61, [])
        async with browser.get("/_console/orders?offset=-1") as answer:
            assert answer.status == 400
        async with browser.get(ADDRESS) as answer:
            assert answer.status == 404


async def test_long_values_are_cut_unless_asked_for() -> None:
    sandbox = Sandbox()
    hostile = "<script>alert(1)</script>\u202e"
    sandbox.add_order(
        "o_1", attributes={"big": hostile * 40_000, "n": 12345678901234567890, "many": list(range(6_000))}
    )
    async with console(sandbox) as browser:
        for query, length in [("", 400), ("&whole=1", len(hostile) * 40_000)]:
            async with browser.get(ADDRESS + query) as answer:
                order = await answer.json()
            (attributes,) = [part for part in order["parts"] if part["name"] == "attributes"]
            big, number, many = attributes["parts"]
            assert (len(big["text"]), big.get("length")) == (length, len(hostile) * 40_000 if length == 400 else None)
            assert number == {"name": "n", "text": "12345678901234567890", "kind": "value"}
            assert order["cut"] is True
            assert len(many["parts"]) < 5_000
