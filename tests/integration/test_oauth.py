"""Tokens from an OAuth2 endpoint over real sockets."""

import asyncio
import gc
import json
import logging
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from raw_server import RawServer

from norce_order_async import (
    AiohttpTransport,
    AuthenticationError,
    ClientCredentials,
    DeadlineExceeded,
    HttptoolsTransport,
    OrderClient,
    OutcomeKind,
    TokenError,
    delete_consent,
)
from norce_order_async.testing.conformance.lines import then_close
from norce_order_async.testing.conformance.origin import response_bytes
from norce_order_async.testing.listening import in_a_thread

SECRET = "canary-secret-90c1"
CANARY = "canary-90c1-token"


class LaterClock:
    """The machine's clock, put forward by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def wall(self) -> float:
        return time.time()

    async def sleep(self, delay: float, /) -> None:
        await asyncio.sleep(delay)


class Norce:
    """An API and a token endpoint on one port: the API takes the token that was issued last."""

    def __init__(self, *, lifetime: int = 3600, delay: float = 0.0) -> None:
        self.lifetime = lifetime
        self.delay = delay
        self.forms: list[dict[str, list[str]]] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.calls = 0
        self.accepts: set[str] = set()

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2000).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self._runner.cleanup()

    def source(self, **settings: Any) -> ClientCredentials:
        given: dict[str, Any] = {"token_url": f"{self.origin}/token", "client_id": "id", "client_secret": SECRET}
        return ClientCredentials(**given | settings)

    def client(self, source: ClientCredentials, **settings: Any) -> OrderClient:
        return OrderClient(base_url=self.origin, merchant="norce", channel="1", auth=source, **settings)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/token":
            self.calls += 1
            token = request.headers["Authorization"].removeprefix("Bearer ")
            return web.Response(status=200 if token in self.accepts else 401)
        assert request.content_type == "application/x-www-form-urlencoded"
        self.forms.append(parse_qs((await request.read()).decode()))
        await asyncio.sleep(self.delay)
        await self.answers.wait()
        token = f"{CANARY}-{len(self.forms)}"
        self.accepts = {token}
        return web.json_response({"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"})


async def call(client: OrderClient, calls: int) -> None:
    """So many calls at once, all of which succeed."""
    done = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(calls)))
    assert {receipt.outcome for receipt in done} == {OutcomeKind.APPLIED}


async def test_many_calls_with_an_expired_token_cause_one_token_request() -> None:
    """First expired by the clock, then refused by the API although it should have served for long."""
    clock = LaterClock()
    async with Norce() as norce:
        source = norce.source(clock=clock, scope="stage")
        async with norce.client(source) as client:
            await call(client, 300)
            form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": SECRET, "scope": "stage"}
            assert norce.forms == [{name: [value] for name, value in form.items()}]
            assert norce.calls == 300
            clock.ahead = 3601
            await call(client, 300)
            assert (len(norce.forms), norce.calls) == (2, 600)
            clock.ahead += 60
            norce.accepts.clear()
            await call(client, 300)
            assert len(norce.forms) == 3
            assert norce.calls <= 1200
        await source.aclose()


async def test_a_token_that_is_refused_at_once_is_not_replaced_at_once() -> None:
    async with Norce() as norce:
        source = norce.source()
        async with norce.client(source) as client:
            await call(client, 1)
            norce.accepts = {"another"}
            ends = await asyncio.gather(
                *(delete_consent(client, "o", "ci") for _ in range(200)), return_exceptions=True
            )
            assert {type(end) for end in ends} == {AuthenticationError}
            assert (len(norce.forms), norce.calls) == (1, 201)
        await source.aclose()


@pytest.mark.parametrize(
    ("behaviour", "problem", "requests"),
    [
        (response_bytes(429, retry_after="3600"), "HTTP 429", 1),
        (response_bytes(400, json.dumps({"error": "invalid_client"}).encode()), "HTTP 400 invalid_client", 1),
        (response_bytes(307, location="http://127.0.0.1:9/"), "HTTP 307", 1),
        (response_bytes(503), "HTTP 503", 2),
        (response_bytes(200, b"<html>"), "its answer is not a JSON object", 2),
        (None, "ConnectionLost", 2),
        (then_close(b"SSH-2.0\r\n"), "ConnectionLost", 2),
    ],
)
async def test_an_endpoint_that_fails(
    behaviour: Any, problem: str, requests: int, caplog: pytest.LogCaptureFixture
) -> None:
    """All callers learn it together, and no secret is logged by anybody."""
    caplog.set_level(logging.DEBUG)
    async with RawServer(behaviour) as server:
        url = f"http://127.0.0.1:{server.port}/token"
        source = ClientCredentials(token_url=url, client_id="id", client_secret=SECRET, timeout=2.5)
        async with server.client(auth=source) as client:
            calls = [delete_consent(client, f"o_{n}", "ci") for n in range(100)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(end) for end in ends} == {TokenError}
            told = f": no token from 127.0.0.1:{server.port}: {problem}; the next request is "
            assert all(told in str(end) for end in ends)
        await source.aclose()
    assert 1 <= len(server.requests) <= requests
    assert "canary" not in caplog.text + "".join(str(record.__dict__) for record in caplog.records)


async def test_an_endpoint_that_is_down_is_not_sent() -> None:
    async with RawServer() as server:
        url = f"http://127.0.0.1:{server.port}/token"
    source = ClientCredentials(token_url=url, client_id="id", client_secret=SECRET, timeout=0.5)
    async with OrderClient(base_url="http://127.0.0.1:1", merchant="m", channel="1", auth=source) as client:
        with pytest.raises(TokenError, match="ConnectError: cannot connect to") as caught:
            await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert caught.value.__cause__ is None
    await source.aclose()


async def test_a_slow_endpoint_is_cut_by_each_caller_s_own_deadline() -> None:
    async with Norce() as norce:
        norce.answers.clear()
        source = norce.source()
        async with norce.client(source, timeout=30.0) as patient, norce.client(source, timeout=0.1) as hasty:
            waiting = asyncio.create_task(call(patient, 50))
            with pytest.raises(DeadlineExceeded) as caught:
                await delete_consent(hasty, "o_1", "ci")
            assert caught.value.outcome is OutcomeKind.NOT_SENT
            norce.answers.set()
            await waiting
        assert len(norce.forms) == 1
        await source.aclose()


async def test_cancelling_the_first_caller_leaves_the_others_alone() -> None:
    async with Norce() as norce:
        norce.answers.clear()
        source = norce.source()
        async with norce.client(source) as client:
            first = asyncio.create_task(delete_consent(client, "o_1", "ci"))
            while not norce.forms:  # noqa: ASYNC110 (of another object)
                await asyncio.sleep(0.001)
            waiting = asyncio.create_task(call(client, 50))
            await asyncio.sleep(0.02)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            norce.answers.set()
            await waiting
        assert len(norce.forms) == 1
        await source.aclose()


def test_two_event_loops_in_threads_share_one_request() -> None:
    with in_a_thread(Norce(delay=0.2)) as norce:
        source, ends = norce.source(), list[object]()

        async def one() -> None:
            await call(client, 100)
            ends.append(None)

        client = norce.client(source)
        threads = [threading.Thread(target=lambda: asyncio.run(one())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert ends == [None, None]
        assert len(norce.forms) == 1
        asyncio.run(client.aclose())
        asyncio.run(source.aclose())


def test_three_asyncio_runs_with_one_source_leave_nothing_behind() -> None:
    """Warnings of tasks or connections left behind are errors here."""
    clock = LaterClock()
    with in_a_thread(Norce()) as norce:
        source = norce.source(clock=clock)
        client = norce.client(source)
        for run in range(3):
            asyncio.run(call(client, 20))
            assert len(norce.forms) == run + 1
            clock.ahead += 3700
        asyncio.run(client.aclose())
        asyncio.run(source.aclose())
    gc.collect()


@pytest.mark.parametrize("transport", [AiohttpTransport, HttptoolsTransport])
def test_short_asyncio_runs_over_the_ends_of_tokens_refuse_no_call(
    transport: type[AiohttpTransport | HttptoolsTransport], caplog: pytest.LogCaptureFixture
) -> None:
    """None of them lasts long enough for a refresh in the background."""
    clock = LaterClock()
    with in_a_thread(Norce(lifetime=240, delay=0.05)) as norce:
        source = norce.source(clock=clock, transport=transport())
        client = norce.client(source, transport=transport())
        for _ in range(90):
            asyncio.run(call(client, 1))
            clock.ahead += 8
        assert norce.calls < 90 + 3 * (1 + 3)  # a request that was cut may have made the last token void
        assert len(norce.forms) <= 3 * (1 + 3)
        asyncio.run(client.aclose())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_loop_that_ends_during_a_refresh_ends_it() -> None:
    with in_a_thread(Norce(delay=0.5)) as norce:
        source = norce.source()

        async def impatient() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await source.get()
            assert len(asyncio.all_tasks()) == 2

        asyncio.run(impatient())
        norce.delay = 0
        assert asyncio.run(source.get()).startswith(CANARY)
        assert len(norce.forms) == 2
    gc.collect()
