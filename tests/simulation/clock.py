"""The time of a world, as the client's clock."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world import World


class WorldClock:
    """A :class:`Clock` on a world's time."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.now

    def wall(self) -> float:
        return self._world.wall()

    async def sleep(self, delay: float, /) -> None:
        await asyncio.sleep(delay)
