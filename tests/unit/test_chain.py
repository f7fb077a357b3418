"""The links of the chain that keep a client and its server in good health: budget, limiter, life, log, statistics."""

import asyncio
import gc
import logging
import math
import pickle
import warnings
from typing import Any

import pytest
from support import TOKEN, ScriptedTransport, scripted

from norce_order_async import (
    AiohttpTransport,
    Attempt,
    CallError,
    CallOptions,
    ClientClosedError,
    ClientStateError,
    ConfigurationError,
    ConnectionLost,
    DeadlineExceeded,
    HttptoolsTransport,
    OrderClient,
    OutcomeKind,
    RetryBudget,
    RetryPolicy,
    Timeout,
    delete_consent,
    get_order,
    patch_consent,
)
from norce_order_async.middleware import Call, Handler
from norce_order_async.testing.conformance.base import settle
from norce_order_async.testing.conformance.origin import RawOrigin
from norce_order_async.transport import Request, Response


async def test_an_outage_costs_little_more_than_one_request_a_call() -> None:
    client, transport, _ = scripted(502)
    for n in range(2_000):
        with pytest.raises(CallError):
            await delete_consent(client, f"o_{n}", "ci")
    assert len(transport.requests) <= 2_500
    assert client.stats().budget_left == 500 % 14


async def test_successes_bring_the_budget_back() -> None:
    budget = RetryBudget(capacity=30)
    client, _, _ = scripted(503, 200, 429, 200, *([200] * 50), budget=budget)
    await delete_consent(client, "o_1", "ci")
    assert budget.left == 30
    budget.left = 20
    await delete_consent(client, "o_1", "ci")
    assert budget.left == 20
    for _ in range(50):
        await delete_consent(client, "o_1", "ci")
    assert budget.left == 30


async def test_without_budget_there_is_no_retry() -> None:
    client, transport, _ = scripted(503, budget=RetryBudget(capacity=13))
    with pytest.raises(CallError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert len(transport.requests) == 1
    assert caught.value.gave_up == "the retry budget is empty: too many calls fail"
    client, transport, _ = scripted(503, budget=None, retry=RetryPolicy(max_attempts=5))
    for _ in range(100):
        with pytest.raises(CallError):
            await delete_consent(client, "o_1", "ci")
    assert len(transport.requests) == 500
    assert client.stats().budget_left is None


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "5"])
async def test_budget_and_limit_are_whole_numbers_above_zero(bad: Any) -> None:
    for name in ("capacity", "cost", "throttled_cost"):
        with pytest.raises(ConfigurationError, match=name):
            RetryBudget(**{name: bad})
    with pytest.raises(ConfigurationError, match="limit"):
        scripted(limit=bad)


class Gate(ScriptedTransport):
    """Holds every request until the gate is opened."""

    def __init__(self) -> None:
        super().__init__(200)
        self.open = asyncio.Event()
        self.waiting = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent()
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        return await super().send(request, timeout=timeout)


async def test_two_attempts_at_once_are_refused() -> None:
    """The account of a call has one attempt under way."""

    async def hedge(request: Request, call_next: Handler) -> Response:
        first = asyncio.ensure_future(call_next(request))
        await settle(50)
        try:
            return await call_next(request)
        finally:
            transport.open.set()
            await first

    transport = Gate()
    client, _, _ = scripted(transport=transport, attempt_middlewares=[hedge])
    with pytest.raises(ClientStateError, match="two at once") as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is OutcomeKind.APPLIED
    assert len(transport.requests) == 1
    assert client.stats().slots_used == 0


async def test_a_call_that_has_ended_sends_nothing_more() -> None:
    async def shielding(request: Request, call_next: Handler) -> Response:
        task = asyncio.ensure_future(call_next(request))
        shielded.append(task)
        return await asyncio.shield(task)

    shielded: list[asyncio.Future[Response]] = []
    gate = Gate()
    client, _, _ = scripted(transport=gate, limit=1, attempt_middlewares=[shielding])
    first = asyncio.create_task(patch_consent(client, "o_1", "ci", checked=True))
    await settle(50)
    second = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(50)
    second.cancel()
    await settle(50)
    gate.open.set()
    await first
    with pytest.raises(DeadlineExceeded):
        await shielded[1]
    assert [request.method for request in gate.requests] == ["PATCH"]


