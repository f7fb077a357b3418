"""Spans of calls and attempts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress

from opentelemetry.context import Context, attach, detach
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context

from norce_order_async.telemetry.labels import Attributes

_suppress: Callable[[], AbstractContextManager[None]] | None = None
with suppress(ImportError):  # then no instrumentation of an HTTP library is there either
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation

    _suppress = suppress_http_instrumentation


class CurrentSpan:
    """A span that is current in this task until it is left, and says how it ended in nobody's words.

    The text of an error stays out: it may hold what the server says of an order.

    Args:
        tracer: Makes it.
        name: Its name.
        kind: Its kind.
        attributes: What is known at its start.
    """

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, tracer: Tracer, name: str, kind: SpanKind, attributes: Attributes) -> None:
        self._span = tracer.start_span(name, kind=kind, attributes=attributes)
        self._context: Context = set_span_in_context(self._span)
        self._token = attach(self._context)

    def leave(self) -> None:
        """Be current no more."""
        detach(self._token)

    def end(self, attributes: Attributes, error_type: str | None) -> None:
        """End it, with what is known now; ``error_type`` makes it a failure."""
        span = self._span
        if span.is_recording():
            span.set_attributes(attributes)
            if error_type is not None:
                span.set_attribute("error.type", error_type)
                span.set_status(StatusCode.ERROR)
        span.end()


class AttemptSpan(CurrentSpan):
    """The span of a request on the wire; what instruments an HTTP library leaves that request alone."""

    __slots__ = ("_suppressed",)

    def __init__(self, tracer: Tracer, name: str, attributes: Attributes) -> None:
        super().__init__(tracer, name, SpanKind.CLIENT, attributes)
        self._suppressed = None if _suppress is None else _suppress()
        if self._suppressed is not None:
            self._suppressed.__enter__()

    def headers(self) -> Mapping[str, str]:
        """What tells the server of it: ``traceparent``, say."""
        headers: dict[str, str] = {}
        inject(headers, self._context)
        return headers

    def leave(self) -> None:
        """Be current no more."""
        if self._suppressed is not None:
            self._suppressed.__exit__(None, None, None)
        super().leave()
