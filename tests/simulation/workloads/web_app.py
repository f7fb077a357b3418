"""A web app: visitors with little patience, some of whom leave, several shops, and restarts of the app itself."""

import asyncio

from simulation.operations import fill, operate
from simulation.scene import API, CLIENT, Scene
from simulation.weather import Weather

from norce_order_async import CallOptions, OrderClient, Timeout

SHOPS = [f"m_{number}" for number in range(4)]
_AT_ONCE = 0.1
"""Seconds within which a cancellation has to come through."""
_GRACE = 1.0
_BUSY, _PAGE = 0.1, 0.02
"""The share of pages that hold up the app's event loop while they are made, and for how many seconds on average.

What the network, timers and visitors bring meanwhile comes to the app in one turn of its loop."""


class _App:
    """One life of the app."""

    def __init__(self, scene: Scene, number: int, until: float) -> None:
        self.scene, self.number, self.until = scene, number, until
        self.random = scene.world.stream(f"visitors {number}")
        self.process = scene.world.start("app", CLIENT, self._run)

    async def _run(self) -> None:
        world = self.scene.world
        visits: dict[asyncio.Task[None], None] = {}
        timeout = Timeout(total=10.0, attempt=4.0, connect=2.0)
        client = self.scene.client(f"app {self.number}", limit=8, timeout=timeout, adaptive=self.random.random() < 0.5)
        while world.now < self.until:
            crowd = 40 if self.random.random() < 0.03 else 1
            for _ in range(crowd):
                visit = asyncio.create_task(self._visit(client))
                visits[visit] = None
                visit.add_done_callback(visits.pop)
            await asyncio.sleep(self.random.expovariate(1 / 6))
        begun = world.now
        await client.aclose(grace=_GRACE)
        took = world.now - begun - self.process.host.stalled(begun, world.now)
        if took > _GRACE + 2 * _AT_ONCE:
            self.scene.watch.violation(f"closing took {took:.3f} s with a grace of {_GRACE:g} s")
        await asyncio.sleep(_AT_ONCE)
        if self.process.network_streams():
            self.scene.watch.violation("connections are left after closing")
        await asyncio.gather(*visits)
        if used := client.stats().slots_used:
            self.scene.watch.violation(f"{used} slots are left after closing")

    async def _visit(self, client: OrderClient) -> None:
        choices, world = self.random, self.scene.world
        view = client.scoped(merchant=choices.choice(SHOPS))
        options = CallOptions(timeout=Timeout(total=choices.choice([0.3, 2.0, 10.0]), attempt=4.0, connect=2.0))
        call = asyncio.create_task(operate(view, choices, options))
        if choices.random() < 0.3:
            await asyncio.wait([call], timeout=choices.expovariate(5))
            if call.cancel():
                left = world.now
                await asyncio.wait([call])
                took = world.now - left - self.process.host.stalled(left, world.now)
                if not call.cancelled():
                    self.scene.watch.violation(f"a cancellation was swallowed: {call}")
                if took > _AT_ONCE:
                    self.scene.watch.violation(f"a cancellation took {took:.3f} s")
                return
        await call
        if choices.random() < _BUSY:
            self.process.host.stall(choices.expovariate(1 / _PAGE))


def run(scene: Scene, hours: float) -> None:
    """Let visitors come for so many hours."""
    world = scene.world
    choices = world.stream("web app")
    end = world.now + hours * 3600
    for shop in SHOPS:
        fill(scene, shop)
    scene.serve()
    Weather(scene, pause=100, longest=120, until=end, hosts=(API,))
    number = 0
    while world.now < end:
        number += 1
        app = _App(scene, number, min(end, world.now + choices.uniform(60, 3600)))
        if choices.random() < 0.3:
            world.after(choices.uniform(0, app.until - world.now), app.process.kill)
        world.run(lambda app=app: app.process.is_over, most=hours * 3600 + 3600)  # type: ignore[misc]
        if not app.process.host.is_dead:
            scene.check_end(app.process)
        for shop in SHOPS:
            fill(scene, shop)
