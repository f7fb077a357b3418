"""The sandbox in process, and over real sockets."""

import asyncio
import gc
import json
import os
import re
import socket
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from sandbox_requests import HEADERS, stored
from tenacity import wait_none

from norce_order_async import (
    AiohttpTransport,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Environment,
    OrderClient,
    OutcomeKind,
    RateLimitedError,
    ReadTimeout,
    RetryPolicy,
    ServerError,
    Timeout,
    TransportError,
    create_consent,
    create_order,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.models import Consent, Order
from norce_order_async.operations import Operation, Repeat, decode_receipt
from norce_order_async.testing import SANDBOX_TOKEN, Fault, Sandbox, SandboxServer, SandboxTransport
from norce_order_async.testing.conformance.base import make_request, settle
from norce_order_async.transport import Transport

AT_ONCE = RetryPolicy(max_attempts=3, wait=wait_none())
ORDER = "/checkout/order/api/v0/checkout/orders/o_1"
Door = Callable[..., OrderClient]


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox()
    sandbox.add_order("o_1", consents=["ci_news"])
    return sandbox


@pytest.fixture
async def server(sandbox: Sandbox) -> AsyncIterator[SandboxServer]:
    async with SandboxServer(sandbox) as server:
        yield server


@pytest.fixture(params=["transport", "server"])
async def door(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Door]:
    """Makes clients of the sandbox, one test run for each of its doors."""
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {"retry": None}
        if request.param == "server":
            server = await stack.enter_async_context(SandboxServer(sandbox))
            settings |= {"base_url": server.url, "transport": None}
        clients: list[OrderClient] = []

        def client(**overrides: Any) -> OrderClient:
            clients.append(sandbox.client(**settings | overrides))
            return clients[-1]

        yield client
        for made in clients:
            await made.aclose()


def checked(sandbox: Sandbox) -> object:
    return stored(sandbox)["consents"][0]["checked"]


async def test_the_six_operations(sandbox: Sandbox, door: Door) -> None:
    client = door()
    order_id = await create_order(client, Order(currency="SEK", attributes={"a": 1}))
    await create_consent(client, order_id, Consent(id="ci_å b".replace(" ", "_"), text="News?"))
    await patch_consent(client, order_id, "ci_å_b", checked=True)
    await patch_attributes(client, order_id, {"b": {"c": None}})
    order = await get_order(client, order_id)
    assert order.consents == (Consent(id="ci_å_b", text="News?", checked=True),)
    assert order.attributes == {"a": 1, "b": {"c": None}}
    with pytest.raises(ConflictError):
        await create_consent(client, order_id, Consent(id="ci_å_b"))
    receipt = await delete_consent(client, order_id, "ci_å_b")
    assert (receipt.status, receipt.outcome) == (200, OutcomeKind.APPLIED)
    assert sandbox.count == 7
    assert sandbox.requests[-1].headers["x-request-id"] == receipt.request_id


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"customer":{"type":"Person"}}', {False: 201, True: 400}),
        (b'{"customer":{}}', {False: 201, True: 400}),
        (b'{"cart":{"items":[{"quantity":84019.0}]}}', {False: 201, True: 201}),
        (b'{"cart":{"items":[{"logistics":{"shippingDate":"tomorrow"}}]}}', {False: 400, True: 400}),
        (b'{"country":"SE\\n"}', {False: 400, True: 400}),
        (b'{"consents":null}', {False: 400, True: 400}),
    ],
)
@pytest.mark.parametrize("through", ["transport", "server"])
async def test_both_doors_check_alike(body: bytes, status: dict[bool, int], strict: bool, through: str) -> None:
    sandbox = Sandbox(strict=strict)
    create = Operation("CreateCheckoutOrder", "POST", "/api/v0/checkout/orders", Repeat.IF_UNSENT, decode_receipt)
    async with SandboxServer(sandbox) as server:
        settings: dict[str, Any] = {} if through == "transport" else {"base_url": server.url, "transport": None}
        async with sandbox.client(retry=None, **settings) as client:
            with suppress(BadRequestError):
                await client.execute(create, body=body)
    assert [seen.status for seen in sandbox.requests] == [status[strict]]


