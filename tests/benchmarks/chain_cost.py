"""What the complete default chain costs over an empty one when nothing fails, in microseconds a call.

    python tests/benchmarks/chain_cost.py

The transport answers at once and does nothing, so all that is measured is the client's own way of a call. The empty
chain builds the same request, hands it to the transport and reads the answer, and does nothing else: no deadline,
retry, budget, limit, account, statistics or log. The variants run in turn; the medians of the rounds are compared.
"""

import asyncio
import platform
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable

from norce_order_async import Call, OrderClient, Request, Response, Timeout, Transport, patch_consent, receipt
from norce_order_async.codec import encode
from norce_order_async.endpoints.consents import PATCH_CONSENT

CALLS = 5_000
ROUNDS = 9


class Nothing(Transport):
    """Answers 200 at once."""

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Answer."""
        return Response(request, 200)

    async def aclose(self) -> None:
        """Nothing to close."""


TRANSPORT = Nothing()
CLIENT = OrderClient(base_url="http://localhost", merchant="m", channel="1", auth="token", transport=TRANSPORT)
TIMEOUT = Timeout()
HEADERS = {
    "Authorization": "Bearer token",
    "x-merchant": "m",
    "x-channel": "1",
    "User-Agent": "x",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


async def complete() -> object:
    """A call through the default chain."""
    return await patch_consent(CLIENT, "o_123", "ci_newsletter", checked=True)


async def empty() -> object:
    """The same request and answer without a chain."""
    target = PATCH_CONSENT.target({"order_id": "o_123", "consent_id": "ci_newsletter"})
    body = encode({"id": "ci_newsletter", "checked": True})
    call = Call(PATCH_CONSENT.name, PATCH_CONSENT.repeat, uuid.uuid4().hex, time.monotonic(), TIMEOUT, None)
    headers = dict(HEADERS)
    headers["x-request-id"] = call.request_id
    headers["Content-Type"] = "application/json"
    request = Request(call, PATCH_CONSENT.method, "http://localhost" + target, headers, body)
    return receipt(await TRANSPORT.send(request, timeout=None))


async def time_calls(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of CPU a call."""
    started = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - started) / CALLS * 1e6


async def main() -> None:
    """Measure and print."""
    subjects = {"empty": empty, "complete": complete}
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, subject in subjects.items():
            times[name].append(await time_calls(subject))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"Python {platform.python_version()}, {CALLS:,} calls in each of {ROUNDS} rounds")
    for name, values in times.items():
        print(f"{name:9} {medians[name]:6.1f} µs a call ({min(values):.1f} to {max(values):.1f})")
    print(f"the chain {medians['complete'] - medians['empty']:6.1f} µs a call")


if __name__ == "__main__":
    asyncio.run(main())
