"""A shop whose changes are announced to an adapter, which refuses some, is slow at times, and calls back."""

import asyncio

from aiohttp import web
from simulation.operations import operate
from simulation.scene import ADAPTER, ADAPTER_NAME, API, CLIENT, Scene
from simulation.weather import Weather

from norce_order_async import CallError, patch_attributes, patch_consent
from norce_order_async.receiving import HookCall, NotificationCall, Receiver, Reply, allow, refuse, web_app

ORDERS = 4
_ALL_TOLD = 120.0
"""Seconds after which an adapter that is well has been told of a change."""


class _Adapter:
    """The adapter's program, which is killed at times."""

    def __init__(self, scene: Scene, until: float) -> None:
        self.scene, self.until = scene, until
        self.random = scene.world.stream("adapter")
        self.told: dict[str, int] = {}
        """How often it was told of each order."""
        self._lives = 0
        self._start()

    def _start(self) -> None:
        world = self.scene.world
        self._lives += 1
        self.process = world.start("adapter", ADAPTER, self._run)
        if world.now < self.until:
            world.after(self.random.expovariate(1 / 600), self._kill)

    def _kill(self) -> None:
        if self.scene.world.now < self.until:
            self.process.kill()
            self.scene.world.after(self.random.uniform(0.1, 20), self._start)

    async def _run(self) -> None:
        client = self.scene.client(f"adapter {self._lives}", adapter_id="ours", limit=20)

        async def on_hook(call: HookCall) -> Reply:
            if self.scene.world.now < self.until:
                await asyncio.sleep(self.random.choice([0.0, 0.0, 0.05, 1.0, 7.0]))
                if self.random.random() < 0.1:
                    return refuse("not-today", "Not today.")
            return allow()

        async def on_notification(call: NotificationCall) -> None:
            order_id = call.order.id or ""
            self.told[order_id] = count = self.told.get(order_id, 0) + 1
            self.scene.world.note("adapter", f"is told of {order_id}")
            await patch_attributes(client, order_id, {"told": count})

        runner = web.AppRunner(web_app(Receiver(on_hook=on_hook, on_notification=on_notification)), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, ADAPTER, 80).start()
        await asyncio.get_running_loop().create_future()


def _fill(scene: Scene) -> None:
    url = f"http://{ADAPTER_NAME}:80"
    for number in range(ORDERS):
        scene.sandbox.add_order(
            f"o_{number}",
            consents=["c_0", "c_1"],
            hooks=[{"id": "h", "adapterId": "ours", "subscribeTo": "/consents", "invoke": f"{url}/hooks"}],
            notifications=[{"id": "n", "adapterId": "ours", "scope": "/consents", "invoke": f"{url}/notifications"}],
        )


def run(scene: Scene, hours: float) -> None:
    """Let the shop make changes for so many hours."""
    world = scene.world
    choices = world.stream("shop")
    end = world.now + hours * 3600
    _fill(scene)
    scene.serve()
    adapter = _Adapter(scene, end)
    Weather(scene, pause=100, longest=120, until=end, hosts=(API, API, ADAPTER))

    async def work() -> None:
        async with scene.client("shop") as client:
            while world.now < end:
                await asyncio.gather(*(operate(client, choices) for _ in range(1 + int(choices.expovariate(0.5)))))
                await asyncio.sleep(choices.expovariate(1 / 20))
            await asyncio.sleep(300)
            _fill(scene)
            before = dict(adapter.told)
            for number in range(ORDERS):
                try:
                    await patch_consent(client, f"o_{number}", "c_0", checked=True)
                except CallError as error:
                    scene.watch.violation(f"all is well, and a change fails: {error!r}")
            await asyncio.sleep(_ALL_TOLD)
            for order_id in (f"o_{number}" for number in range(ORDERS)):
                if adapter.told.get(order_id, 0) == before.get(order_id, 0):
                    scene.watch.violation(f"all is well, and the adapter was not told of {order_id}")

    process = world.start("shop", CLIENT, work)
    world.run(lambda: process.is_over, most=hours * 3600 + 10_000)
    scene.check_end(process)
