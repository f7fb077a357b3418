"""What a call costs: CPU, throughput and latency of the same PATCH through several clients, against one server.

    PYTHONPATH=tests python -m benchmarks.calls            all clients, 1, 32 and 256 calls in flight
    PYTHONPATH=tests python -m benchmarks.calls --in-flight 32 --rounds 15 --subjects aiohttp ours

The server, nginx where it is installed, is a process of its own, so that the CPU time measured is the client's alone.
"""

import argparse
from operator import attrgetter
from statistics import median

from benchmarks import ours
from benchmarks.machine import conditions
from benchmarks.measure import MANY, Results, baseline_of, opened_apart, ratios, spread, take_turns
from benchmarks.picture import draw
from benchmarks.server import Server, serve
from benchmarks.subjects import APART, ASYNCIO, BOTH, LANES, Lane, Subject
from benchmarks.tables import Found, Table

TRANSPORT = Subject("transport", "AiohttpTransport alone", ours.transport, BOTH, ours=True)
_ALL = [*LANES, *APART, *(Lane(TRANSPORT, loop) for loop in BOTH)]


def calls_in(in_flight: int) -> int:
    """How many calls make a slice: enough of them for its end, where fewer are in flight, not to count."""
    return max(1_000, 8 * in_flight)


def table(results: Results, in_flight: int, orders: int) -> Table:
    """The medians; in brackets the middle half of the rounds."""
    baseline = baseline_of(results)
    cpu, per_second, p50, p99 = map(attrgetter, ("cpu", "per_second", "p50", "p99"))
    rows = [
        [
            lane.label,
            f"{median(map(per_second, slices)):,.0f}",
            spread(ratios(slices, baseline, per_second), ".2f"),
            f"{median(map(cpu, slices)):,.0f}",
            spread(ratios(slices, baseline, cpu), ".2f"),
            f"{median(map(p50, slices)):,.2f}",
            f"{median(map(p99, slices)):,.2f}",
        ]
        for lane, slices in results.items()
    ]
    where = f"{orders:,} orders in turn" if orders > 1 else "always the same order"
    columns = ["client", "calls/s", "over aiohttp", "CPU µs a call", "over aiohttp", "p50 ms", "p99 ms"]
    return Table(f"{in_flight:,} in flight, {where}", columns, rows)


def measure(server: Server, rounds: int) -> Found:
    """Everything that the documentation shows."""
    with opened_apart(LANES, server.url) as ready:
        results = {
            in_flight: take_turns(ready, in_flight=in_flight, calls=calls_in(in_flight), rounds=rounds)
            for in_flight in (1, 32, 256)
        }
        few = {lane: each for lane, each in ready.items() if lane.subject.name in ("ours", "aiohttp", "aiohttp-tuned")}
        same = take_turns(few, in_flight=32, calls=1_000, rounds=rounds, orders=1)
    tables = [table(result, in_flight, MANY) for in_flight, result in results.items()]
    used = {name for lane in ready for name in (*lane.subject.distributions, lane.loop)} - {ASYNCIO}
    picture = draw(results[32], results[256], conditions(server.name, used))
    return Found([*tables, table(same, 32, 1)], [*used], server.name, {"calls.svg": picture})


def main() -> None:
    """Measure what the command line asks for, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(dict.fromkeys(lane.subject.name for lane in _ALL))
    usual = [name for name in names if name not in {lane.subject.name for lane in APART}]
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--orders", type=int, nargs="+", default=[1, MANY], help="how many orders, in turn")
    parser.add_argument("--subjects", nargs="+", choices=names, default=usual)
    parser.add_argument("--loops", nargs="+", choices=BOTH, default=[ASYNCIO])
    parser.add_argument("--calls", type=int, help="calls a slice")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    lanes = [lane for lane in _ALL if lane.subject.name in options.subjects and lane.loop in options.loops]
    with serve() as server, opened_apart(lanes, server.url) as ready:
        print(f"Against {server.name}; median (middle half) of {options.rounds} rounds")
        for orders in options.orders:
            for in_flight in options.in_flight:
                calls = options.calls or calls_in(in_flight)
                results = take_turns(ready, in_flight=in_flight, calls=calls, rounds=options.rounds, orders=orders)
                print("", *table(results, in_flight, orders).text(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
