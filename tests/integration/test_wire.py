"""What really goes over a socket."""

import asyncio
import gzip
import inspect
import math
import re
import traceback
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import aiohttp
import pytest
from raw_server import OK, RawServer
from support import PACKAGE, TOKEN

from norce_order_async import (
    AiohttpTransport,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    DecodeError,
    HttptoolsTransport,
    OrderClient,
    OutcomeKind,
    ProxyError,
    ReadTimeout,
    RetryPolicy,
    Timeout,
    UnexpectedStatusError,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.testing.conformance.lines import forever
from norce_order_async.testing.conformance.origin import Peer, response_bytes
from norce_order_async.transport import Transport

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


@pytest.mark.parametrize("known", [True, False], ids=["aiohttp as known", "another aiohttp"])
async def test_the_three_operations_byte_for_byte_over_one_connection(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from norce_order_async.transport import aiohttp_internals as aiohttp

    assert aiohttp.SENDS_AT_ONCE, "this aiohttp makes its answers in another way: bodies are sent more slowly"
    monkeypatch.setattr(aiohttp, "SENDS_AT_ONCE", known)
    async with RawServer() as server, server.client() as client:
        receipts = [
            await delete_consent(client, "o_123", "ci_newsletter"),
            await patch_consent(client, "o_123", "ci_newsletter", checked=True),
            await patch_attributes(client, "o_123", {"property1": None, "property2": None}),
        ]
    agent = client._caller.headers["User-Agent"]  # pyright: ignore[reportPrivateUsage]
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
    assert len(server.peers) == 1
    for request, receipt, (start, rest) in zip(server.requests, receipts, expected, strict=True):
        head = HEAD.format(start=start, port=server.port, token=TOKEN, agent=agent, request_id=receipt.request_id)
        assert request.decode() == head.replace("\n", "\r\n") + rest.replace("\n", "\r\n")


async def test_ids_are_encoded_once() -> None:
    async with RawServer() as server, server.client() as client:
        await delete_consent(client, "o:å+&=;,@", "(ci)'*!~")
    order_id, consent_id = "o%3A%C3%A5%2B%26%3D%3B%2C%40", "%28ci%29%27%2A%21~"
    path = f"/checkout/order/api/v0/checkout/orders/{order_id}/consents/{consent_id}"
    assert [request.split(b"\r\n")[0] for request in server.requests] == [f"DELETE {path} HTTP/1.1".encode()]


@pytest.mark.parametrize("call", [delete_consent, get_order])
async def test_a_dropped_connection_costs_as_many_requests_as_attempts(call: Any) -> None:
    arguments = ("o_123", "ci") if call is delete_consent else ("o_123",)
    body = b'{"id": "o_123"}'
    async with RawServer(None, response_bytes(200, body)) as server, server.client(retry=NO_WAIT) as client:
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
        assert (done.attempts, len(server.requests), len(server.peers)) == (2, 3, 2)


async def test_a_redirect_is_an_answer() -> None:
    moved = response_bytes(307, location="http://127.0.0.1:9/elsewhere")
    async with RawServer(moved) as server, server.client() as client:
        with pytest.raises(UnexpectedStatusError) as caught:
            await patch_consent(client, "o_123", "ci", checked=True)
        assert (caught.value.status, len(server.requests)) == (307, 1)


async def test_refused_is_not_sent() -> None:
    async with RawServer() as server:
        url = server.url
    async with OrderClient(base_url=url, merchant="m", channel="1", auth=TOKEN, retry=NO_WAIT) as client:
        with pytest.raises(ConnectError) as caught:
            await delete_consent(client, "o_123", "ci")
    assert (caught.value.sent, caught.value.outcome, len(caught.value.attempts)) == (False, OutcomeKind.NOT_SENT, 3)


async def test_silence_is_a_read_timeout_and_unknown() -> None:
    async with (
        RawServer(forever) as server,
        server.client(retry=None, timeout=Timeout(attempt=0.5)) as client,
    ):
        with pytest.raises(ReadTimeout) as caught:
            await delete_consent(client, "o_123", "ci")
    assert (caught.value.sent, caught.value.outcome) == (True, OutcomeKind.UNKNOWN)


async def test_cancelling_gives_the_connection_back_and_sends_nothing_more() -> None:
    arrived = asyncio.Event()

    async def silence(peer: Peer) -> bool:
        arrived.set()
        return await forever(peer)

    async with RawServer(silence, silence, OK) as server, server.client(limit=1) as client:
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
    async def slow(peer: Peer) -> bool:
        await asyncio.sleep(0.05)
        peer.write(OK)
        return True

    async with (
        RawServer(slow) as server,
        server.client(retry=None, timeout=Timeout(attempt=0.7), limit=2) as client,
    ):
        receipts = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(40)))
        assert {receipt.attempts for receipt in receipts} == {1}
        assert len(server.peers) == 2


async def test_at_most_five_frames_of_ours_stand_above_the_session() -> None:
    frames: list[str] = []
    original = aiohttp.ClientSession.request

    def request(self: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> Any:
        frames.extend(frame.function for frame in inspect.stack() if frame.filename.startswith(PACKAGE))
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
    async with RawServer(response_bytes(200, bomb, content_encoding="gzip")) as server, server.client() as client:
        with pytest.raises(DecodeError):
            await get_order(client, "o_123")


PROXIED = pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])


@PROXIED
@pytest.mark.parametrize(
    "proxy",
    [
        "nonsense", "http://", "http://h:0", "ftp://proxy.example", 5, "http://a:b:c",
        "http://a%3Ab:s3cret@h:1", "http://\u0416:s3cret@h:1", "http://u:s3cret%C5%BE@h:1",
    ],
)  # fmt: skip
async def test_a_proxy_that_is_none_is_refused(kind: Callable[..., Transport], proxy: Any) -> None:
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        kind(proxy=proxy)
    assert "s3cret" not in str(caught.value)


@PROXIED
@pytest.mark.parametrize("credentials", ["user:s3cret", "us%C3%A9r:s%40", "user", ":s3cret"])
async def test_a_proxy_gets_user_and_password(kind: Callable[..., Transport], credentials: str) -> None:
    async with RawServer(response_bytes(407)) as proxy:
        transport = kind(proxy=f"http://{credentials}@127.0.0.1:{proxy.port}")
        async with proxy.client(base_url="https://api.example.com", transport=transport, retry=None) as client:
            with pytest.raises(ProxyError, match="407"):
                await delete_consent(client, "o_123", "ci")
    (value,) = re.findall(rb"\r\nProxy-Authorization: Basic (\S+)\r\n", proxy.requests[0])
    user, _, password = credentials.partition(":")
    assert b64decode(value) == f"{unquote(user)}:{unquote(password)}".encode("latin-1")


async def test_the_password_of_a_proxy_is_not_shown() -> None:
    async with RawServer(response_bytes(407)) as proxy:
        transport = AiohttpTransport(proxy=f"http://user:s3cret@127.0.0.1:{proxy.port}")
        async with proxy.client(base_url="https://api.example.com", transport=transport, retry=None) as client:
            with pytest.raises(ProxyError, match="407") as caught:
                await delete_consent(client, "o_123", "ci")
    shown = [repr(transport), repr(caught.value.__dict__), *traceback.format_exception(caught.value)]
    assert "s3cret" not in "".join(shown)
    assert caught.value.outcome is OutcomeKind.NOT_SENT