async def test_no_more_than_the_limit_are_under_way() -> None:
    gate = Gate()
    client, _, _ = scripted(transport=gate, limit=3)
    calls = [asyncio.create_task(delete_consent(client, f"o_{n}", "ci")) for n in range(10)]
    await settle(50)
    assert gate.waiting == client.stats().slots_used == 3
    calls[0].cancel()
    calls[9].cancel()
    await settle(50)
    assert gate.waiting == 3
    gate.open.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 2
    assert client.stats().slots_used == 0


async def test_a_call_whose_turn_never_comes_was_not_sent() -> None:
    gate = Gate()
    client, _, _ = scripted(transport=gate, limit=1, timeout=Timeout(total=0.02))
    # The first has longer: at its end it would give its turn to the second, in whose last moments that would be sent.
    first = asyncio.create_task(delete_consent(client, "o_1", "ci", options=CallOptions(timeout=0.1)))
    await settle(50)
    with pytest.raises(DeadlineExceeded) as caught:
        await delete_consent(client, "o_2", "ci")
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert caught.value.attempts == ()
    assert caught.value.gave_up == "it waited for a slot"
    with pytest.raises(DeadlineExceeded) as caught:
        await first
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    assert caught.value.attempts[0].error == "DeadlineExceeded"


async def test_closing_wakes_who_waits_between_attempts() -> None:
    from norce_order_async.middleware import SystemClock

    client, transport, _ = scripted((503, {"retry-after": "20"}, b""), clock=SystemClock())
    calls = [asyncio.create_task(delete_consent(client, f"o_{n}", "ci")) for n in range(5)]
    await settle(50)
    await client.aclose(grace=10)
    for call in calls:
        with pytest.raises(ClientClosedError) as caught:
            await call
        assert isinstance(caught.value, ClientStateError)
        assert (caught.value.outcome, len(caught.value.attempts)) == (OutcomeKind.UNKNOWN, 1)
        assert type(pickle.loads(pickle.dumps(caught.value))) is ClientClosedError
    assert (len(transport.requests), transport.closed) == (5, 1)


async def test_closing_lets_what_is_under_way_end() -> None:
    gate = Gate()
    client, _, _ = scripted(transport=gate)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(50)
    closing = asyncio.create_task(client.aclose(grace=10))
    await settle(50)
    assert not closing.done()
    with pytest.raises(ClientStateError):
        await delete_consent(client, "o_2", "ci")
    gate.open.set()
    assert (await call).outcome is OutcomeKind.APPLIED
    await closing
    assert gate.closed == 1


async def test_closing_does_not_wait_longer_than_its_grace() -> None:
    gate = Gate()
    client, _, _ = scripted(transport=gate)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(50)
    await client.aclose(grace=0.01)
    assert gate.closed == 1
    with pytest.raises(ClientClosedError, match="the client was closed") as caught:
        await call
    assert (caught.value.outcome, len(caught.value.attempts)) == (OutcomeKind.UNKNOWN, 1)


async def test_nothing_is_tried_again_once_the_client_is_closed() -> None:
    class Cut(Gate):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            await super().send(request, timeout=timeout)
            raise ConnectionLost("cut", sent=True)

    cut = Cut()
    client, _, _ = scripted(transport=cut)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(50)
    closing = asyncio.create_task(client.aclose(grace=10))
    await settle(50)
    cut.open.set()
    with pytest.raises(ConnectionLost) as caught:
        await call
    await closing
    assert (caught.value.gave_up, caught.value.outcome) == ("the client was closed", OutcomeKind.UNKNOWN)


@pytest.mark.parametrize(
    ("make", "closed"),
    [
        (type(None), "nothing"),
        (type(None), "the client"),
        (AiohttpTransport, "nothing"),
        (HttptoolsTransport, "nothing"),
        (HttptoolsTransport, "the client"),
        (HttptoolsTransport, "its transport"),
    ],
)
async def test_an_unclosed_client_is_one_warning_that_names_the_fix(make: Any, closed: str) -> None:
    async with RawOrigin() as origin:
        transport = make()
        client = OrderClient(base_url=origin.url, merchant="m", channel="1", auth=TOKEN, transport=transport)
        await delete_consent(client, "o_1", "ci")
        if closed != "nothing":
            await (client if closed == "the client" else transport).aclose()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client, transport
            gc.collect()
        messages = [str(each.message) for each in caught if each.category is ResourceWarning]
        told = [message for message in messages if message.startswith("unclosed OrderClient(")]
        assert len(told) == (closed == "nothing")
        assert all("async with" in message and "aclose()" in message for message in told)


