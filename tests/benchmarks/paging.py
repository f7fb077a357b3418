"""Peak memory and requests of going through all orders.

    PYTHONPATH=tests python -m benchmarks.paging              1,000 and 100,000 orders, compared
    PYTHONPATH=tests python -m benchmarks.paging ORDERS       so many, in this process

The orders are the sandbox's thousand seeded ones again and again, each with an id of its own. There is no network.
"""

import asyncio
import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

from benchmarks.machine import peak_memory, run_apart
from norce_order_async import OrderClient, iter_orders
from norce_order_async.testing import Sandbox
from norce_order_async.transport import Request, Response, Transport
from norce_order_async.wire.json import encode_json

SEEDED = 1_000
LIMIT = 100
ALLOWED_MIB = 20


class Orders(Transport):
    """Lists so many orders."""

    def __init__(self, count: int) -> None:
        sandbox = Sandbox()
        self.count = count
        self.requests = 0
        self.bodies = [
            (order_id.encode(), encode_json(sandbox.order(order_id))) for order_id in sandbox.seed_orders(SEEDED)
        ]

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Answer with a page."""
        await asyncio.sleep(0)
        self.requests += 1
        query = parse_qs(urlsplit(request.url).query)
        start = int(query["offset"][0])
        shown = b",".join(map(self.order, range(start, min(start + LIMIT, self.count))))
        return Response(request, 200, {"content-type": "application/json"}, b'{"data":[%b]}' % shown)

    def order(self, number: int) -> bytes:
        """An order as it is on the wire."""
        order_id, body = self.bodies[number % SEEDED]
        return body.replace(order_id, b"o_%d" % number)

    async def aclose(self) -> None:
        """Nothing is open."""


async def main(count: int) -> None:
    """Go through so many orders and print what it took."""
    transport = Orders(count)
    base_url = "http://localhost/checkout/order"
    client = OrderClient(base_url=base_url, merchant="norce", channel="1", auth="token", transport=transport)
    started = time.perf_counter()
    orders = 0
    async with client:
        async for _ in iter_orders(client, limit=LIMIT):
            orders += 1
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {"orders": orders, "requests": transport.requests, "pages": -(-count // LIMIT),
             "seconds": round(seconds, 2), "per_second": round(orders / seconds), "peak_mib": round(peak_memory(), 1)}
        )
    )  # fmt: skip


def compare(few: int, many: int) -> int:
    """Run both numbers of orders in processes of their own; 1 if memory grew too much, or requests were too many."""
    runs = [run_apart("paging", count) for count in (few, many)]
    grown = runs[1]["peak_mib"] - runs[0]["peak_mib"]
    print(f"{many:,} orders took {grown:.1f} MiB more than {few:,}; {ALLOWED_MIB} MiB are allowed")
    complete = all(run["requests"] == run["pages"] + 1 for run in runs) and runs[1]["orders"] == many
    return int(grown > ALLOWED_MIB or not complete)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(compare(1_000, 100_000))
    asyncio.run(main(int(sys.argv[1])))
