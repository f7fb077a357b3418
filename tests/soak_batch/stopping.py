"""A batch that is stopped again and again at random moments, and continued each time with the same command."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from soak_batch.ledger import Ledger
from soak_batch.processes import INPUT, JOURNAL, Ran, Running, write

from norce_order_async.testing import Sandbox, SandboxServer

SLOW = "latency:0.02"
"""So that many changes are in flight whenever it is stopped."""
SETTLE = 0.1
"""Seconds after which a request that a killed process sent has arrived."""

Stop = Callable[[Running, random.Random], Awaitable[None]]
"""Stops a batch that runs."""


async def soak(
    name: str,
    stop: Stop,
    codes: set[int],
    *,
    count: int,
    stops: int,
    seed: int,
    faults: tuple[str, ...] = (),
    arguments: tuple[str, ...] = (),
) -> tuple[list[str], Ledger]:
    """Run, stop, continue; what was not as promised, and the account.

    A fifth of the stops come at any moment before the first request of a run, the others when it has sent some.
    """
    rng = random.Random(seed)
    ledger = Ledger.write(count, rng)
    startup, life = await _undisturbed(ledger, faults, arguments)
    share = count / stops
    print(f"{name}: {count:,} lines, undisturbed {life:.1f} s, the first request after {startup:.2f} s", flush=True)
    origin = ledger.sandbox(*faults, SLOW)
    ended = Counter[int]()
    empty = 0
    with TemporaryDirectory() as path:
        folder = Path(path)
        write(folder / INPUT, ledger.lines)
        async with SandboxServer(origin) as server:
            for number in range(stops + 1):
                running = Running(folder, server.url, *arguments)
                if number < stops:
                    early, part = rng.uniform(0, startup), rng.uniform(0, 2 * share)
                    if await (_sends(running, origin, part) if number % 5 else running.lives(early)):
                        await stop(running, rng)
                ran = await running.end()
                await running.gone()
                await asyncio.sleep(SETTLE)
                empty += not ledger.after_run(folder / JOURNAL, origin)
                ended[ran.code] += 1
                allowed = {1} if number == stops else {*codes, 1}
                ledger.violations += _unexpected(ran, allowed, number + 1, number % 5 == 0 and number < stops)
            outcomes = ledger.settle(folder / JOURNAL)
            origin.faults.clear()  # every order is to be read
            await ledger.compare(server.url)
            ledger.violations += await _once_more(folder, server.url, origin, arguments)
    told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    print(f"  {stops} stops, {empty} runs ended without an outcome; exit codes {dict(ended)}")
    print(f"  {told}")
    again = f"{ledger.twice:,} of them ({ledger.twice / max(1, ledger.seen):.1%})"
    print(f"  {ledger.seen:,} requests, {again} for a line that had one before", flush=True)
    return ledger.violations, ledger


async def _undisturbed(ledger: Ledger, faults: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[float, float]:
    """Seconds until the first request, and until the end, of a batch that nobody stops."""
    origin = ledger.sandbox(*faults, SLOW)
    with TemporaryDirectory() as path:
        folder = Path(path)
        write(folder / INPUT, ledger.lines)
        async with SandboxServer(origin) as server:
            began = time.monotonic()
            running = Running(folder, server.url, *arguments)
            await _sends(running, origin, 1)
            startup = time.monotonic() - began
            return startup, (await running.end()).seconds


async def _sends(running: Running, origin: Sandbox, requests: float) -> bool:
    """Wait until the batch has sent so many requests, or ended; whether it still runs."""
    before = origin.count
    while origin.count - before < requests and await running.lives(0.002):
        pass
    return await running.lives(0)


async def _once_more(folder: Path, url: str, origin: Sandbox, arguments: tuple[str, ...]) -> list[str]:
    """The same command when all is done: it must send nothing."""
    before = origin.count
    ran = await Running(folder, url, *arguments).end()
    sent = origin.count - before
    return [f"it is done, and the same command sent {sent} requests"] if sent or ran.told["ended"] else []


def _unexpected(ran: Ran, codes: set[int], number: int, early: bool) -> list[str]:
    if ran.code in codes and "Traceback" not in ran.said:
        return []
    if early and not ran.told and ("Fatal Python error: init_" in ran.said or ran.code == -signal.SIGINT):
        return []  # interrupted while Python started, before it had come to the command
    return [f"run {number} ended with exit code {ran.code}: {ran.said[-2000:]}"]
