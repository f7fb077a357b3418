"""A coroutine in simulated time, in which waiting takes no time, and a clock that goes by it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulation.world import EPOCH, World
from support import TOKEN

from norce_order_async import OrderClient
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
    return OrderClient(**given | {"transport": transport, "clock": VirtualClock()} | settings)


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