async def test_the_statistics_add_up_over_all_views() -> None:
    client, _, _ = scripted(503, 200, 404, (200, {}, b'{"id": "o_1"}'))
    await delete_consent(client, "o_1", "ci")
    with pytest.raises(CallError):
        await delete_consent(client.scoped(merchant="other"), "o_1", "ci")
    await get_order(client, "o_1")
    stats = client.stats()
    assert (stats.calls, stats.attempts, stats.retries) == (3, 4, 1)
    assert stats.outcomes == {OutcomeKind.APPLIED: 2, OutcomeKind.REJECTED: 1}
    assert (stats.slots, stats.slots_used) == (100, 0)


async def test_each_attempt_is_told_to_the_hooks_and_a_hook_that_fails_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, int, int | None]] = []

    def note(call: Call, attempt: Attempt) -> None:
        told.append((call.operation, attempt.number, attempt.status))

    def broken(call: Call, attempt: Attempt) -> None:
        raise LookupError("a defect of the hook")

    client, _, _ = scripted(503, 200, on_attempt=[broken, note])
    await delete_consent(client, "o_1", "ci")
    assert told == [("RemoveCheckoutOrderConsent", 1, 503), ("RemoveCheckoutOrderConsent", 2, 200)]
    assert "a defect of the hook" in caplog.text


async def test_the_log_tells_attempts_retries_and_giving_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "norce_order_async")
    client, _, _ = scripted(503, 429, ConnectionLost("cut", sent=True))
    with pytest.raises(CallError) as caught:
        await delete_consent(client, "o_1", "ci")
    levels = [record.levelname for record in caplog.records]
    assert levels == ["DEBUG", "INFO", "DEBUG", "INFO", "DEBUG", "WARNING"]
    assert {record.name for record in caplog.records} == {"norce_order_async"}
    first, retry, *_, last = caplog.records
    assert first.getMessage().startswith("RemoveCheckoutOrderConsent attempt 1: HTTP 503 in 0.")
    assert "trying again in" in retry.getMessage()
    assert "giving up: the limit is 3 attempts" in last.getMessage()
    fields = [vars(record) for record in caplog.records]
    assert {field["request_id"] for field in fields} == {caught.value.request_id}
    assert all(caught.value.request_id in record.getMessage() for record in caplog.records)
    assert [field["attempt"] for field in fields] == [1, 1, 2, 2, 3, 3]
    assert fields[0]["status"] == 503
    # Each tells of the deadline.
    assert [field["total"] for field in fields] == 6 * [30]
    assert all(" s of 30 s left" in record.getMessage() for record in caplog.records)
    lefts = [field["left"] for field in fields]
    assert lefts == sorted(lefts, reverse=True)
    assert 0 < lefts[-1] < lefts[0] <= 30


async def test_the_log_tells_nothing_of_a_deadline_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "norce_order_async")
    client, _, _ = scripted(200, timeout=math.inf)
    await delete_consent(client, "o_1", "ci")
    (record,) = caplog.records
    assert "left" not in record.getMessage()
    assert (vars(record)["total"], vars(record)["left"]) == (None, None)


async def test_a_deadline_that_comes_before_the_request_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def late(request: Request, call_next: Handler) -> Response:
        await clock.sleep(7)
        return await call_next(request)

    client, _, clock = scripted(200, timeout=5, call_middlewares=[late])
    with pytest.raises(DeadlineExceeded):
        await delete_consent(client, "o_1", "ci")
    (record,) = caplog.records
    assert "met its deadline of 5 s before its request went out: outcome not_sent" in record.getMessage()


async def test_a_call_that_goes_well_is_silent_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "norce_order_async")
    client, _, _ = scripted(200)
    await delete_consent(client, "o_1", "ci")
    assert caplog.records == []
