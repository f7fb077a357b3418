"""One client that lives for days: bursts, idle nights, tokens that expire, servers that come and go."""

import asyncio

import attrs
from simulation.operations import fill, look_elsewhere, operate
from simulation.process import Process
from simulation.scene import API, CLIENT, Scene
from simulation.tokens import ADDRESS, TokenEndpoint
from simulation.weather import Weather

_DAY = 86_400.0
_CALM = 120.0
"""Seconds after the last spell in which everything has to be well again."""
_LINGER = 700.0
"""Seconds after which a client that is closed must have left no timer."""


@attrs.frozen
class Rhythm:
    """How busy a worker is.

    Attributes:
        pause: Seconds between two spells of work, on average.
        bursts: So many bursts in a spell, at most.
        row: So many calls one after the other in each task of a burst, at most.
        spells: Seconds between two spells of weather, on average.
        elsewhere: The share of the rows that begin with a call for one of many other shops.
    """

    pause: float = 300.0
    bursts: int = 11
    row: int = 1
    spells: float = 150.0
    elsewhere: float = 0.0


def _check_rest(scene: Scene, process: Process) -> None:
    """See that a client at rest has kept nothing that grows."""
    tasks, streams, timers = len(asyncio.all_tasks()), process.network_streams(), process.loop.timers
    if tasks > 1 or streams or timers > 1:
        scene.watch.violation(f"after a night there are {tasks} tasks, {timers} timers, and connections: {streams}")
    scene.check_memory()


def run_year(scene: Scene, hours: float) -> None:
    """Let a worker work that makes its calls in rows, over connections that are kept, in better weather."""
    run(scene, hours, Rhythm(pause=2200.0, bursts=3, row=16, spells=600.0, elsewhere=0.2))


def run(scene: Scene, hours: float, rhythm: Rhythm = Rhythm()) -> None:
    """Let the worker work for so many hours."""
    world = scene.world
    choices = world.stream("worker")
    end = world.now + hours * 3600
    fill(scene)
    scene.serve()
    tokens = TokenEndpoint(scene)
    Weather(scene, pause=rhythm.spells, longest=600, until=end, hosts=(API, API, API, ADDRESS))

    async def work() -> None:
        source = tokens.source("worker")
        async with scene.client("worker", auth=source) as client:

            async def row() -> bool:
                if choices.random() < rhythm.elsewhere:
                    await look_elsewhere(client, choices)
                done = [await operate(client, choices) for _ in range(choices.randrange(rhythm.row) + 1)]
                return all(done)

            async def several(count: int) -> list[bool]:
                return await asyncio.gather(*(row() for _ in range(count)))

            while world.now < end:
                night = world.now % _DAY > _DAY * 0.6
                if night:
                    fill(scene)
                    await asyncio.sleep(max(_LINGER, min(_DAY - world.now % _DAY, end - world.now)))
                    _check_rest(scene, process)
                elif choices.random() < 0.02:
                    tokens.revoke()
                for _ in range(choices.randrange(rhythm.bursts) + 1):
                    await several(1 + int(choices.expovariate(0.3)))
                    await asyncio.sleep(choices.expovariate(1 / 10))
                await asyncio.sleep(choices.expovariate(1 / rhythm.pause))
            await asyncio.sleep(600 + _CALM)
            await several(3)
            await asyncio.sleep(61)
            tokens.revoke()
            done = await several(20)
            if not all(done):
                scene.watch.violation(f"all is well, and {done.count(False)} of {len(done)} calls fail")
            scene.stop()
            await asyncio.sleep(2)
            scene.serve()
            await asyncio.sleep(1)
            if not all(await several(1)):
                scene.watch.violation("the server was restarted while nothing was under way, and a call fails")
        await source.aclose()
        await asyncio.sleep(_LINGER)
        timers = process.loop.timers
        if timers:
            scene.watch.violation(f"{timers} timers are left")

    process = world.start("worker", CLIENT, work)
    world.run(lambda: process.is_over, most=hours * 3600 + 2 * _DAY)
    scene.check_end(process)
