"""What really goes over a socket."""

import asyncio
import gzip
import inspect
import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest
from support import OK, TOKEN, RawServer, answer

import norce_order_async
from norce_order_async import (
    AiohttpTransport,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    DecodeError,
    OrderClient,
    OutcomeKind,
    ReadTimeout,
    RetryPolicy,
    Timeout,
    UnexpectedStatusError,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)

pytestmark = pytest.mark.asyncio

HEAD = """\
{start} HTTP/1.1
Host: 127.0.0.1:{port}
Authorization: Bearer {token}
x-merchant: norce
x-channel: 1
User-Agent: {agent}
Accept: application/json
Accept-Encoding: identity
x-request-id: {request_id}
"""

NO_WAIT = RetryPolicy(max_attempts=3, wait=lambda state: 0)


async def test_the_three_operations_byte_for_byte_over_one_connection() -> None:
    async with RawServer() as server, server.client() as client:
        receipts = [
            await delete_consent(client, "o_123", "ci_newsletter"),
            await patch_consent(client, "o_123", "ci_newsletter", checked=True),
            await patch_attributes(client, "o_123", {"property1": None, "property2": None}),
        ]
    agent = client._headers["User-Agent"]  # pyright: ignore[reportPrivateUsage]
    order = "/checkout/order/api/v0/checkout/orders/o_123"
    expected = [
        (f"DELETE {order}/consents/ci_newsletter", "Content-Length: 0\n\n"),
        (
            f"PATCH {order}/consents/ci_newsletter",
            'Content-Type: application/json\nContent-Length: 37\n\n{"id":"ci_newsletter","checked":true}',
        ),
        (
            f"PATCH {order}/attributes",
            'Content-Type: application/json\nContent-Length: 35\n\n{"property1":null,"property2":null}',
        ),
    ]
    assert server.connections == 1
    for request, receipt, (start, rest) in zip(server.requests, receipts, expected, strict=True):
        head = HEAD.format(start=start, port=server.port, token=TOKEN, agent=agent, request_id=receipt.request_id)
        assert request.decode() == head.replace("\n", "\r\n") + rest.replace("\n", "\r\n")


async def test_ids_are_encoded_once() -> None:
    async with RawServer() as server, server.client() as client:
        await delete_consent(client, "o:å+&=;,@", "(ci)'*!~")
    order_id, consent_id = "o%3A%C3%A5%2B%26%3D%3B%2C%40", "%28ci%29%27%2A%21~"
    path = f"/checkout/order/api/v0/checkout/orders/{order_id}/consents/{consent_id}"
    assert server.heads == [f"DELETE {path} HTTP/1.1"]


@pytest.mark.parametrize("call", [delete_consent, get_order])
async def test_a_dropped_connection_costs_as_many_requests_as_attempts(call: Any) -> None:
    arguments = ("o_123", "ci") if call is delete_consent else ("o_123",)
    body = b'{"id": "o_123"}'
    async with RawServer(None, answer(200, body)) as server, server.client(retry=NO_WAIT) as client:
        result = await call(client, *arguments)
        assert len(server.requests) == 2
        if call is delete_consent:
            assert result.attempts == 2
    async with RawServer(None) as server, server.client(retry=NO_WAIT) as client:
        with pytest.raises(ConnectionLost) as caught:
            await call(client, *arguments)
        assert len(server.requests) == len(caught.value.attempts) == 3
        assert caught.value.sent is True
        assert caught.value.outcome is OutcomeKind.UNKNOWN


async def test_a_dropped_kept_connection_costs_as_many_requests_as_attempts() -> None:
    async with RawServer(OK, None, OK) as server, server.client(retry=NO_WAIT) as client:
        await delete_consent(client, "o_123", "ci")
        done = await delete_consent(client, "o_123", "ci")
        assert (done.attempts, len(server.requests), server.connections) == (2, 3, 2)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x00\xff" * 100,
    ],
    ids=["ssh", "truncated", "bad chunk", "huge header", "noise"],
)
async def test_garbage_is_a_lost_connection_and_never_the_api_s_400(garbage: bytes) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        await writer.drain()
        writer.close()

    async with RawServer(send) as server, server.client(retry=None) as client:
        with pytest.raises(ConnectionLost) as caught:
            await get_order(client, "o_123")
    assert caught.value.sent is True
    assert TOKEN not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__context__ is None


