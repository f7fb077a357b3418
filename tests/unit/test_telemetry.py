"""Spans and metrics of calls and batches: what they say, what they never say, and what they keep alive."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from collected import Collected
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from support import TOKEN, Hanging, ScriptedTransport, scripted

from norce_order_async import (
    CallError,
    ClientCredentials,
    ConfigurationError,
    ConnectionLost,
    OrderClient,
    RetryBudget,
    Telemetry,
    Timeout,
    TokenFile,
    TokenPair,
    Tracing,
    delete_consent,
    get_order,
)
from norce_order_async.batch import Batch, PatchConsent, run_batch
from norce_order_async.core.call import Repeat
from norce_order_async.middleware import Handler
from norce_order_async.testing.clock import FakeClock
from norce_order_async.transport import Request, Response
from norce_order_async.wire.decoders import decode_receipt
from norce_order_async.wire.operation import Operation

TEMPLATE = "/api/v0/checkout/orders/{order_id}/consents/{consent_id}"
SENT = {
    "http.request.method": "DELETE",
    "url.template": TEMPLATE,
    "server.address": "127.0.0.1",
    "server.port": 1,
}
CALL = {"norce.operation": "RemoveCheckoutOrderConsent"}


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ended(span: ReadableSpan) -> tuple[StatusCode, object]:
    return span.status.status_code, said(span).get("error.type")


async def test_a_retried_call_is_a_span_with_one_for_each_attempt() -> None:
    collected = Collected()
    client, transport, _ = scripted(503, 200, telemetry=collected.telemetry())
    done = await delete_consent(client, "o_secret", "ci_secret")
    first, second, call = collected.spans
    assert (call.name, call.kind, call.status.status_code) == (
        "RemoveCheckoutOrderConsent",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert said(call) == {
        **CALL,
        **SENT,
        "norce.request_id": done.request_id,
        "norce.outcome": "applied",
        "norce.attempts": 2,
        "http.response.status_code": 200,
    }
    assert {(span.name, span.kind) for span in (first, second)} == {(f"DELETE {TEMPLATE}", SpanKind.CLIENT)}
    assert said(first) == {**CALL, **SENT, "http.response.status_code": 503, "error.type": "503"}
    assert said(second) == {**CALL, **SENT, "http.response.status_code": 200, "http.request.resend_count": 1}
    assert [ended(span) for span in (first, second)] == [(StatusCode.ERROR, "503"), (StatusCode.UNSET, None)]
    assert call.context is not None
    assert {span.parent.span_id for span in (first, second) if span.parent} == {call.context.span_id}
    sent = [request.headers["traceparent"].rpartition("-")[0] for request in transport.requests]
    contexts = [span.context for span in (first, second) if span.context]
    assert sent == [f"00-{call.context.trace_id:032x}-{each.span_id:016x}" for each in contexts]
    assert not trace.get_current_span().get_span_context().is_valid
    for secret in (TOKEN, "secret", "url.full"):
        assert secret not in collected.text


async def test_the_metrics_of_a_retried_call() -> None:
    collected = Collected()
    client, _, _ = scripted(503, 200, telemetry=collected.telemetry())
    await delete_consent(client, "o_secret", "ci_secret")
    server = {"server.address": "127.0.0.1", "server.port": 1}
    assert collected.metrics == {
        "http.client.request.duration": [
            ({**SENT, "http.response.status_code": 503, "error.type": "503"}, 1),
            ({**SENT, "http.response.status_code": 200}, 1),
        ],
        "norce.client.calls": [({**CALL, "norce.outcome": "applied"}, 1)],
        "norce.client.retries": [({**CALL, "error.type": "503"}, 1)],
        "norce.client.retry_budget.left": [(server, 500)],
        "norce.client.slots.used": [(server, 0)],
        "norce.client.slots.limit": [(server, 100)],
    }


@pytest.mark.parametrize(
    ("answer", "attempt", "call"),
    [
        (404, "404", "NotFoundError"),
        (500, "500", "ServerError"),
        (302, None, "UnexpectedStatusError"),
        ((200, {"content-type": "text/html"}, b"<html>o_secret"), "NotTheApiError", "NotTheApiError"),
        ((200, {"content-type": "application/json"}, b"o_secret"), None, "DecodeError"),
        (ConnectionLost("cut o_secret", sent=True), "ConnectionLost", "ConnectionLost"),
    ],
)
async def test_a_failed_call_ends_in_error(answer: Any, attempt: str | None, call: str) -> None:
    collected = Collected()
    client, _, _ = scripted(answer, retry=None, telemetry=collected.telemetry())
    with pytest.raises(CallError):
        await get_order(client, "o_secret")
    inner, outer = collected.spans
    assert ended(inner) == (StatusCode.UNSET if attempt is None else StatusCode.ERROR, attempt)
    assert ended(outer) == (StatusCode.ERROR, call)
    ((counted, _),) = collected.metrics["norce.client.calls"]
    assert counted["error.type"] == call
    assert "o_secret" not in collected.text


@pytest.mark.parametrize(
    ("how", "error"), [("cancelled", "CancelledError"), ("closed", "ClientClosedError"), ("late", "DeadlineExceeded")]
)
async def test_a_call_that_is_cut_ends_in_error(how: str, error: str) -> None:
    collected, transport = Collected(), Hanging()
    timeout = Timeout(total=0.01 if how == "late" else 30)
    client, _, _ = scripted(telemetry=collected.telemetry(), timeout=timeout, transport=transport)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await transport.sent.wait()
    assert [value for _, value in collected.metrics["norce.client.slots.used"]] == [1]
    if how == "cancelled":
        call.cancel()
    elif how == "closed":
        await client.aclose(grace=0)
    await asyncio.wait([call])
    inner, outer = collected.spans
    assert ended(inner)[0] is StatusCode.ERROR
    assert ended(outer) == (StatusCode.ERROR, error)
    assert said(outer)["norce.outcome"] == "unknown"


async def test_an_attempt_that_ends_after_its_call_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    begun, answered = asyncio.Event(), asyncio.Event()
    attempts: list[asyncio.Task[Response]] = []

    class Slow(ScriptedTransport):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            begun.set()
            await answered.wait()
            return await super().send(request, timeout=timeout)

    async def shielded(request: Request, call_next: Handler) -> Response:
        async def attempt() -> Response:
            return await call_next(request)

        attempts.append(asyncio.create_task(attempt()))
        return await asyncio.shield(attempts[0])

    collected = Collected()
    client, _, _ = scripted(telemetry=collected.telemetry(), transport=Slow(), attempt_middlewares=[shielded])
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await begun.wait()
    call.cancel()
    await asyncio.wait([call])
    answered.set()
    await attempts[0]
    outer, inner = collected.spans
    assert ended(outer) == (StatusCode.ERROR, "CancelledError")
    assert ended(inner) == (StatusCode.UNSET, None)
    assert said(inner)["http.response.status_code"] == 200
    assert collected.metrics["http.client.request.duration"] == [({**SENT, "http.response.status_code": 200}, 1)]
    assert "a hook failed" not in caplog.text


async def test_a_span_that_cannot_begin_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if span.kind is SpanKind.INTERNAL:
                raise OSError("no disk")

    collected = Collected()
    collected.tracers.add_span_processor(Failing())
    client, _, _ = scripted(503, 200, telemetry=collected.telemetry())
    await delete_consent(client, "o_1", "ci")
    failures = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert failures == [OSError]


async def test_the_end_of_a_delete_that_was_done_before_is_no_error() -> None:
    collected = Collected()
    gone = (404, {"content-type": "application/json"}, b'{"code": "consent-not-found", "message": "gone"}')
    client, _, _ = scripted(ConnectionLost("cut", sent=True), gone, telemetry=collected.telemetry())
    await delete_consent(client, "o_1", "ci")
    *_, call = collected.spans
    assert ended(call) == (StatusCode.UNSET, None)
    assert said(call)["norce.outcome"] == "applied_inferred"


async def test_spans_of_middlewares_stand_between_a_call_and_its_attempts() -> None:
    collected = Collected()
    tracer = collected.tracers.get_tracer("test")

    async def traced(request: Request, call_next: Handler) -> Response:
        with tracer.start_as_current_span("mine"):
            return await call_next(request)

    client, _, _ = scripted(200, telemetry=collected.telemetry(), attempt_middlewares=[traced])
    with tracer.start_as_current_span("outside"):
        await delete_consent(client, "o_1", "ci")
    parents = {span.name: span.parent and span.parent.span_id for span in collected.spans}
    ids = {span.name: span.context and span.context.span_id for span in collected.spans}
    names = ["outside", "RemoveCheckoutOrderConsent", "mine", f"DELETE {TEMPLATE}"]
    assert [parents[name] for name in names] == [None, *(ids[name] for name in names[:-1])]


async def test_shops_are_told_apart_only_when_that_is_asked_for() -> None:
    for asked in (False, True):
        collected = Collected()
        client, _, _ = scripted(200, telemetry=collected.telemetry(merchant=asked))
        for merchant in ("one", "two"):
            await delete_consent(client.scoped(merchant=merchant), "o_1", "ci")
        seen = [attributes.get("norce.merchant") for attributes, _ in collected.metrics["norce.client.calls"]]
        assert seen == (["one", "two"] if asked else [None])
        assert len(collected.metrics["http.client.request.duration"]) == len(seen)
        assert {said(span).get("norce.merchant") for span in collected.spans} == set(seen)


async def test_the_number_of_time_series_is_bounded() -> None:
    """Hosts may come from a visitor, names of operations and methods from code that makes them up."""
    collected = Collected()
    telemetry, clients = collected.telemetry(), list[OrderClient]()
    for number in range(150):
        client, _, _ = scripted(200, telemetry=telemetry, base_url=f"http://127.0.0.1:{number + 1}")
        clients.append(client)
        name = f"X{number}"
        await client.execute(Operation(name, cast("Any", name), f"/{name}", Repeat.NEVER, decode_receipt))
    metrics = collected.metrics
    for name, attribute in (
        ("norce.client.calls", "norce.operation"),
        ("http.client.request.duration", "url.template"),
        ("http.client.request.duration", "server.port"),
        ("norce.client.slots.used", "server.port"),
    ):
        assert len({attributes.get(attribute) for attributes, _ in metrics[name]}) == 101
    requests = [attributes for attributes, _ in metrics["http.client.request.duration"]]
    assert {attributes["http.request.method"] for attributes in requests} == {"_OTHER"}
    assert said(collected.spans[-1])["server.port"] == 150
    assert said(collected.spans[-1])["http.request.method_original"] == "X149"


async def test_gauges_join_the_clients_of_a_server_and_keep_none_alive() -> None:
    collected = Collected()
    client, transport, _ = scripted(200, telemetry=collected.telemetry())
    poor, _, _ = scripted(200, telemetry=collected.telemetry(), limit=10, budget=RetryBudget(capacity=20))
    await delete_consent(client, "o_1", "ci")
    assert watched(collected) == {"retry_budget.left": 20, "slots.used": 0, "slots.limit": 110}
    await poor.aclose()
    assert watched(collected) == {"retry_budget.left": 500, "slots.used": 0, "slots.limit": 100}
    gone = weakref.ref(client), weakref.ref(transport)
    del client, transport
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert watched(collected) == {}


def watched(collected: Collected) -> dict[str, float]:
    names = ("retry_budget.left", "slots.used", "slots.limit")
    metrics = collected.metrics
    return {name: value for name in names for _, value in metrics.get(f"norce.client.{name}", [])}


async def test_new_tokens_are_counted_by_all_who_share_a_source_once(tmp_path: Path) -> None:
    collected = Collected()
    telemetry, clock, path = collected.telemetry(), FakeClock(), tmp_path / "token"
    grants = ScriptedTransport((200, {}, b'{"access_token": "one", "expires_in": 3600}'))
    path.write_text("old")
    pair, file = TokenPair("primary", "secondary", clock=clock), TokenFile(path, clock=clock)
    granted = ClientCredentials(
        token_url="https://login.example/token", client_id="me", client_secret="it", transport=grants, clock=clock
    )
    for source in (pair, file, granted):
        for _ in range(2):
            scripted(200, telemetry=telemetry, auth=source)
    assert "norce.client.token.refreshes" not in collected.metrics
    await pair.get(rejected="primary")
    await file.get(rejected="old")
    path.write_text("another")
    await file.get(rejected="old")
    await granted.get()
    assert collected.metrics["norce.client.token.refreshes"] == [({}, 3)]


async def test_a_batch_is_counted_by_outcome_and_watched_while_it_runs() -> None:
    collected = Collected()
    client, _, _ = scripted(200, 200, 404, telemetry=collected.telemetry())
    changes = [PatchConsent(f"o_{number}", "ci", checked=True) for number in range(4)]
    seen: list[Mapping[str, Any]] = []
    async for _ in run_batch(client, changes, concurrency=1, rate=50):
        seen.append(collected.metrics)
    assert [value for _, value in seen[0]["norce.batch.concurrency"]] == [1]
    assert [value for _, value in seen[0]["norce.batch.rate_limit"]] == [50]
    assert "norce.batch.in_flight" in seen[0]
    after = collected.metrics
    assert after["norce.batch.changes"] == [({"norce.outcome": "applied"}, 2), ({"norce.outcome": "rejected"}, 2)]
    assert not {"norce.batch.concurrency", "norce.batch.rate_limit", "norce.batch.in_flight"} & after.keys()


async def test_changes_that_a_stop_leaves_undone_are_not_counted() -> None:
    collected = Collected()
    client, _, _ = scripted(404, telemetry=collected.telemetry())
    changes = [PatchConsent(f"o_{number}", "ci", checked=True) for number in range(4)]
    batch = Batch(client, changes, concurrency=2, max_failures=1)
    left = [outcome.number async for outcome in batch if outcome.error == "NotTried"]
    assert left
    assert collected.metrics["norce.batch.changes"] == [({"norce.outcome": "rejected"}, batch.progress.ended)]


async def test_a_call_that_is_thrown_away_ends_its_spans(caplog: pytest.LogCaptureFixture) -> None:
    collected = Collected()
    client, _, _ = scripted(telemetry=collected.telemetry(), transport=Hanging())

    def throw_away() -> None:
        loop = asyncio.new_event_loop()
        coroutine = delete_consent(client, "o_1", "ci")
        task = loop.create_task(coroutine)
        loop.call_later(0.01, loop.stop)
        loop.run_forever()
        loop.close()
        coroutine.close()
        del task

    await asyncio.to_thread(throw_away)
    gc.collect()
    assert [ended(span)[0] for span in collected.spans] == [StatusCode.ERROR] * 2
    assert not [record for record in caplog.records if record.name == "opentelemetry.context"]


@pytest.mark.parametrize("make", [Telemetry, Tracing])
async def test_without_the_extra_it_says_what_to_install(make: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        return None

    monkeypatch.setattr("norce_order_async.telemetry.installed.find_spec", find_nothing)
    with pytest.raises(ConfigurationError, match=r"norce-order-async\[otel\]"):
        make()


async def test_it_needs_no_more_than_the_api() -> None:
    provider = trace.NoOpTracerProvider()
    client, transport, _ = scripted(503, 200, telemetry=Telemetry(tracer_provider=provider))
    await delete_consent(client, "o_1", "ci")
    assert all("traceparent" not in request.headers for request in transport.requests)
