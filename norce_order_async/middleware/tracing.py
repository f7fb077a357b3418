"""One OpenTelemetry span for each call."""

from typing import TYPE_CHECKING

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.http import Request, Response, merge_headers
from norce_order_async.middleware import Handler

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


class Tracing:
    """A call middleware that makes a span of each call, retries and waits included, and passes its context on.

    ::

        OrderClient(..., call_middlewares=[Tracing()])

    The span has the operation's name, the last status, the number of attempts and the request id; no body, no header
    and no id of an order.

    Args:
        tracer: Another tracer than the global provider's.

    Raises:
        ConfigurationError: OpenTelemetry's API is not installed (the extra ``otel`` has it).
    """

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        try:
            from opentelemetry import propagate, trace  # an extra
        except ImportError:
            raise ConfigurationError('tracing needs OpenTelemetry: pip install "norce-order-async[otel]"') from None
        self._tracer = tracer or trace.get_tracer("norce_order_async")
        self._kind = trace.SpanKind.CLIENT
        self._inject = propagate.inject

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Run the rest of the call inside a span."""
        call = request.call
        with self._tracer.start_as_current_span(call.operation, kind=self._kind) as span:
            context: dict[str, str] = {}
            self._inject(context)
            try:
                response = await call_next(attrs.evolve(request, headers=merge_headers(request.headers, context)))
                span.set_attribute("http.response.status_code", response.status)
                return response
            finally:
                span.set_attribute("http.request.method", request.method)
                span.set_attribute("norce.request_id", call.request_id)
                span.set_attribute("norce.attempts", len(call.attempts))
