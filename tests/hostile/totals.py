"""Calls whose total ends close to the limits of connecting and of an attempt: which of them ends a call is told right.

    PYTHONPATH=tests python -m hostile.totals 880

A call that its total ends is DeadlineExceeded, never a time-out of connecting or reading. One whose total is the
shorter limit always is, however late the event loop is; one whose total is the longer may be, and then not before it.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from hostile.operations import TRANSPORTS

from norce_order_async import CallOptions, DeadlineExceeded, OrderClient, Timeout, delete_consent
from norce_order_async.middleware import Call
from norce_order_async.testing.conformance.lines import forever
from norce_order_async.testing.conformance.origin import Hole, RawOrigin, responding

LIMIT = 0.1
"""Seconds that connecting, or an attempt, may take."""
NEAR = 0.005
"""Seconds by which a total may differ from that."""
EARLY = 0.0021
"""Seconds by which a total may be early: what the client takes for the same moment."""
AT_ONCE = 40
DEADLINE = DeadlineExceeded.__name__


async def run(count: int, seed: int, transport: str) -> tuple[Counter[str], list[str]]:
    """Make so many calls, half of which cannot connect; what ended them, and what was told wrong."""
    rng = random.Random(seed)
    kinds: Counter[str] = Counter()
    wrong: list[str] = []

    def ended(call: Call, error: BaseException | None) -> None:
        kinds[type(error).__name__] += 1
        told = isinstance(error, DeadlineExceeded)
        if not call.attempts:  # it ended while it waited for its turn
            if not told:
                wrong.append(f"{error!r} without an attempt")
            return
        attempt, total = call.attempts[-1], call.timeout.total
        took = attempt.started + attempt.elapsed
        if (total <= LIMIT and not told) or (told and took < total - EARLY) or told != (attempt.error == DEADLINE):
            wrong.append(f"{type(error).__name__} of {attempt.error} after {took:.4f} of {total:.4f} s")

    async with RawOrigin(responding(forever)) as silent, Hole("http") as hole:
        places = [(silent.url, "attempt"), *([(hole.url, "connect")] if hole.works else [])]
        clients = [
            OrderClient(base_url=f"{url}/checkout/order", merchant="m", channel="1", auth="token",
                        transport=TRANSPORTS[transport](), retry=None, on_call=[ended])
            for url, _ in places
        ]  # fmt: skip

        async def call(number: int) -> None:
            limit = places[number % len(places)][1]
            total = rng.uniform(LIMIT - NEAR, LIMIT + NEAR)
            timeout = Timeout(total=total, **{limit: LIMIT})
            options = CallOptions(timeout=timeout)
            await asyncio.gather(
                delete_consent(clients[number % len(places)], "o_1", "ci", options=options), return_exceptions=True
            )

        numbers = iter(range(count))

        async def lane() -> None:
            for number in numbers:
                await call(number)

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
        for client in clients:
            await client.aclose()
    return kinds, wrong


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loops that are here."""
    try:
        import uvloop
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def main(arguments: Any = None) -> int:
    """Run each transport on each event loop and print what ended the calls; 1 if something was told wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    options = parser.parse_args(arguments)
    failed = 0
    for name, make in loops().items():
        for transport in TRANSPORTS:
            with asyncio.Runner(loop_factory=make) as runner:
                kinds, wrong = runner.run(run(options.count, 0, transport))
            told = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
            print(f"{transport} on {name}: {told}; {len(wrong)} violations", flush=True)
            for line in wrong[:10]:
                print(f"  {line}")
            failed += len(wrong)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
