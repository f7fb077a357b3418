"""One client over a long life: tokens expire, files are replaced, event loops come and go bluntly, in several threads.

    PYTHONPATH=tests python -m hostile.life --seconds 600

No call may be refused, and descriptors, threads, event loops and memory must not grow.
"""

import argparse
import asyncio
import gc
import logging
import random
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from benchmarks.machine import memory, open_files
from hostile.operations import TRANSPORTS
from hostile.tokens import serving, token

from norce_order_async import ClientCredentials, OrderClient, TokenFile, delete_consent

ROTATION = 2.0
"""Seconds between two tokens in the file."""
OVERLAP = 0.5
"""Seconds for which the old one is still taken; a busy machine writes the new one late."""
SETTLED = 0.3
"""The share of the life after which nothing may grow any more."""
SHORT = 60.0
"""Seconds; of a shorter life it is not told whether anything grows."""
ALLOWED = {"MiB": 4.0, "descriptors": 40.0, "threads": 2.0, "loops": 12.0}
"""By how much the highest of the last third may be above the highest of the first after it has settled.

Of blunt ends, as many descriptors and loops stay as there are clients, until each is used again.
"""


@attrs.define
class Life:
    """What the threads share.

    Attributes:
        clients: By name.
        ends: The monotonic time at which it is over.
        calls: How many calls there were, by client and way.
        failures: What went wrong, in words.
        over: Set when nobody calls any more.
    """

    clients: dict[str, OrderClient]
    ends: float
    calls: Counter[str] = attrs.Factory(Counter[str])
    failures: list[str] = attrs.Factory(lambda: list[str]())
    lock: threading.Lock = attrs.Factory(threading.Lock)
    over: threading.Event = attrs.Factory(threading.Event)

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.ends

    def note(self, way: str, errors: list[BaseException | Any]) -> None:
        """Write down how calls have ended."""
        with self.lock:
            self.calls[way] += len(errors)
            self.failures += [f"{way}: {error!r}" for error in errors if isinstance(error, BaseException)]


async def burst(client: OrderClient, count: int) -> list[BaseException | Any]:
    """So many calls at once."""
    calls = (delete_consent(client, f"o_{number}", "ci") for number in range(count))
    return await asyncio.gather(*calls, return_exceptions=True)


def orderly(client: OrderClient, count: int) -> list[BaseException | Any]:
    return asyncio.run(burst(client, count))


