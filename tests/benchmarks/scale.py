"""How the cost of a call grows: with calls in flight, with tenants on one client, and with the size of the body."""

import gc
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import ours, peers
from benchmarks.measure import Results, baseline_of, opened_apart, ratios, spread, take_turns
from benchmarks.request import CONSENT, HEADERS, Open, Send, order_id
from benchmarks.server import Server
from benchmarks.subjects import ASYNCIO, BASELINE, Lane, Subject
from benchmarks.tables import Found, Table

if TYPE_CHECKING:
    from norce_order_async.transport import Transport

MOST = 4096
COLLECTED_AFTER = 20_000
_COLUMNS = ["CPU µs a call", "over aiohttp", "calls/s", "p99 ms"]


def measure(server: Server, rounds: int) -> Found:
    """All three."""
    tables = [_in_flight(server, rounds), _tenants(server, rounds), _body(server, rounds)]
    return Found(tables, ["aiohttp", "httptools"], server.name)


def _lane(name: str, label: str, open_client: Open) -> Lane:
    return Lane(Subject(name, label, open_client), ASYNCIO)


def _lanes(aiohttp: Open, default: Open, httptools: Open) -> list[Lane]:
    return [
        _lane(BASELINE, "aiohttp by hand, json=", aiohttp),
        _lane("ours", "OrderClient", default),
        _lane("ours-httptools", "OrderClient, httptools", httptools),
    ]


def _row(results: Results, lane: Lane, *names: str) -> list[str]:
    slices, baseline = results[lane], baseline_of(results)
    cpu, per_second, p99 = map(attrgetter, ("cpu", "per_second", "p99"))
    return [
        *names,
        f"{median(map(cpu, slices)):,.0f}",
        spread(ratios(slices, baseline, cpu), ".2f"),
        f"{median(map(per_second, slices)):,.0f}",
        f"{median(map(p99, slices)):,.1f}",
    ]


@asynccontextmanager
async def _collected_less(url: str) -> AsyncGenerator[Send]:
    """As a program may have it that has thousands of calls in flight."""
    gc.set_threshold(COLLECTED_AFTER)
    async with ours.httptools(url, limit=MOST) as send:
        yield send


def _in_flight(server: Server, rounds: int) -> Table:
    rows: list[list[str]] = []
    lanes = _lanes(
        partial(peers.aiohttp, connections=MOST),
        partial(ours.default, limit=MOST),
        partial(ours.httptools, limit=MOST),
    )
    less = "ours-httptools-collected-less"
    lanes.append(_lane(less, f"OrderClient, httptools, gc.set_threshold({COLLECTED_AFTER:_})", _collected_less))
    with opened_apart(lanes, server.url) as ready:
        for in_flight in (1, 4, 16, 64, 256, 1024, MOST):
            calls = max(1_000, 2 * in_flight)
            results = take_turns(ready, in_flight=in_flight, calls=calls, rounds=rounds)
            rows += [_row(results, lane, f"{in_flight:,}", lane.subject.label) for lane in ready]
    return Table(f"Calls in flight, with up to {MOST:,} connections", ["in flight", "client", *_COLUMNS], rows)


@asynccontextmanager
async def _tenants_in_turn(url: str, tenants: int, kept: bool) -> AsyncGenerator[Send]:
    from norce_order_async import patch_consent

    async with ours.make_client(url) as client:
        views = [client.scoped(merchant=f"merchant-{number}") for number in range(tenants)]

        async def send(number: int) -> None:
            tenant = number % tenants
            view = views[tenant] if kept else client.scoped(merchant=f"merchant-{tenant}")
            await patch_consent(view, order_id(number), CONSENT, checked=True)

        yield send


def _tenants(server: Server, rounds: int) -> Table:
    lanes = [_lane(BASELINE, "aiohttp by hand, one tenant", peers.aiohttp)]
    for tenants, kept in ((1, True), (10, True), (100, True), (1_000, True), (1_000, False)):
        label = f"{tenants:,} in turn, {'views kept' if kept else 'a new view for each call'}"
        lanes.append(_lane(label, label, partial(_tenants_in_turn, tenants=tenants, kept=kept)))
    with opened_apart(lanes, server.url) as ready:
        results = take_turns(ready, in_flight=32, calls=1_000, rounds=rounds)
    rows = [_row(results, lane, lane.subject.label) for lane in ready]
    return Table("Scoped tenants on one client, 32 in flight", ["tenants", *_COLUMNS], rows)


# As near to the 1 MiB that is allowed as members of one size come.
_ATTRIBUTES = {f"attribute-{number:05}": "x" * 236 for number in range(4_000)}


@asynccontextmanager
async def _large(url: str, transport: "Callable[[], Transport | None]") -> AsyncGenerator[Send]:
    from norce_order_async import patch_attributes

    async with ours.make_client(url, transport()) as client:
        yield lambda number: patch_attributes(client, order_id(number), _ATTRIBUTES)


@asynccontextmanager
async def _large_by_hand(url: str) -> AsyncGenerator[Send]:
    async with peers.load("aiohttp").ClientSession() as session:

        async def send(number: int) -> None:
            where = f"{url}/api/v0/checkout/orders/{order_id(number)}/attributes"
            async with session.patch(where, json=_ATTRIBUTES, headers=HEADERS) as answer:
                answer.raise_for_status()
                await answer.read()

        yield send


def _body(server: Server, rounds: int) -> Table:
    lanes = _lanes(
        _large_by_hand,
        partial(_large, transport=ours.no_transport),
        partial(_large, transport=ours.httptools_transport),
    )
    with opened_apart(lanes, server.url) as ready:
        results = take_turns(ready, in_flight=4, calls=40, rounds=rounds)
    rows = [_row(results, lane, lane.subject.label) for lane in ready]
    size = len(json.dumps(_ATTRIBUTES, separators=(",", ":"))) / 2**20
    return Table(f"Attributes of {size:.2f} MiB, 4 in flight", ["client", *_COLUMNS], rows)
