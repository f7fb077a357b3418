"""Traces and metrics of clients and batches."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_switch
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.shapes import Shape, check_shape
from norce_order_async.core.version import __version__
from norce_order_async.telemetry.installed import check_installed
from norce_order_async.telemetry.labels import OTHER, Labelling, Labels

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from norce_order_async.telemetry.gauges import WatchedBatch, WatchedClient
    from norce_order_async.telemetry.spans import CurrentSpan


@attrs.define(eq=False)
class _Open:
    """A call under way, and the attempt of it that is; an attempt in a task of its own may outlive the call."""

    labels: Labels
    span: "CurrentSpan"
    ended: bool = False
    attempt: "tuple[CurrentSpan, Labels] | None" = None


class Telemetry:
    """OpenTelemetry's traces and metrics of clients, of their scoped views, and of the batches that they run.

    ::

        OrderClient(..., telemetry=Telemetry())

    Each call is a span, with one more inside for each attempt, whatever the transport; the server is told of the
    latter by ``traceparent``, or what else the global propagator sends. Where requests of an HTTP library are
    instrumented as well, those of the client are left out there. The names follow OpenTelemetry's conventions for HTTP,
    in their stable version, but there is no ``url.full``: it would hold the ids of orders.

    One instance may serve several clients.

    Args:
        tracer_provider: Another one than the global provider.
        meter_provider: Another one than the global provider.
        merchant: Whether ``norce.merchant`` is among the attributes, too.

    Raises:
        ConfigurationError: OpenTelemetry's API is not installed (the extra ``otel`` has it), or a provider is none.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        merchant: bool = False,
    ) -> None:
        check_installed()
        from opentelemetry.metrics import get_meter_provider  # an extra
        from opentelemetry.trace import get_tracer

        from norce_order_async.telemetry.counters import Counters
        from norce_order_async.telemetry.gauges import SCOPE, gauges_of
        from norce_order_async.telemetry.spans import attempt_span, call_span

        for name, provider, method in (
            ("tracer_provider", tracer_provider, "get_tracer"),
            ("meter_provider", meter_provider, "get_meter"),
        ):
            if provider is not None:
                check_shape(name, provider, Shape(f"an object with {method}()", (method,)))
        meter_provider = get_meter_provider() if meter_provider is None else meter_provider
        self._tracer = get_tracer(SCOPE, __version__, tracer_provider)
        self._count = Counters(meter_provider.get_meter(SCOPE, __version__))
        self._gauges = gauges_of(meter_provider)
        self._labels = Labelling(merchant=check_switch("merchant", merchant))
        self._open: dict[Call, _Open] = {}
        self._call_span, self._attempt_span = call_span, attempt_span

    # As an observer of calls

    def call_started(self, request: Request, /) -> None:
        """Begin the span of a call."""
        labels, call = self._labels.of(request), request.call
        attributes = {**labels.spans, "norce.request_id": call.request_id}
        span = self._call_span(self._tracer, labels.operation, attributes)
        self._open[call] = _Open(labels, span)

    def attempt_started(self, request: Request, attempt: Attempt, /) -> Mapping[str, str]:
        """Begin the span of an attempt; the headers that tell the server of it."""
        open_call = self._open.get(request.call)
        if open_call is None:
            return {}  # the call's start failed, or it has ended
        labels = self._labels.of(request)
        again = {"http.request.resend_count": attempt.number - 1} if attempt.number > 1 else {}
        span = self._attempt_span(self._tracer, labels.request, {**labels.spans, **again})
        open_call.attempt = span, labels
        return span.headers()

    def attempt_ended(self, call: Call, attempt: Attempt, /) -> None:
        """End the span of an attempt, and count its duration."""
        open_call = self._open.get(call)
        if open_call is None or open_call.attempt is None:
            return  # its start failed
        (span, labels), open_call.attempt = open_call.attempt, None
        if open_call.ended:
            del self._open[call]
        error_type = self._labels.error_of(attempt)
        status: dict[str, str | int] = {}
        if attempt.status is not None:
            status["http.response.status_code"] = attempt.status
        failed = {} if error_type is None else {"error.type": error_type}
        self._count.requests.record(attempt.elapsed, {**labels.requests, **status, **failed})
        span.leave()
        span.end(status, error_type)

    def call_ended(self, call: Call, response: Response | None, error: BaseException | None, /) -> None:
        """End the span of a call, and count it by its outcome."""
        open_call = self._open.get(call)
        if open_call is None:
            return  # its start failed
        open_call.ended = True
        if open_call.attempt is None:
            del self._open[call]
        labels, span = open_call.labels, open_call.span
        error_type = None if error is None else self._labels.error(type(error).__name__)
        ending = {"norce.outcome": call.outcome.value}
        failed = {} if error_type is None else {"error.type": error_type}
        self._count.calls.add(1, {**labels.calls, **ending, **failed})
        if len(call.attempts) > 1:
            self._count_retries(call, labels)
        known: dict[str, str | int] = {**ending, "norce.attempts": len(call.attempts)}
        if response is not None:
            known["http.response.status_code"] = response.status
        elif call.attempts and (status := call.attempts[-1].status) is not None:
            known["http.response.status_code"] = status
        span.leave()
        span.end(known, error_type)

    def _count_retries(self, call: Call, labels: Labels) -> None:
        for attempt in call.attempts:
            if attempt.delay is not None:
                cause = self._labels.error_of(attempt) or OTHER
                self._count.retries.add(1, {**labels.calls, "error.type": cause})

    # What a client and a batch tell

    def watch(self, client: "WatchedClient", base_url: str) -> None:
        """Have the gauges look at a client as long as others keep it alive."""
        self._gauges.clients.add(client, self._labels.server(base_url))

    def count_token(self) -> None:
        """Count a new token."""
        self._count.tokens.add(1)

    def count_changes(self, ended: Mapping[OutcomeKind, int]) -> None:
        """Count changes of a batch that have ended."""
        for outcome, number in ended.items():
            if number:
                self._count.changes.add(number, {"norce.outcome": outcome.value})

    def watch_batch(self, batch: "WatchedBatch", running: asyncio.Task[None]) -> None:
        """Have the gauges look at a batch until it has run."""
        self._gauges.batches.add(batch, {})
        running.add_done_callback(lambda _: self._gauges.batches.discard(batch))
