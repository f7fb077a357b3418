"""One span for each call, with what is known of it and nothing personal."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support import TOKEN, scripted

from norce_order_async import ConnectionLost, Tracing, delete_consent

pytestmark = pytest.mark.asyncio


async def test_a_call_is_one_span_over_all_its_attempts() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client, transport, _ = scripted(503, 200, call_middlewares=[Tracing(provider.get_tracer("test"))])
    done = await delete_consent(client, "o_secret", "ci")
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("RemoveCheckoutOrderConsent", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "DELETE",
        "http.response.status_code": 200,
        "norce.attempts": 2,
        "norce.request_id": done.request_id,
    }
    parents = {request.headers["traceparent"] for request in transport.requests}
    assert len(parents) == 1
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in parents.pop()
    assert TOKEN not in span.to_json()
    assert "o_secret" not in span.to_json()


async def test_a_call_that_fails_is_a_span_with_its_error() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client, _, _ = scripted(
        ConnectionLost("cut", sent=True), retry=None, call_middlewares=[Tracing(provider.get_tracer("test"))]
    )
    with pytest.raises(ConnectionLost):
        await delete_consent(client, "o_1", "ci")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["norce.attempts"] == 1
