"""Calls that go on while the server does nothing but fail for minutes, and is well again."""

import asyncio

from simulation.operations import fill, operate
from simulation.scene import CLIENT, Scene

from norce_order_async.testing import Fault

_EVERY = 1.0
"""Seconds between two calls, on average."""


def run(scene: Scene, hours: float) -> None:
    """Let calls come for so many hours; the server fails for minutes in between."""
    world, faults = scene.world, scene.sandbox.faults
    choices = world.stream("rush")
    end = world.now + hours * 3600
    fill(scene)
    scene.serve()

    def fail() -> None:
        seconds = choices.uniform(200, 400)
        if world.now + seconds < end:
            faults.add(choices.choice([Fault.status(503), Fault.drop_before()]))
            world.after(seconds, faults.clear)
            world.after(seconds + choices.uniform(200, 400), fail)

    world.after(choices.uniform(10, 60), fail)

    async def work() -> None:
        calls: dict[asyncio.Task[bool], None] = {}
        async with scene.client("rush", limit=200) as client:
            while world.now < end:
                call = asyncio.create_task(operate(client, choices))
                calls[call] = None
                call.add_done_callback(calls.pop)
                await asyncio.sleep(choices.expovariate(1 / _EVERY))
            await asyncio.gather(*calls)

    process = world.start("rush", CLIENT, work)
    world.run(lambda: process.is_over, most=hours * 3600 + 1000)
    scene.check_end(process)