async def test_what_three_writes_put_into_an_order_can_be_read_back(sandbox: Sandbox, door: Door) -> None:
    client = door(transport=read_up_to(sandbox, door, 16 * 1024 * 1024))
    for name in "abc":
        await patch_attributes(client, "o_1", {name: "x" * 500_000})
    order = await get_order(client, "o_1")
    assert {name: len(str(value)) for name, value in (order.attributes or {}).items()} == dict.fromkeys("abc", 500_000)


async def test_an_answer_that_no_transport_reads_is_read_at_neither_door(sandbox: Sandbox, door: Door) -> None:
    sandbox.add_order("o_2", attributes={"a": "x" * 10_000})
    client = door(transport=read_up_to(sandbox, door, 10_000))
    with pytest.raises(DecodeError, match="larger than the transport reads"):
        await get_order(client, "o_2")
    assert (await get_order(client, "o_1")).id == "o_1"


@pytest.mark.parametrize(
    ("headers", "path", "status", "code"),
    [
        ({"x-long": "x" * 8180}, "", 200, None),
        ({"x-long": "x" * 8185}, "", 431, "header-too-large"),
        ({"x-long": "x" * 100_000}, "", 431, "header-too-large"),
        ({f"x-{number}": "a" for number in range(110)}, "", 431, "header-too-large"),
        ({f"x-{number}": "a" for number in range(200)}, "", 431, "header-too-large"),
        ({}, f"?a={'x' * 8000}", 200, None),
        ({}, f"?a={'x' * 9000}", 414, "path-too-long"),
    ],
)
async def test_both_doors_are_equally_strict_about_the_head(
    sandbox: Sandbox, door: Door, headers: dict[str, str], path: str, status: int, code: str | None
) -> None:
    client = door()
    request = make_request("GET", f"{client.base_url}/api/v0/checkout/orders/o_1{path}", headers=HEADERS | headers)
    transport = read_up_to(sandbox, door, 10_000)
    answer = await transport.send(request, timeout=5)
    await transport.aclose()
    assert (answer.status, json.loads(answer.body).get("code")) == (status, code)


def read_up_to(sandbox: Sandbox, door: Door, most: int) -> Transport:
    in_process = "localhost" in door().base_url
    return SandboxTransport(sandbox, max_body=most) if in_process else AiohttpTransport(max_body=most)


async def test_two_tenants(sandbox: Sandbox, door: Door) -> None:
    sandbox.add_order("o_1", merchant="other", channel="se", consents=["ci_news"])
    client = door()
    await patch_consent(client.scoped(merchant="other", channel="se"), "o_1", "ci_news", checked=True)
    assert stored(sandbox, merchant="other", channel="se")["consents"][0]["checked"] is True
    assert checked(sandbox) is False


