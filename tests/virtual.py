"""A coroutine in simulated time, in which waiting takes no time, and a clock that goes by it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulation.world import EPOCH, World
from support import TOKEN

from norce_order_async import CallError, OrderClient, delete_consent
from norce_order_async.transport import Transport

T = TypeVar("T")


class VirtualClock:
    """The time of the running loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return EPOCH + self.monotonic()

    async def sleep(self, delay: float, /) -> None:
        await asyncio.sleep(delay)


def new_client(transport: Transport, **settings: Any) -> OrderClient:
    """A client over a transport, in simulated time."""
    given: dict[str, Any] = {"base_url": "https://api.test", "merchant": "own", "channel": "1", "auth": TOKEN}
    given |= {"transport": transport, "clock": VirtualClock()} | settings
    return OrderClient(**given)


async def visits(client: OrderClient, rate: float, seconds: float, *, stays: float | None = None) -> list[str]:
    """Calls that come at a rate whatever becomes of them, and how each ended; who leaves cancels its call."""
    loop = asyncio.get_running_loop()

    async def visit() -> str:
        try:
            async with asyncio.timeout(stays):
                await delete_consent(client, "o_1", "ci")
        except CallError as error:
            return f"{type(error).__name__} {error.outcome}"
        except TimeoutError:
            return "left"
        return "done"

    async with client:
        start, tasks = loop.time(), list[asyncio.Task[str]]()
        for number in range(round(rate * seconds)):
            await asyncio.sleep(start + number / rate - loop.time())
            tasks.append(asyncio.create_task(visit()))
        return await asyncio.gather(*tasks)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in simulated time; its own steps take none."""
    world = World(0, turn=0.0)
    process = world.start("main", "10.0.1.1", lambda: main)
    try:
        world.run()
    finally:
        world.clear_away()
    if process.failure is not None:
        raise process.failure
    result: T = process.result
    return result
