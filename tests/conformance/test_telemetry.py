"""Traces over real sockets, with every transport, beside the instrumentation of an HTTP library."""

from collections.abc import Iterator
from typing import Any

import pytest
from collected import Collected
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.trace import SpanKind
from raw_server import OK, RawServer

from norce_order_async import AiohttpTransport, Attempt, HttptoolsTransport, delete_consent
from norce_order_async.middleware import Call
from norce_order_async.testing.conformance.origin import response_bytes
from norce_order_async.transport import Transport


@pytest.fixture
def instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """What aiohttp's own instrumentation tells."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    collected, instrumentor = Collected(), AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=collected.tracers, meter_provider=collected.meters)
    yield collected
    instrumentor.uninstrument()


@pytest.mark.parametrize("transport", [AiohttpTransport, HttptoolsTransport])
async def test_each_attempt_is_one_span_and_tells_the_server_of_it(
    instrumented: Collected, transport: type[Transport]
) -> None:
    collected = Collected()
    async with (
        RawServer(response_bytes(503), OK) as server,
        server.client(transport=transport(), telemetry=collected.telemetry()) as client,
    ):
        await delete_consent(client, "o_secret", "ci")
    attempts = [span for span in collected.spans if span.kind is SpanKind.CLIENT]
    assert [dict(span.attributes or {}).get("http.request.resend_count") for span in attempts] == [None, 1]
    assert [dict(span.attributes or {})["server.port"] for span in attempts] == [server.port] * 2
    for span, request in zip(attempts, server.requests, strict=True):
        assert span.context is not None
        assert request.lower().count(b"traceparent:") == 1
        assert f"{span.context.trace_id:032x}-{span.context.span_id:016x}".encode() in request
    assert sum(count for _, count in collected.metrics["http.client.request.duration"]) == 2
    assert not instrumented.spans
    assert not instrumented.metrics
    assert "o_secret" not in collected.text


async def test_requests_of_others_stay_instrumented(instrumented: Collected) -> None:
    """Also those that a hook makes, and those of a client without telemetry."""
    suppressed: list[bool] = []

    def look(call: Call, attempt: Attempt) -> None:
        suppressed.append(not is_http_instrumentation_enabled())

    settings: dict[str, Any] = {"telemetry": Collected().telemetry(), "on_attempt": [look]}
    async with RawServer(OK) as server, server.client(**settings) as client, server.client() as plain:
        await delete_consent(client, "o_1", "ci")
        await delete_consent(plain, "o_1", "ci")
    assert suppressed == [False]
    (span,) = instrumented.spans
    assert "o_1" in str(dict(span.attributes or {})["url.full"])
