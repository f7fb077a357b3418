"""How fast a batch is with a journal and without, against the sandbox in a process of its own.

Each round runs both, in turn first, so that what else the machine does meets both alike.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from soak_batch.processes import sandbox, write

from benchmarks.measure import spread
from benchmarks.tables import Found, Table
from norce_order_async import OrderClient, RetryPolicy, Timeout
from norce_order_async.batch import Change, PatchAttributes, PatchConsent, run_batch
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


async def run(url: str, count: int, path: Path | None) -> float:
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


async def take_turns(count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Changes a second without a journal and with one."""
    without: list[float] = []
    with_journal: list[float] = []
    with TemporaryDirectory() as name:
        orders = write(Path(name, "orders.jsonl"), (change.record() for change in changes(ORDERS)))
        async with sandbox(orders) as url:
            await run(url, ORDERS, None)  # the first one is slower than those after it
            for number in range(rounds):
                path = Path(name, f"{number}.journal")
                if number % 2:
                    with_journal.append(await run(url, count, path))
                    without.append(await run(url, count, None))
                else:
                    without.append(await run(url, count, None))
                    with_journal.append(await run(url, count, path))
    return without, with_journal


def measure(rounds: int, count: int = 20_000) -> Found:
    """Measure both."""
    without, with_journal = asyncio.run(take_turns(count, rounds))
    share = [one / other for one, other in zip(with_journal, without, strict=True)]
    rows = [
        ["without a journal", spread(without, ",.0f"), ""],
        ["with a journal", spread(with_journal, ",.0f"), spread(share, ".3f")],
    ]
    caption = f"A batch of {count:,} changes against the sandbox in a process of its own"
    return Found([Table(caption, ["", "changes/s", "ratio"], rows)], ["aiohttp"])
