"""A coroutine in simulated time, in which waiting takes no time, and a clock that goes by it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulation.world import EPOCH, World

T = TypeVar("T")


class VirtualClock:
    """The time of the running loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return EPOCH + self.monotonic()

    async def sleep(self, delay: float, /) -> None:
        await asyncio.sleep(delay)


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