def bluntly(client: OrderClient, count: int) -> list[BaseException | Any]:
    """In an event loop that is closed without shutting down."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(burst(client, count))
    finally:
        loop.close()


def in_the_midst(client: OrderClient, count: int) -> list[BaseException | Any]:
    """In an event loop that is closed while calls are under way."""

    async def some() -> list[BaseException | Any]:
        left = [asyncio.ensure_future(delete_consent(client, "o_left", "ci")) for _ in range(count)]
        await asyncio.sleep(random.uniform(0, 0.01))
        return [task.exception() or task.result() for task in left if task.done()]

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(some())
    finally:
        loop.close()


WAYS: tuple[Callable[[OrderClient, int], list[BaseException | Any]], ...] = (orderly, bluntly, in_the_midst)


def come_and_go(life: Life, seed: int) -> None:
    """One event loop after another, each in whichever way."""
    rng = random.Random(seed)
    while life.goes_on:
        name, way = rng.choice(list(life.clients)), rng.choice(WAYS)
        life.note(f"{name}, {way.__name__}", way(life.clients[name], rng.randint(1, 5)))
        time.sleep(rng.uniform(0, 0.02))


def in_short_threads(life: Life) -> None:
    """Each event loop in a thread of its own."""
    while life.goes_on:
        for name, client in life.clients.items():
            thread = threading.Thread(target=lambda: life.note(f"{name}, thread", orderly(client, 3)))  # noqa: B023
            thread.start()
            thread.join()
        time.sleep(0.05)


def stay(life: Life) -> None:
    """One event loop for the whole life."""

    async def work() -> None:
        while life.goes_on:
            for name, client in life.clients.items():
                life.note(f"{name}, staying", await burst(client, 4))
            await asyncio.sleep(0.02)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if len(others) > 2 * len(life.clients):
                life.failures.append(f"{len(others)} tasks are left in the loop that stays")

    asyncio.run(work())


def rotate(life: Life, file: Path) -> None:
    """Put a new token in the place of the old one, until nobody calls any more."""
    while True:
        new = file.with_suffix(".new")
        new.write_text(token(ROTATION + OVERLAP) + "\n")
        new.replace(file)
        if life.over.wait(ROTATION):
            return


def sample() -> dict[str, float]:
    """What the process holds now."""
    gc.collect()
    loops = sum(isinstance(each, asyncio.BaseEventLoop) for each in gc.get_objects())
    return {"MiB": memory(), "descriptors": open_files(), "threads": threading.active_count(), "loops": loops}


def live(seconds: float, samples: int = 30) -> tuple[Life, list[dict[str, float]]]:
    """Live so long; what was called, and what the process held meanwhile and at the end."""
    with TemporaryDirectory() as folder, serving() as port:
        file = Path(folder, "token")
        file.write_text(token(ROTATION))
        url = f"http://127.0.0.1:{port}"
        before = sample()
        clients: dict[str, OrderClient] = {}
        for name, transport in TRANSPORTS.items():
            source = ClientCredentials(
                token_url=f"{url}/token",
                client_id="id",
                client_secret="secret",
                min_interval=0.5,
                transport=transport(),
            )
            for auth in (source, TokenFile(file)):
                clients[f"{name}, {type(auth).__name__}"] = OrderClient(
                    base_url=url, merchant="m", channel="1", auth=auth, transport=transport()
                )
        life = Life(clients, time.monotonic() + seconds)
        threads = [
            threading.Thread(target=work, args=(life, *more))
            for work, *more in ((come_and_go, 1), (come_and_go, 2), (in_short_threads,), (stay,))
        ]
        rotating = threading.Thread(target=rotate, args=(life, file))
        for thread in (rotating, *threads):
            thread.start()
        found: list[dict[str, float]] = []
        while life.goes_on:
            time.sleep(min(seconds / samples, max(0.0, life.ends - time.monotonic())))
            found.append(sample())
        for thread in threads:
            thread.join()
        life.over.set()
        rotating.join()
        for client in clients.values():
            asyncio.run(client.aclose())
        after = sample()
    for name in ("descriptors", "threads"):
        if after[name] > before[name] + 4:
            life.failures.append(f"{before[name]:g} {name} before, {after[name]:g} after closing")
    return life, found


def grown(samples: list[dict[str, float]]) -> list[str]:
    """What has grown, in words."""
    settled = samples[int(len(samples) * SETTLED) :]
    third = max(1, len(settled) // 3)
    problems: list[str] = []
    for name, allowed in ALLOWED.items():
        first, last = (max(each[name] for each in part) for part in (settled[:third], settled[-third:]))
        if last - first > allowed:
            problems.append(f"{name}: {first:g}, and {last:g} at the end")
    return problems


def main(arguments: Any = None) -> int:
    """Live and print what came of it; 1 if a call was refused or something has grown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args(arguments)
    for logger in ("asyncio", "norce_order_async"):  # which tell of what blunt ends leave
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # also of what blunt ends leave
    sys.unraisablehook = lambda _: None
    life, samples = live(options.seconds)
    for index, each in enumerate(samples):
        if index % max(1, len(samples) // 10) == 0:
            print(f"{index + 1:3}: " + ", ".join(f"{value:.1f} {name}" for name, value in each.items()))
    failures = life.failures + (grown(samples) if options.seconds >= SHORT else [])
    print(f"{life.calls.total():,} calls in {options.seconds:.0f} s; {len(failures)} violations")
    for failure in failures[:20]:
        print(f"  {failure}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
