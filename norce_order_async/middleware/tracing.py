"""One OpenTelemetry span for each call."""

from typing import TYPE_CHECKING

from norce_order_async.core.call import Call
from norce_order_async.core.http import Request, Response, merge_headers, replace_headers
from norce_order_async.middleware import Handler
from norce_order_async.telemetry.installed import check_installed

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


class Tracing:
    """A call middleware that makes a span of each call, retries and waits included, and passes its context on.

    ::

        OrderClient(..., call_middlewares=[Tracing()])

    The span has the operation's name, the last status, the number of attempts and the request id; no body, no header
    and no id of an order. It ends with the call, in ERROR if the call failed, whatever the error is.
    :class:`Telemetry` tells more: each attempt, and metrics.

    Args:
        tracer: Another tracer than the global provider's.

    Raises:
        ConfigurationError: OpenTelemetry's API is not installed (the extra ``otel`` has it).
    """

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        check_installed()
        from opentelemetry.trace import get_tracer  # an extra

        from norce_order_async.telemetry.spans import whole_span

        self._tracer = get_tracer("norce_order_async") if tracer is None else tracer
        self._span = whole_span

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Run the rest of the call inside a span."""
        call = request.call
        known: dict[str, str | int] = {"http.request.method": request.method, "norce.request_id": call.request_id}
        span = self._span(self._tracer, call.operation, known)

        def end(call: Call, error: BaseException | None) -> None:
            known["norce.attempts"] = len(call.attempts)
            span.end(known, None if error is None else type(error).__name__)

        call.end_hooks = (*call.end_hooks, end)
        try:
            # No local variable holds the headers, so that no traceback can show the token.
            response = await call_next(replace_headers(request, merge_headers(request.headers, span.headers())))
            known["http.response.status_code"] = response.status
            return response
        finally:
            span.leave()
