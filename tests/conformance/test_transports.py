"""What every transport that we ship has to do, whatever it runs on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import attrs
import pytest
from support import TOKEN

from norce_order_async import (
    AiohttpTransport,
    CallOptions,
    ClientStateError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    HttptoolsTransport,
    InvalidRequestError,
    NotFoundError,
    OrderClient,
    OutcomeKind,
    ReadTimeout,
    RetryPolicy,
    ServerError,
    Timeout,
    create_consent,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.middleware import Handler
from norce_order_async.models import Consent
from norce_order_async.testing import Fault, Sandbox, SandboxServer, SandboxTransport
from norce_order_async.transport import Request, Response, Transport

Door: TypeAlias = Callable[[Sandbox], AbstractAsyncContextManager[tuple[Transport, str]]]


@asynccontextmanager
async def over_sockets(sandbox: Sandbox) -> AsyncGenerator[tuple[Transport, str]]:
    async with SandboxServer(sandbox) as server:
        yield AiohttpTransport(), server.url


@asynccontextmanager
async def over_httptools(sandbox: Sandbox) -> AsyncGenerator[tuple[Transport, str]]:
    async with SandboxServer(sandbox) as server:
        yield HttptoolsTransport(), server.url


@asynccontextmanager
async def in_process(sandbox: Sandbox) -> AsyncGenerator[tuple[Transport, str]]:
    yield SandboxTransport(sandbox), "http://localhost/checkout/order"


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox(tokens=[TOKEN])
    sandbox.add_order("o_123", consents=["ci_newsletter"], attributes={"a": "x" * 100_000})
    return sandbox


@pytest.fixture(params=[over_sockets, over_httptools, in_process])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[OrderClient]:
    door: Door = request.param
    async with door(sandbox) as (transport, url):
        retry = RetryPolicy(max_attempts=3, wait=lambda state: 0)
        async with OrderClient(
            base_url=url, merchant="norce", channel="1", auth=TOKEN, transport=transport, retry=retry
        ) as client:
            yield client


async def test_a_change_arrives_as_it_was_meant(client: OrderClient, sandbox: Sandbox) -> None:
    await patch_consent(client, "o_123", "ci_newsletter", checked=True)
    await patch_attributes(client, "o_123", {"näme": None, "b": [1, {"c": "d"}]})
    order = sandbox.order("o_123")
    assert order is not None
    assert order["consents"] == [{"id": "ci_newsletter", "checked": True}]
    assert (order["attributes"]["näme"], order["attributes"]["b"]) == (None, [1, {"c": "d"}])
    assert sandbox.count == 2


async def test_a_large_body_is_read_whole(client: OrderClient) -> None:
    order = await get_order(client, "o_123")
    assert order.attributes == {"a": "x" * 100_000}


async def test_an_answer_is_an_answer_whatever_its_status(client: OrderClient, sandbox: Sandbox) -> None:
    with pytest.raises(NotFoundError) as missing:
        await delete_consent(client, "o_123", "ci_absent")
    assert missing.value.headers["content-type"].startswith("application/json")
    for status in (302, 304, 418, 500, 599):
        sandbox.faults.add(Fault.status(status, times=3))
        with pytest.raises(Exception, match=f"HTTP {status}"):
            await delete_consent(client, "o_123", "ci_newsletter")
        sandbox.faults.clear()


@pytest.mark.parametrize(("fault", "applied"), [("drop-before", False), ("drop-after", True), ("status:503", False)])
async def test_as_many_requests_as_attempts(client: OrderClient, sandbox: Sandbox, fault: str, applied: bool) -> None:
    sandbox.faults.add(f"{fault}:times=1")
    done = await patch_consent(client, "o_123", "ci_newsletter", checked=True)
    assert done.attempts == sandbox.count == 2
    assert [received.applied for received in sandbox.requests] == [applied, True]


async def test_a_deletion_whose_answer_was_lost_is_done(client: OrderClient, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault.drop_after(times=1))
    done = await delete_consent(client, "o_123", "ci_newsletter")
    assert (done.attempts, done.inferred) == (2, True)


async def test_a_yes_whose_body_is_cut_is_a_yes_unless_the_body_is_needed(
    client: OrderClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("truncate:times=2")
    done = await create_consent(client, "o_123", Consent(id="ci_new"))
    assert (done.outcome, done.attempts, sandbox.count) == (OutcomeKind.APPLIED, 1, 1)
    assert (await get_order(client, "o_123")).id == "o_123"
    assert sandbox.count == 3


@pytest.mark.parametrize("end", ["deadline", "cancelled", "closed"])
async def test_a_yes_whose_body_is_late_is_a_yes_however_the_call_ends(
    client: OrderClient, sandbox: Sandbox, end: str
) -> None:
    sandbox.faults.add("slow:60")
    outcomes: list[OutcomeKind] = []
    options = CallOptions(
        timeout=Timeout(total=0.3 if end == "deadline" else 30),
        on_call=lambda call, error: outcomes.append(call.outcome),
    )
    call = asyncio.ensure_future(create_consent(client, "o_123", Consent(id="ci_new"), options=options))
    await asyncio.wait([call], timeout=0.2)
    if end == "cancelled":
        call.cancel()
    if end == "closed":
        await client.aclose(grace=0)
    with pytest.raises((DeadlineExceeded, ClientStateError, asyncio.CancelledError)):
        await call
    assert outcomes == [OutcomeKind.APPLIED]


async def test_a_body_that_is_needed_and_late_is_no_answer(client: OrderClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("slow:60")
    with pytest.raises(DeadlineExceeded) as caught:
        await get_order(client, "o_123", options=CallOptions(timeout=0.3))
    assert (caught.value.outcome, caught.value.attempts[0].status) == (OutcomeKind.UNKNOWN, None)


@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
async def test_a_cut_connection_is_lost_and_was_sent(client: OrderClient, sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.add(fault)
    with pytest.raises(ConnectionLost) as caught:
        await patch_consent(client, "o_123", "ci_newsletter", checked=True)
    assert caught.value.sent is True
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    assert len(caught.value.attempts) == sandbox.count == 3


@pytest.mark.parametrize("fault", ["latency:60", "slow:60"])
async def test_a_late_answer_is_a_read_timeout(client: OrderClient, sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.add(fault)
    with pytest.raises(ReadTimeout) as caught:
        await get_order(client, "o_123", options=CallOptions(timeout=Timeout(attempt=0.5), retry=None))
    assert caught.value.sent is True


async def test_an_answer_that_drips_is_read(client: OrderClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("slow:0.05")
    assert (await get_order(client, "o_123")).id == "o_123"


async def test_a_host_that_is_not_there_was_not_sent(client: OrderClient) -> None:
    transport = client._core.transport  # pyright: ignore[reportPrivateUsage]
    async with OrderClient(
        base_url="https://absent.invalid", merchant="m", channel="1", auth=TOKEN, transport=transport, retry=None
    ) as lost:
        with pytest.raises(ConnectError) as caught:
            await delete_consent(lost, "o_123", "ci")
    assert caught.value.sent is False
    assert caught.value.outcome is OutcomeKind.NOT_SENT


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x-n": 3, "a": "b"}, "the header 'x-n' is not text, but int"),
        ({"x-n": "\ud800"}, "the header 'x-n' is not text"),
        ({3: "x"}, "a header's name is not text: 3"),
        ({"x-n": "a\r\nb: c"}, "line break"),
        ({"x-n": "a\x0bb"}, "the header 'x-n' holds a line break or another control character"),
        ({"x-n": "a\x7fb"}, "control character"),
        ({"x n": "a"}, "'x n' is not a header name"),
        ({"Host": "api.example"}, "the header 'Host' cannot be set by hand"),
        ({"content-length": "99"}, "the header 'content-length' cannot be set by hand"),
        ({"Transfer-Encoding": "chunked"}, "cannot be set by hand"),
    ],
)
async def test_a_header_of_a_middleware_that_cannot_be_sent_is_named(
    client: OrderClient, sandbox: Sandbox, headers: dict[Any, Any], says: str
) -> None:
    async def add(request: Request, call_next: Handler) -> Response:
        return await call_next(attrs.evolve(request, headers={**request.headers, **headers}))

    async with OrderClient(
        base_url=client.base_url, merchant="norce", channel="1", auth=TOKEN, attempt_middlewares=[add],
        transport=client._core.transport,  # pyright: ignore[reportPrivateUsage]
    ) as adding:  # fmt: skip
        with pytest.raises(InvalidRequestError, match=says) as caught:
            await delete_consent(adding, "o_123", "ci")
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert list(sandbox.requests) == []


async def test_many_calls_at_once_do_not_mix_their_answers(client: OrderClient, sandbox: Sandbox) -> None:
    for number in range(200):
        sandbox.add_order(f"o_{number}")
    orders = await asyncio.gather(*(get_order(client, f"o_{number}") for number in range(200)))
    assert [order.id for order in orders] == [f"o_{number}" for number in range(200)]


async def test_cancelling_is_prompt_and_leaves_the_client_usable(client: OrderClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("latency:60")
    calls: list[asyncio.Task[object]] = [asyncio.create_task(get_order(client, "o_123")) for _ in range(20)]
    while sandbox.count < 20:  # noqa: ASYNC110 (the sandbox has no event to wait for)
        await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {asyncio.CancelledError}
    sandbox.faults.clear()
    assert (await get_order(client, "o_123")).id == "o_123"
    assert sandbox.count == 21


async def test_closing_twice_is_fine_and_closed_is_closed(client: OrderClient) -> None:
    transport = client._core.transport  # pyright: ignore[reportPrivateUsage]
    await get_order(client, "o_123")
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(ClientStateError):
        await get_order(client, "o_123")


@pytest.mark.parametrize("make", [AiohttpTransport, HttptoolsTransport])
async def test_a_call_whose_transport_is_closed_under_it_does_not_blame_the_server(
    make: Callable[[], Transport], sandbox: Sandbox
) -> None:
    sandbox.faults.add("latency:60")
    transport = make()
    async with SandboxServer(sandbox) as server, transport:
        client = OrderClient(
            base_url=server.url, merchant="norce", channel="1", auth=TOKEN, transport=transport, retry=None
        )
        call = asyncio.create_task(get_order(client, "o_123"))
        while not sandbox.count:  # noqa: ASYNC110 (the sandbox has no event to wait for)
            await asyncio.sleep(0)
        await transport.aclose()
        with pytest.raises(ConnectionLost) as caught:
            await call
    assert caught.value.reason == "the transport was closed"


async def test_an_error_of_the_server_is_told_apart_from_the_transport_s(client: OrderClient, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault.status(500, body=b"<html>"))
    with pytest.raises(ServerError) as caught:
        await get_order(client, "o_123")
    assert (caught.value.code, caught.value.body) == (None, b"<html>")
