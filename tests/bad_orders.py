"""Batches in which some orders always fail, in simulated time.

PYTHONPATH=tests python -m bad_orders                     a table of every layout
PYTHONPATH=tests python -m bad_orders --retry batch       with the policy for jobs
PYTHONPATH=tests python -m bad_orders --seeds 500         one layout so many times, with other chances each time
"""

import argparse
import asyncio
import math
from collections.abc import Iterable
from random import Random
from typing import Any, Literal

import attrs
from soak_batch.servers import Latency, Server
from support import BASE_URL, TOKEN
from timeline import Answer, Origin, Sent, Timeline, lost

from norce_order_async import OrderClient, OutcomeKind, RetryPolicy, Timeout
from norce_order_async.batch import Change, Outcome, PatchAttributes
from norce_order_async.batch.run import Batch
from norce_order_async.transport import Request, Response

COUNT = 1_000
LAYOUTS = ("at the start", "in the middle", "at the end", "1 % spread", "5 % spread", "10 % spread", "30 % spread")
Fails = Literal["500", "hangs"]
AT_ONCE = Latency(0.01, Random())


def bad_ones(layout: str, count: int = COUNT) -> frozenset[int]:
    """The bad ones among so many orders: 6 % in a block, or a share spread at random."""
    block, share = count * 6 // 100, layout.partition(" %")[0]
    if share.isdecimal():
        return frozenset(Random(layout).sample(range(count), count * int(share) // 100))
    first = {"at the start": 0, "in the middle": (count - block) // 2, "at the end": count - block}[layout]
    return frozenset(range(first, first + block))


class Orders(Origin):
    """A server that answers 500 for some orders, or lets their requests hang until they are given up."""

    def __init__(self, clock: Timeline, bad: frozenset[int], fails: Fails, server: Server) -> None:
        super().__init__(clock)
        self.bad, self.fails, self.server = bad, fails, server

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        number = int(request.url.split("/orders/o_")[1].split("/")[0])
        is_bad, longest = number in self.bad, timeout or 15.0
        hangs = is_bad and self.fails == "hangs"
        latency = math.inf if hangs else self.server.answer(self.clock.now, number)[2]

        def answer(sent: Sent) -> Answer:
            return lost() if latency > longest else 500 if is_bad else 200

        self.latency, self.answer = min(latency, longest), answer
        return await super().send(request, timeout=timeout)


@attrs.frozen
class Ran:
    """How a batch ended."""

    batch: Batch
    origin: Orders
    clock: Timeline
    outcomes: list[Outcome]

    def kinds(self, *, of_bad: bool) -> dict[str, int]:
        """How many changes of good or of bad orders ended in which outcome and error."""
        found: dict[str, int] = {}
        for outcome in self.outcomes:
            assert outcome.change is not None
            if (int(outcome.change.order_id[2:]) in self.origin.bad) is of_bad:
                name = f"{outcome.outcome} {outcome.error or ''}".strip()
                found[name] = found.get(name, 0) + 1
        return found


async def run(
    changes: Iterable[Change],
    bad: frozenset[int],
    fails: Fails,
    *,
    retry: RetryPolicy | None = None,
    server: Server = AT_ONCE,
    seed: int = 0,
    **arguments: Any,
) -> Ran:
    """Run a batch against such orders; the time of those that do not hang is the server's.

    Waits are drawn at random, and so is the next fresh change while the batch holds: the same for the same seed.
    """
    clock = Timeline()
    origin = Orders(clock, bad, fails, server)
    client = OrderClient(
        base_url=BASE_URL, merchant="norce", channel="1", auth=TOKEN, transport=origin, clock=clock, retry=retry,
        timeout=Timeout.batch(), random=Random(seed),
    )  # fmt: skip
    async with Batch(client, changes, **arguments) as batch:
        outcomes = [outcome async for outcome in batch]
    return Ran(batch, origin, clock, outcomes)


def one_each(count: int = COUNT) -> list[Change]:
    """A change of each of so many orders."""
    return [PatchAttributes(f"o_{number}", {"n": 1}) for number in range(count)]


async def table(retry: RetryPolicy | None) -> bool:
    """Print how each layout ends; whether all that is good was made, and all else ended with its own error."""
    held = True
    print("| bad orders | fail with | at once | good applied | bad: own error | not begun | stopped | simulated s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in LAYOUTS:
        bad = bad_ones(name)
        for fails in ("500", "hangs"):
            for concurrency in (1, 4, "auto"):
                ran = await run(one_each(), bad, fails, retry=retry, concurrency=concurrency)
                good = ran.kinds(of_bad=False).get("applied", 0)
                of_bad = ran.kinds(of_bad=True)
                own = sum(of_bad.get(f"unknown {error}", 0) for error in ("ServerError", "ReadTimeout"))
                left = COUNT - sum(outcome.outcome is not OutcomeKind.NOT_SENT for outcome in ran.outcomes)
                print(
                    f"| {len(bad)} {name} | {fails} | {concurrency} | {good:,} of {COUNT - len(bad):,} "
                    f"| {own} of {len(bad)} | {left} | {ran.batch.stopped or ''} | {ran.clock.now:,.0f} |",
                    flush=True,
                )
                held = held and (good, own, ran.batch.stopped) == (COUNT - len(bad), len(bad), None)
    return held


async def seeds(count: int) -> None:
    """Print how long the longest of so many runs takes, 24 bad ones at the start of 400, and what stopped any."""
    bad = bad_ones("at the start", 400)
    longest: tuple[float, int] = (0.0, 0)
    stopped: list[int] = []
    for seed in range(count):
        ran = await run(one_each(400), bad, "500", seed=seed, concurrency="auto")
        longest = max(longest, (ran.clock.now, seed))
        if ran.batch.stopped is not None or ran.kinds(of_bad=False) != {"applied": 400 - len(bad)}:
            stopped.append(seed)
    print(f"{count} seeds; the longest run takes {longest[0]:.0f} s (seed {longest[1]}); stopped: {stopped or 'none'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retry", choices=("none", "batch"), default="none")
    parser.add_argument("--seeds", type=int, default=0)
    options = parser.parse_args()
    if options.seeds:
        asyncio.run(seeds(options.seeds))
        raise SystemExit
    raise SystemExit(not asyncio.run(table(None if options.retry == "none" else RetryPolicy.batch())))
