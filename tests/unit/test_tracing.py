"""One span for each call, with what is known of it and nothing personal."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support import TOKEN, scripted

from norce_order_async import CallError, ConnectionLost, ReadTimeout, Timeout, Tracing, delete_consent, get_order
from norce_order_async.transport import Request, Response


def expire(request: Request) -> Response:
    """The time of the call ends while its request is on the wire."""
    request.call.timeout = Timeout(total=1e-9)
    raise ReadTimeout("too late", sent=True)


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


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ConnectionLost("cut o_1", sent=True), "ConnectionLost"),
        (404, "NotFoundError"),
        (500, "ServerError"),
        ((200, {"content-type": "application/json"}, b"o_1"), "DecodeError"),
        (expire, "DeadlineExceeded"),
    ],
)
async def test_a_call_that_fails_is_a_span_with_its_error(answer: Any, error: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client, _, _ = scripted(answer, retry=None, call_middlewares=[Tracing(provider.get_tracer("test"))])
    with pytest.raises(CallError):
        await get_order(client, "o_1")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == error
    assert (span.attributes or {})["norce.attempts"] == 1
    assert "o_1" not in span.to_json()
