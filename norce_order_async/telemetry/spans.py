"""Spans of calls and attempts."""

from collections.abc import Mapping

from opentelemetry.context import Context, attach, detach, get_current, set_value
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context

from norce_order_async.telemetry.labels import Attributes


def _suppression() -> Mapping[str, object]:
    """What has to be in a context so that requests are left alone by what instruments HTTP libraries."""
    try:
        from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
    except ImportError:  # then nothing of that kind is installed
        return {}
    token = attach(Context())
    try:
        with suppress_http_instrumentation(), suppress_instrumentation():  # older ones know the second only
            return dict(get_current())
    finally:
        detach(token)


_SUPPRESSION = _suppression()


class CurrentSpan:
    """A span that is current in this task until it is left, and says how it ended.

    The text of an error stays out: it may hold what the server says of an order.

    Args:
        tracer: Makes it.
        name: Its name.
        kind: Its kind.
        attributes: What is known at its start.
        also: What else is in its context.
    """

    __slots__ = ("_context", "_span", "_token")

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        also: Mapping[str, object],
    ) -> None:
        self._span = tracer.start_span(name, kind=kind, attributes=attributes)
        context = set_span_in_context(self._span)
        for key, value in also.items():
            context = set_value(key, value, context)
        self._context = context
        self._token = attach(context)

    def headers(self) -> Mapping[str, str]:
        """What tells a server of it: ``traceparent``, say."""
        headers: dict[str, str] = {}
        inject(headers, self._context)
        return headers

    def leave(self) -> None:
        """Be current no more."""
        if get_current() is self._context:  # a call that is thrown away ends in another context
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


def call_span(tracer: Tracer, name: str, attributes: Attributes) -> CurrentSpan:
    """The span of a call; its requests have their own."""
    return CurrentSpan(tracer, name, SpanKind.INTERNAL, attributes, {})


def attempt_span(tracer: Tracer, name: str, attributes: Attributes) -> CurrentSpan:
    """The span of a request on the wire; what instruments an HTTP library leaves that request alone."""
    return CurrentSpan(tracer, name, SpanKind.CLIENT, attributes, _SUPPRESSION)


def whole_span(tracer: Tracer, name: str, attributes: Attributes) -> CurrentSpan:
    """The span of a call with all its requests."""
    return CurrentSpan(tracer, name, SpanKind.CLIENT, attributes, {})
