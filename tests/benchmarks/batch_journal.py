"""How fast a batch is with a journal and without, against the sandbox in a process of its own.

    PYTHONPATH=tests python tests/benchmarks/batch_journal.py              9 rounds of 5,000 changes
    PYTHONPATH=tests python tests/benchmarks/batch_journal.py CHANGES ROUNDS

Each round runs both, in turn first, so that what else the machine does meets both alike.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from soak_batch.processes import sandbox, write

from norce_order_async import Change, OrderClient, PatchAttributes, PatchConsent, RetryPolicy, Timeout, run_batch
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.testing import SANDBOX_TOKEN

ORDERS = 1_000


def changes(count: int) -> Iterator[Change]:
    """Consent and attribute changes, in turn over all orders."""
    for number in range(count):
        order_id = f"o_{number % ORDERS:04d}"
        if number // ORDERS % 2:
            yield PatchAttributes(order_id, {"erpId": f"A-{number}", "exported": True})
        else:
            yield PatchConsent(order_id, "ci", checked=number % 4 == 0)


async def measure(url: str, count: int, path: Path | None) -> float:
    """Changes a second, with a journal if there is a path for one."""
    client = OrderClient(
        base_url=url, merchant="norce", channel="1", auth=SANDBOX_TOKEN, retry=RetryPolicy.batch(),
        timeout=Timeout.batch(),
    )  # fmt: skip
    opened = nullcontext() if path is None else Journal.open(path, inputs=[], target=url)
    done = 0
    async with client:
        started = time.perf_counter()
        with opened as journal:
            outcomes: AsyncGenerator[Outcome] = run_batch(client, changes(count), journal=journal)
            async with aclosing(outcomes) as stream:
                async for outcome in stream:
                    done += outcome.outcome.done
        seconds = time.perf_counter() - started
    if done != count:
        sys.exit(f"{done} of {count} changes are done")
    return count / seconds


async def main(count: int, rounds: int) -> None:
    """Measure and print."""
    without: list[float] = []
    with_journal: list[float] = []
    with TemporaryDirectory() as name:
        orders = write(Path(name, "orders.jsonl"), (change.record() for change in changes(ORDERS)))
        async with sandbox(orders) as url:
            await measure(url, ORDERS, None)  # the first one is slower than those after it
            for number in range(rounds):
                path = Path(name, f"{number}.journal")
                if number % 2:
                    with_journal.append(await measure(url, count, path))
                    without.append(await measure(url, count, None))
                else:
                    without.append(await measure(url, count, None))
                    with_journal.append(await measure(url, count, path))
    for what, rates in (("without a journal", without), ("with a journal", with_journal)):
        print(f"{what:20} {median(rates):7,.0f}/s, from {min(rates):,.0f} to {max(rates):,.0f}")
    ratios = [one / other for one, other in zip(with_journal, without, strict=True)]
    print(f"{'with / without':20} {median(ratios):7.3f}, the median of {rounds} rounds of {count:,} changes each")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*given) if len(given) == 2 else main(given[0] if given else 5_000, 9))
