"""What the client's own chain costs when nothing fails, layer by layer, in microseconds a call.

The transport answers at once and does nothing, so all that is measured is the client's own way of a call. The empty
chain builds the same request, hands it to the transport and reads the answer, and does nothing else: no deadline,
retry, budget, limit, account, statistics or log. Each other row is the default chain with one thing changed.
"""

import asyncio
import io
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import attrs

from benchmarks.measure import spread
from benchmarks.tables import Found, Table
from norce_order_async import Attempt, OrderClient, Telemetry, Timeout, TokenPair, Tracing, patch_consent
from norce_order_async.endpoints.consents import PATCH_CONSENT
from norce_order_async.middleware import Call, Handler
from norce_order_async.operations import decode_receipt
from norce_order_async.transport import Request, Response, Transport
from norce_order_async.wire.codec import encode

CALLS = 2_000


class Nothing(Transport):
    """Answers 200 at once."""

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Answer."""
        return Response(request, 200)

    async def aclose(self) -> None:
        """Nothing to close."""


TRANSPORT = Nothing()
TIMEOUT = Timeout()
HEADERS = {
    "Authorization": "Bearer token",
    "x-merchant": "m",
    "x-channel": "1",
    "User-Agent": "x",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


@attrs.frozen(eq=False)
class Layer:
    """One row: what is called, and what has to be in force meanwhile."""

    label: str
    call: Callable[[], Awaitable[object]]
    during: Callable[[], Any] = nullcontext


def client(**settings: Any) -> Callable[[], Awaitable[object]]:
    """A call through the default chain, but for these settings."""
    settings = {"auth": "token"} | settings
    client = OrderClient(base_url="http://localhost", merchant="m", channel="1", transport=TRANSPORT, **settings)
    return lambda: patch_consent(client, "o_123", "ci_newsletter", checked=True)


async def empty() -> object:
    """The same request and answer without a chain."""
    target = PATCH_CONSENT.target({"order_id": "o_123", "consent_id": "ci_newsletter"})
    body = encode({"id": "ci_newsletter", "checked": True})
    call = Call(PATCH_CONSENT.name, PATCH_CONSENT.repeat, uuid.uuid4().hex, time.monotonic(), TIMEOUT, None)
    headers = dict(HEADERS)
    headers["x-request-id"] = call.request_id
    headers["Content-Type"] = "application/json"
    request = Request(call, PATCH_CONSENT.method, "http://localhost" + target, headers, body)
    return decode_receipt(await TRANSPORT.send(request, timeout=None))


async def pass_on(request: Request, call_next: Handler) -> Response:
    """A middleware that does nothing."""
    return await call_next(request)


def look(call: Call, attempt: Attempt) -> None:
    """A hook that does nothing."""


@contextmanager
def debug_log() -> Generator[None]:
    """Let the client write its log, with a line formatted for each attempt."""
    logger, handler = logging.getLogger("norce_order_async"), logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)


def layers() -> list[Layer]:
    """The rows; the first is the default chain, with which the others are compared."""
    return [
        Layer("the default chain", client()),
        Layer("no chain at all", empty),
        Layer("no retry", client(retry=None)),
        Layer("no retry budget", client(budget=None)),
        Layer("a pair of tokens", client(auth=TokenPair("primary", "secondary"))),
        Layer("a call middleware", client(call_middlewares=[pass_on])),
        Layer("an attempt middleware", client(attempt_middlewares=[pass_on])),
        Layer("a hook after each attempt", client(on_attempt=[look])),
        Layer("the log at DEBUG, written", client(), debug_log),
        *_telemetry(),
    ]


def _telemetry() -> list[Layer]:
    """With the SDK, what is made of spans and counted, and not what an exporter does with it."""
    try:
        from opentelemetry import metrics, trace  # an extra
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as error:
        print(f"Telemetry is left out: {error}")
        return []
    # Whatever is installed: the providers of an application that has not set any up.
    no_traces, no_metrics = trace.NoOpTracerProvider(), metrics.NoOpMeterProvider()
    traces, counts = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    return [
        Layer("Tracing, no SDK set up", client(call_middlewares=[Tracing(trace.NoOpTracer())])),
        Layer("Tracing, with the SDK", client(call_middlewares=[Tracing(traces.get_tracer("bench"))])),
        *(
            Layer(f"Telemetry, {what}", client(telemetry=Telemetry(tracer_provider=tracers, meter_provider=meters)))
            for what, tracers, meters in (
                ("no SDK set up", no_traces, no_metrics),
                ("spans with the SDK", traces, no_metrics),
                ("metrics with the SDK", no_traces, counts),
                ("both with the SDK", traces, counts),
            )
        ),
    ]


async def time_calls(layer: Layer) -> float:
    """Microseconds of CPU a call."""
    with layer.during():
        started = time.process_time()
        for _ in range(CALLS):
            await layer.call()
        return (time.process_time() - started) / CALLS * 1e6


async def _take_turns(rounds: int) -> dict[Layer, list[float]]:
    times: dict[Layer, list[float]] = {layer: [] for layer in layers()}
    for layer in times:
        await time_calls(layer)
    for _ in range(rounds):
        for layer in random.sample(list(times), len(times)):
            times[layer].append(await time_calls(layer))
    return times


def measure(rounds: int) -> Found:
    """The medians, and what each row takes more than the default chain in the same round."""
    times = asyncio.run(_take_turns(rounds))
    default = next(iter(times.values()))
    rows = [
        [
            layer.label,
            spread(each, ".1f"),
            spread([one - other for one, other in zip(each, default, strict=True)], "+.1f"),
        ]
        for layer, each in times.items()
    ]
    return Found([Table("The client's own part of a call", ["with", "CPU µs a call", "more than default"], rows)])