async def test_a_redirect_is_an_answer() -> None:
    moved = answer(307, location="http://127.0.0.1:9/elsewhere")
    async with RawServer(moved) as server, server.client() as client:
        with pytest.raises(UnexpectedStatusError) as caught:
            await patch_consent(client, "o_123", "ci", checked=True)
        assert (caught.value.status, len(server.requests)) == (307, 1)


async def test_cookies_of_one_tenant_do_not_reach_the_next() -> None:
    async with RawServer(answer(200, set_cookie="session=1")) as server:
        # aiohttp's own jar would keep cookies of a named host, though not of a bare address.
        client = server.client(base_url=server.url.replace("127.0.0.1", "localhost"))
        await delete_consent(client, "o_123", "ci")
        await delete_consent(client.scoped(merchant="other"), "o_123", "ci")
        await client.aclose()
    assert b"cookie" not in server.requests[1].lower()


async def test_netrc_and_proxies_of_the_environment_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with RawServer() as server, server.client() as client:
        await delete_consent(client, "o_123", "ci")
    assert f"Authorization: Bearer {TOKEN}".encode() in server.requests[0]


async def test_refused_is_not_sent() -> None:
    async with RawServer() as server:
        url = server.url
    async with OrderClient(base_url=url, merchant="m", channel="1", auth=TOKEN, retry=NO_WAIT) as client:
        with pytest.raises(ConnectError) as caught:
            await delete_consent(client, "o_123", "ci")
    assert (caught.value.sent, caught.value.outcome, len(caught.value.attempts)) == (False, OutcomeKind.NOT_SENT, 3)


async def test_silence_is_a_read_timeout_and_unknown() -> None:
    async def silence(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        RawServer(silence) as server,
        server.client(retry=None, timeout=Timeout(attempt=0.05)) as client,
    ):
        with pytest.raises(ReadTimeout) as caught:
            await delete_consent(client, "o_123", "ci")
    assert (caught.value.sent, caught.value.outcome) == (True, OutcomeKind.UNKNOWN)


async def test_a_connection_that_is_not_made_in_time_was_not_sent() -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    with patch.object(aiohttp.TCPConnector, "_create_connection", never):
        async with RawServer() as server, server.client(retry=None, timeout=Timeout(connect=0.05)) as client:
            with pytest.raises(ConnectTimeout) as caught:
                await delete_consent(client, "o_123", "ci")
    assert (caught.value.sent, caught.value.outcome) == (False, OutcomeKind.NOT_SENT)


async def test_cancelling_gives_the_connection_back_and_sends_nothing_more() -> None:
    arrived = asyncio.Event()

    async def silence(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with RawServer(silence, silence, OK) as server, server.client(transport=AiohttpTransport(limit=1)) as client:
        for _ in range(2):
            call = asyncio.create_task(delete_consent(client, "o_123", "ci"))
            await arrived.wait()
            arrived.clear()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await delete_consent(client, "o_123", "ci")
        assert len(server.requests) == 3


async def test_waiting_for_a_slot_does_not_count_as_a_slow_server() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(OK)

    async with (
        RawServer(slow) as server,
        server.client(retry=None, timeout=Timeout(attempt=0.2), transport=AiohttpTransport(limit=2)) as client,
    ):
        receipts = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(40)))
        assert {receipt.attempts for receipt in receipts} == {1}
        assert server.connections == 2


async def test_at_most_five_frames_of_ours_stand_above_the_session() -> None:
    frames: list[str] = []
    original = aiohttp.ClientSession.request

    def request(self: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> Any:
        package = str(Path(norce_order_async.__file__).parent)
        frames.extend(frame.function for frame in inspect.stack() if frame.filename.startswith(package))
        return original(self, *args, **kwargs)

    async with RawServer() as server, server.client() as client:
        with patch.object(aiohttp.ClientSession, "request", request):
            await delete_consent(client, "o_123", "ci")
    assert frames == ["send", "__call__", "__call__", "execute", "delete_consent"]


async def test_no_limit_is_no_limit() -> None:
    unlimited = Timeout(total=math.inf, attempt=math.inf, connect=math.inf)
    async with RawServer() as server, server.client(timeout=unlimited) as client:
        assert (await delete_consent(client, "o_123", "ci")).attempts == 1


async def test_a_compressed_body_is_not_unpacked() -> None:
    bomb = gzip.compress(b'{"id": "' + b"o" * 1_000_000 + b'"}')
    async with RawServer(answer(200, bomb, content_encoding="gzip")) as server, server.client() as client:
        with pytest.raises(DecodeError):
            await get_order(client, "o_123")
