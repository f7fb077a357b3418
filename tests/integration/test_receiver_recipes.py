"""The recipes of the docs: the receiver in each framework, and over real sockets in two, with what only they have."""

import asyncio
import gzip
import json
import logging
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from asgi import request

from norce_order_async.receiving import HookCall, Receiver, Reply, allow, invalid, valid, web_app

RECIPES = Path(__file__).parents[2] / "docs" / "examples" / "receivers"
SECRET = "0123456789abcdef"
HOOK = f"/norce/hooks/state?secret={SECRET}"


def order(checked: bool) -> bytes:
    consents = [{"id": "terms", "checked": checked}]
    return json.dumps({"id": "o_1", "state": {"currentStatus": "processing"}, "consents": consents}).encode()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setattr(sys, "path", [str(RECIPES), *sys.path])
    monkeypatch.setenv("ADAPTER_SECRET", SECRET)

    def load(name: str) -> Any:
        pytest.importorskip(name)
        return import_module(f"{name}_adapter").app

    yield load
    for path in RECIPES.glob("*.py"):
        sys.modules.pop(path.stem, None)


Post = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]


async def check(send: Post) -> None:
    status, body = await send("POST", HOOK, order(checked=False))
    assert (status, json.loads(body)["code"]) == (400, "terms-not-accepted")
    assert await send("POST", HOOK, order(checked=True)) == (200, b"[]")
    assert (await send("POST", "/norce/hooks/state", order(checked=True)))[0] == 401
    assert (await send("POST", f"/norce/validations?secret={SECRET}", b""))[0] == 404
    assert (await send("GET", HOOK, b""))[0] == 405
    status, body = await send("GET", "/health", b"")
    assert (status, json.loads(body)) == (200, {"ok": True})


@pytest.mark.parametrize("name", ["fastapi", "starlette", "litestar", "django"])
async def test_a_recipe_works_in_its_framework(name: str, recipe: Callable[[str], Any]) -> None:
    app = recipe(name)

    async def send(method: str, target: str, body: bytes) -> tuple[int, bytes]:
        status, _, answer = await request(app, method, target, body, headers=[("host", "adapter.example.com")])
        return status, answer

    await check(send)


@pytest.mark.parametrize("name", ["fastapi", "starlette", "django", "aiohttp"])  # Litestar configures logging itself
def test_a_recipe_shows_its_log(
    name: str, recipe: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(logging.root, "handlers", [])  # as under a server, where nobody else configures logging
        recipe(name)
        asyncio.run(request(sys.modules["adapter"].receiver, "POST", "/hooks/state"))
    told = capsys.readouterr().err
    assert "norce_order_async.receiving" in told
    assert "a request was refused with 401" in told


@asynccontextmanager
async def serving(app: Any) -> AsyncGenerator[int]:
    """Serve an application, of aiohttp or ASGI, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        if isinstance(app, web.Application):
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.SockSite(runner, listener).start()
            yield port
            await runner.cleanup()
        else:
            uvicorn = pytest.importorskip("uvicorn")
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
            running = asyncio.ensure_future(server.serve(sockets=[listener]))
            yield port
            server.should_exit = True
            await running


@pytest.mark.parametrize("name", ["fastapi", "aiohttp"])
async def test_a_recipe_works_over_real_sockets(name: str, recipe: Callable[[str], Any]) -> None:
    async with serving(recipe(name)) as port, ClientSession() as session:

        async def send(method: str, target: str, body: bytes) -> tuple[int, bytes]:
            async with session.request(method, f"http://127.0.0.1:{port}{target}", data=body) as answer:
                return answer.status, await answer.read()

        await check(send)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_middleware_of_aiohttp_may_read_the_body_first(chunked: bool) -> None:
    @web.middleware
    async def audit(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        await request.read()
        return await handler(request)

    receiver = Receiver(
        on_hook=lambda call: allow(), on_validation=lambda call: valid() if call.order else invalid("no-order", "None.")
    )
    app = web.Application(middlewares=[audit])
    app.add_subapp("/norce", web_app(receiver))

    async def in_parts() -> AsyncGenerator[bytes]:
        yield order(checked=True)

    async with serving(app) as port, ClientSession() as session:
        for path in ("hooks", "validations"):
            data = in_parts() if chunked else order(checked=True)
            async with session.post(f"http://127.0.0.1:{port}/norce/{path}", data=data) as answer:
                assert (answer.status, await answer.read()) == (200, b"[]" if path == "hooks" else b"")


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /hooks HTTP/1.1", "Host: x", *lines, "", ""]).encode()


CHUNKED = "Transfer-Encoding: chunked"
BOMB = gzip.compress(b" " * 10_000_000)
HOSTILE: list[tuple[bytes, int | None]] = [
    (head("Content-Length: 10") + b'{"id":"o"}', 200),
    (head(CHUNKED) + b'A\r\n{"id":"o"}\r\n0\r\n\r\n', 200),
    # A tab behind the length is not read by the llhttp of httptools 0.6, which uvicorn uses.
    (head("Content-Length: \t10 ", "X-Merchant:  \xe5\t ") + b'{"id":"o"}', 200),
    (head(CHUNKED) + b"64\r\n" + b" " * 100 + b"\r\n64\r\n" + b" " * 100, 413),
    (head("Content-Length: 99999999") + b"{", 413),
    (head("Content-Length: 10") + b"{", 408),
    (head(CHUNKED) + b"5\r\n{", 408),
    (head(CHUNKED) + b"zz\r\n{", 400),
    (head("Content-Length: ten") + b"{", 400),
    (head("Content-Length: 10", "Content-Length: 11") + b'{"id":"o"}', 400),
    (head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB, 415),
    (head("Content-Encoding: gzip", "Content-Length: 4") + b"none", 415),
]


@pytest.mark.parametrize("name", ["asgi", "aiohttp"])
async def test_a_hostile_body_over_a_socket_is_a_4xx(name: str, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[HookCall] = []

    async def note(call: HookCall) -> Reply:
        calls.append(call)
        return allow()

    receiver = Receiver(on_hook=note, limit=150, deadline=0.2)
    async with serving(receiver if name == "asgi" else web_app(receiver)) as port:

        async def send(data: bytes) -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            line = await reader.readline()
            writer.close()
            return int(line.split()[1])

        got = await asyncio.gather(*(send(data) for data, _ in HOSTILE))
        _, half = await asyncio.open_connection("127.0.0.1", port)
        half.write(head("Content-Length: 10") + b'{"id"')
        half.close()
        assert await send(HOSTILE[0][0]) == 200
    assert got == [status for _, status in HOSTILE]
    assert len(calls) == 4
    assert {call.merchant for call in calls} == {None, "\xe5".encode().decode("latin-1")}
    # What is no HTTP never comes to the receiver: aiohttp logs that itself.
    ours = [record for record in caplog.records if record.name != "aiohttp.server"]
    assert not [record for record in ours if record.exc_info or record.levelno > logging.WARNING]
    assert "receiving/web.py" not in caplog.text