@pytest.mark.parametrize(
    ("fault", "error", "applied"),
    [
        (Fault.drop_before(), ConnectionLost, False),
        (Fault.drop_after(), ConnectionLost, True),
        (Fault.latency(9), ReadTimeout, True),
        (Fault.status(503), ServerError, False),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_a_fault_leaves_the_caller_in_the_dark(
    sandbox: Sandbox, door: Door, fault: Fault, error: type[TransportError], applied: bool
) -> None:
    sandbox.faults.add(fault)
    client = door(timeout=Timeout(attempt=0.5 if error is ReadTimeout else 5))
    with pytest.raises(error) as caught:
        await patch_consent(client, "o_1", "ci_news", checked=True)
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    assert [attempt.sent for attempt in caught.value.attempts] == [True]
    assert checked(sandbox) is applied
    assert sandbox.requests[-1].applied is applied


async def test_a_request_that_is_applied_late_is_never_answered(sandbox: Sandbox, door: Door) -> None:
    sandbox.faults.add("apply-late:1.5:times=1")
    with pytest.raises(ReadTimeout) as caught:
        await patch_consent(door(timeout=Timeout(attempt=0.5)), "o_1", "ci_news", checked=True)
    assert (caught.value.outcome, checked(sandbox), sandbox.count) == (OutcomeKind.UNKNOWN, False, 0)
    async with asyncio.timeout(5):
        while not checked(sandbox):  # noqa: ASYNC110 (what a server does)
            await asyncio.sleep(0.01)
    assert sandbox.requests[-1].applied


@pytest.mark.parametrize(("fault", "error"), [(Fault.truncate(), ConnectionLost), (Fault.slow(9), ReadTimeout)])
async def test_a_body_that_does_not_come_is_only_missed_where_it_is_needed(
    sandbox: Sandbox, door: Door, fault: Fault, error: type[TransportError]
) -> None:
    sandbox.faults.add(fault)
    client = door(timeout=Timeout(attempt=0.5 if error is ReadTimeout else 5))
    assert (await patch_consent(client, "o_1", "ci_news", checked=True)).outcome is OutcomeKind.APPLIED
    with pytest.raises(error) as caught:
        await get_order(client, "o_1")
    assert caught.value.status == 200


async def test_throttled(sandbox: Sandbox, door: Door) -> None:
    sandbox.faults.add(Fault.status(429, retry_after=7))
    with pytest.raises(RateLimitedError) as caught:
        await get_order(door(), "o_1")
    assert caught.value.retry_after == 7
    assert caught.value.code == "sandbox-fault"


async def test_a_truncated_error_is_no_answer(sandbox: Sandbox, door: Door) -> None:
    sandbox.faults.add(Fault.truncate())
    with pytest.raises(ConnectionLost):
        await get_order(door(), "o_404")


@pytest.mark.parametrize("order_id", ["o_1", "o_2"])
async def test_late_and_slow_answers_arrive_whole(sandbox: Sandbox, door: Door, order_id: str) -> None:
    sandbox.add_order("o_2", attributes={"long": "x" * 100_000})
    sandbox.faults.add(Fault.latency(0.01), Fault.slow(0.02))
    started = time.monotonic()
    order = await get_order(door(), order_id)
    assert time.monotonic() - started >= 0.03
    assert order.id == order_id


async def test_many_at_once(sandbox: Sandbox, door: Door) -> None:
    for number in range(200):
        sandbox.add_order(f"o_{number}", consents=["ci_a", "ci_b"])
    sandbox.faults.add(Fault.drop_after(share=0.05), Fault.drop_before(share=0.05), Fault.status(503, share=0.05))
    client = door(retry=RetryPolicy(max_attempts=10, wait=wait_none()), budget=None)
    await asyncio.gather(
        *(patch_consent(client, f"o_{number}", "ci_a", checked=True) for number in range(200)),
        *(delete_consent(client, f"o_{number}", "ci_b") for number in range(200)),
    )
    for number in range(200):
        assert stored(sandbox, f"o_{number}")["consents"] == [{"id": "ci_a", "checked": True}]


async def test_a_mebibyte_goes_through(sandbox: Sandbox, door: Door) -> None:
    text = "x" * (2**20 - 10)
    await patch_attributes(door(), "o_1", {"a": text})
    assert stored(sandbox)["attributes"] == {"a": text}


class TestTransport:
    async def test_a_connection_that_is_refused_sends_nothing(self, sandbox: Sandbox) -> None:
        sandbox.faults.add("refuse:times=3")
        async with sandbox.client(retry=AT_ONCE) as client:
            with pytest.raises(ConnectError) as caught:
                await patch_consent(client, "o_1", "ci_news", checked=True)
            assert [attempt.sent for attempt in caught.value.attempts] == [False] * 3
            assert (caught.value.outcome, sandbox.count) == (OutcomeKind.NOT_SENT, 0)
            sandbox.faults.add("status:503:times=1", "refuse:times=1")
            assert (await patch_consent(client, "o_1", "ci_news", checked=True)).attempts == 3

    @pytest.mark.parametrize(
        ("settings", "known"),
        [
            ({"environment": Environment.PRODUCTION, "slug": "acme"}, True),
            ({"base_url": "https://127.0.0.1:8787"}, True),
            ({"base_url": "https://gateway.example/norce"}, True),
            ({"base_url": "https://api.example/checkout/order"}, False),
            ({"base_url": "https://acme.norce.tech.example/checkout/order"}, False),
            ({"base_url": "https://evilnorce.tech/checkout/order"}, False),
        ],
    )
    async def test_hosts(
        self, sandbox: Sandbox, settings: dict[str, Any], known: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def network(*args: object, **kwargs: object) -> None:
            raise AssertionError("the network was touched")

        monkeypatch.setattr(socket, "getaddrinfo", network)
        monkeypatch.setattr(socket.socket, "connect", network)
        transport = SandboxTransport(sandbox, hosts=["Gateway.example"])
        async with sandbox.client(transport=transport, retry=None, **settings) as client:
            if known:
                await patch_consent(client, "o_1", "ci_news", checked=True)
            else:
                with pytest.raises(ConnectError) as caught:
                    await patch_consent(client, "o_1", "ci_news", checked=True)
                assert caught.value.outcome is OutcomeKind.NOT_SENT
        assert sandbox.count == int(known)

    async def test_other_tasks_get_their_turn(self, sandbox: Sandbox) -> None:
        async with sandbox.client() as client:
            busy = asyncio.create_task(patch_consent(client, "o_1", "ci_news", checked=True))
            await asyncio.sleep(0)
            assert not busy.done()
            await busy

    async def test_several_loops_at_once(self, sandbox: Sandbox) -> None:
        client = sandbox.client()

        async def read() -> None:
            for _ in range(100):
                await patch_consent(client, "o_1", "ci_news", checked=True)

        await asyncio.gather(*(asyncio.to_thread(asyncio.run, read()) for _ in range(3)))
        assert sandbox.count == 300


TENANT = f"Host: x\r\nAuthorization: Bearer {SANDBOX_TOKEN}\r\nx-merchant: norce\r\nx-channel: 1\r\n"
GET = f"GET {ORDER} HTTP/1.1\r\n{TENANT}"
PATCH = f"PATCH {ORDER}/attributes HTTP/1.1\r\n{TENANT}Content-Type: application/json\r\n"


async def talk(server: SandboxServer, sent: bytes, *, until_closed: bool = True) -> bytes:
    """Send bytes as they are; what comes back."""
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    try:
        async with asyncio.timeout(2):
            writer.write(sent)
            return await (reader.read() if until_closed else reader.read(2**16))
    except ConnectionError:
        return b""
    finally:
        writer.close()


class TestServer:
    async def test_one_connection_serves_many_requests(self, server: SandboxServer) -> None:
        answer = await talk(server, f"{GET}\r\n{GET}\r\n{GET}Connection: close\r\n\r\n".encode())
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert answer.count(b'"id":"o_1"') == 3

    @pytest.mark.parametrize("more", ["", "Connection: keep-alive\r\n"])
    async def test_a_slow_answer_in_http_1_0_ends_with_its_connection(
        self, sandbox: Sandbox, server: SandboxServer, more: str
    ) -> None:
        sandbox.faults.add("slow:0.01")
        answer = await talk(server, f"{GET}{more}\r\n".replace("HTTP/1.1", "HTTP/1.0").encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 OK")
        assert json.loads(body)["id"] == "o_1"

    @pytest.mark.parametrize(("fault", "told"), [(None, b"HTTP/1.1 100 Continue\r\n\r\n"), ("drop-before", b"")])
    async def test_who_asks_before_sending_a_body_is_told_to_go_on(
        self, sandbox: Sandbox, server: SandboxServer, fault: str | None, told: bytes
    ) -> None:
        sandbox.faults.add(*filter(None, [fault]))
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(*server.addresses[0])
            writer.write(f"{PATCH}Expect: 100-Continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n".encode())
            got = b""
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                got = await reader.readuntil(b"\r\n\r\n")
            assert got == told
            if told:
                writer.write(b'{"a":1}')
                assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()

    async def test_the_base_path_is_up_to_the_caller(self, sandbox: Sandbox, server: SandboxServer) -> None:
        async with sandbox.client(base_url=server.url.removesuffix("/checkout/order"), transport=None) as client:
            assert (await get_order(client, "o_1")).id == "o_1"

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
            b"hello\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET /%zz%ff/../\\ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"PATCH /api/v0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n",
            b"PATCH /api/v0 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"PATCH /api/v0 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\nabcde",
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET http://x@y:z/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"\r\n" * 10_000 + b"?\r\n\r\n",
        ],
        ids=range(12),
    )
    async def test_garbage_does_not_end_it(
        self, sandbox: Sandbox, server: SandboxServer, garbage: bytes, capfd: pytest.CaptureFixture[str]
    ) -> None:
        answer = b""
        with suppress(TimeoutError):  # aiohttp 3.14.3 leaves one of them without an answer
            answer = await talk(server, garbage, until_closed=False)
        assert not answer.startswith(b"HTTP/1.1 2")
        async with sandbox.client(base_url=server.url, transport=None, retry=None) as client:
            assert (await get_order(client, "o_1")).id == "o_1"
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET /caf\xe9?secret=canary HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary\x01\r\n\r\n",
        ],
        ids=["target", "header"],
    )
    async def test_the_log_does_not_have_what_was_sent(
        self, server: SandboxServer, sent: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert (await talk(server, sent)).startswith(b"HTTP/1.")
        assert re.search(r"Error handling request from 127\.0\.0\.1: \w+ in \w+\.pyx?:\d+", caplog.text)
        assert "canary" not in caplog.text

    @pytest.mark.parametrize("turns", range(5))
    async def test_a_caller_that_comes_at_the_end_leaves_nothing(self, sandbox: Sandbox, turns: int) -> None:
        async with SandboxServer(sandbox) as server:
            caller = socket.create_connection(server.addresses[0])
            await settle(turns)
        with caller, warnings.catch_warnings(record=True, action="always") as warned:
            gc.collect()
        assert [str(warning.message) for warning in warned] == []

    async def test_a_caller_that_goes_away_does_no_harm(self, sandbox: Sandbox, server: SandboxServer) -> None:
        length, chunk = "Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n"
        await asyncio.gather(
            *(
                asyncio.wait_for(talk(server, sent.encode(), until_closed=False), 0.01)
                for sent in ("PA", PATCH, PATCH + length, PATCH + chunk)
            ),
            return_exceptions=True,
        )
        async with sandbox.client(base_url=server.url, transport=None, retry=None) as client:
            assert (await get_order(client, "o_1")).attributes == {}

    async def test_a_truncated_body_announces_more_than_it_has(self, sandbox: Sandbox, server: SandboxServer) -> None:
        whole = (await talk(server, f"{GET}Connection: close\r\n\r\n".encode())).partition(b"\r\n\r\n")[2]
        sandbox.faults.add("truncate")
        head, _, body = (await talk(server, f"{GET}\r\n".encode())).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(whole)}".encode() in head
        assert whole.startswith(body)
        assert 0 < len(body) < len(whole)

    async def test_a_drop_before_does_not_wait_for_the_body(self, sandbox: Sandbox, server: SandboxServer) -> None:
        sandbox.faults.add("drop-before")
        assert await talk(server, f"{PATCH}Content-Length: 1000\r\n\r\n".encode()) == b""
        assert sandbox.requests[-1].body == b""

    async def test_too_large_a_body_is_not_read_to_its_end(self, server: SandboxServer) -> None:
        sent = f"{PATCH}Content-Length: 99999999\r\n\r\n".encode() + b" " * (3 * 2**20)
        answer = await talk(server, sent, until_closed=False)
        assert answer.startswith(b"HTTP/1.1 413")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too-large"

    async def test_closing_is_quick_whatever_is_open(self, sandbox: Sandbox) -> None:
        server = SandboxServer(sandbox)
        await server.start()
        client = sandbox.client(base_url=server.url, transport=None, retry=None)
        await get_order(client, "o_1")
        sandbox.faults.add("latency:inf:times=1", "slow:inf")
        waiting = [asyncio.create_task(get_order(client, "o_1")) for _ in range(2)]
        idle = asyncio.create_task(talk(server, b"GE"))
        while sandbox.count < 3:  # noqa: ASYNC110 (the sandbox has no event to wait for)
            await asyncio.sleep(0)
        async with asyncio.timeout(60):  # far less than what is open would take
            await server.aclose()
            await server.aclose()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionLost, ConnectionLost]
        assert await idle == b""
        with pytest.raises(ConnectError):
            await get_order(client, "o_1")
        await client.aclose()

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_closing_that_is_cancelled_leaves_nothing_open(self, sandbox: Sandbox, turns: int) -> None:
        server = SandboxServer(sandbox)
        await server.start()
        closing = asyncio.create_task(server.aclose())
        await settle(turns)
        closing.cancel()
        await asyncio.wait([closing])
        await server.aclose()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del server, closing
            gc.collect()
        assert [str(each.message) for each in caught] == []

    async def test_what_was_to_be_carried_out_later_is_noted_when_it_closes(self, sandbox: Sandbox) -> None:
        sandbox.faults.add("apply-late:inf")
        async with SandboxServer(sandbox) as server:
            timeout = Timeout(attempt=0.2)
            async with sandbox.client(base_url=server.url, transport=None, retry=None, timeout=timeout) as client:
                with pytest.raises(ReadTimeout):
                    await delete_consent(client, "o_1", "ci_news")
            assert sandbox.count == 0
        (received,) = sandbox.requests
        assert (received.operation, received.status, received.applied) == ("RemoveCheckoutOrderConsent", 0, False)

    async def test_it_has_no_connection_to_refuse(self, sandbox: Sandbox, server: SandboxServer) -> None:
        sandbox.faults.add("refuse")
        async with sandbox.client(base_url=server.url, transport=None, retry=None) as client:
            with pytest.raises(ServerError, match="the fault refuse is for clients in process"):
                await get_order(client, "o_1")
        with pytest.raises(ConfigurationError, match="the fault refuse is for clients in process"):
            await SandboxServer(sandbox).start()

    async def test_a_port_in_use_is_a_clear_error(self, sandbox: Sandbox, server: SandboxServer) -> None:
        _, port = server.addresses[0]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            await SandboxServer(sandbox, port=port).start()
        with pytest.raises(ConfigurationError, match=r"cannot listen on .*:99999"):
            await SandboxServer(sandbox, port=99999).start()

    async def test_windows_says_too_why_it_cannot_listen(
        self, sandbox: Sandbox, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(os, "strerror", "Unknown error {}".format)
        host, port = server.addresses[0]
        with pytest.raises(ConfigurationError, match=f"cannot listen on {host}:{port}: .*in use"):
            await SandboxServer(sandbox, port=port).start()

    async def test_it_starts_once(self, sandbox: Sandbox) -> None:
        async with SandboxServer(sandbox) as server:
            with pytest.raises(RuntimeError, match="running already"):
                await server.start()

    async def test_its_port_is_free_again(self, sandbox: Sandbox) -> None:
        async with SandboxServer(sandbox) as server:
            _, port = server.addresses[0]
        async with SandboxServer(sandbox, port=port) as server:
            assert server.url == f"http://127.0.0.1:{port}/checkout/order"
        with pytest.raises(RuntimeError, match="not running"):
            _ = server.url
