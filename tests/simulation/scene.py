"""A simulated order API, and clients of it, under checks."""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock
from weakref import ref

from simulation import memory
from simulation.checks import Watch
from simulation.clock import WorldClock
from simulation.loop import Host
from simulation.process import Process
from simulation.world import World, nothing_told

from norce_order_async import AiohttpTransport, HttptoolsTransport, OrderClient
from norce_order_async.core.clock import SystemClock
from norce_order_async.testing import SANDBOX_TOKEN, Callbacks, ReceivedRequest, Sandbox, SandboxServer
from norce_order_async.testing.sandbox.exchange import Arrival, Exchange
from norce_order_async.transport import Transport
from norce_order_async.transport.resolver import Address, HostResolver

NAME, API, CLIENT = "api.test", "10.0.0.1", "10.0.1.1"
"""The server's name and address, and the address of its clients."""
_TIMERS = 16
"""Timers that a process has while nothing is under way, at most."""
ADAPTER_NAME, ADAPTER = "adapter.test", "10.0.0.3"
"""The name and the address of an adapter that the server may call."""


class _Ledger(deque[ReceivedRequest]):
    """Hands every request of a sandbox to a check, and keeps none."""

    def __init__(self, note: Callable[[ReceivedRequest], None]) -> None:
        super().__init__(maxlen=0)
        self._note = note

    def append(self, request: ReceivedRequest) -> None:
        self._note(request)


class WatchedSandbox(Sandbox):
    """A sandbox on a world's time, under its checks; tokens come and go."""

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(seed=world.seed, wall=world.wall, callbacks=Callbacks(hosts=[ADAPTER_NAME]))
        self._watch = watch
        self.requests = _Ledger(watch.received)

    def start(self, arrival: Arrival, body: bytes) -> Exchange:
        exchange = super().start(arrival, body)
        if exchange.answer is not None:
            self._watch.answered(arrival.headers.get("x-request-id", ""), exchange.answer.headers)
        return exchange

    def take_tokens(self, *tokens: str) -> None:
        """Take these tokens and no others."""
        self._tokens = tokens


class Scene:
    """A world with an API in it.

    Args:
        seed: Of every random choice.
        transport: ``aiohttp`` or ``httptools``.
        keep: How many of the latest lines of the trace are kept.

    Attributes:
        world: The world.
        watch: The checks.
        sandbox: What the API does and knows; it outlives its server.
        server: The process that serves it, if one does.
    """

    def __init__(self, seed: int, transport: str, keep: int) -> None:
        self.world = World(seed, keep=keep)
        self.watch = Watch(self.world)
        self.transport = transport
        self.world.network.names |= {NAME: [API], ADAPTER_NAME: [ADAPTER]}
        self.sandbox = WatchedSandbox(self.world, self.watch)
        self.server: Process | None = None
        self._stop: asyncio.Event | None = None
        self._clients: list[tuple[Host, ref[OrderClient]]] = []
        self._of_modules = memory.kept_by_modules()
        self.watch.on_look = self.check_memory

    @property
    def url(self) -> str:
        """The API's ``base_url``."""
        return f"http://{NAME}:80/checkout/order"

    def serve(self) -> None:
        """Start the API's server."""
        if self.server is None or self.server.is_over:
            self.server = self.world.start("server", API, self._serve)

    async def _serve(self) -> None:
        self._stop = stop = asyncio.Event()
        async with SandboxServer(self.sandbox, host=API, port=80):
            await stop.wait()

    def stop(self) -> None:
        """Have the server end in good order."""
        if self._stop is not None and self.server is not None and not self.server.is_over:
            self.server.loop.call_soon_threadsafe(self._stop.set)

    def make_transport(self) -> Transport:
        """A transport of the kind that is simulated, with look-ups of its own."""
        world = self.world
        choices = world.stream(f"look-ups {world.started}")

        def look_up(host: str, port: int) -> Sequence[Address]:
            return world.network.addresses(host, port)

        def start(work: Callable[[], None]) -> None:
            asyncio.get_running_loop().call_later(choices.expovariate(1 / world.network.name_delay), work)

        resolver = HostResolver(look_up, now=world.time, start=start)
        if self.transport == "aiohttp":
            return AiohttpTransport(resolver=resolver)
        return HttptoolsTransport(resolver=resolver)

    def settings(self, name: str) -> dict[str, Any]:
        """Those of a client of the API; its random choices go by its name."""
        return {
            "base_url": self.url,
            "allow_http": True,
            "merchant": "norce",
            "channel": "1",
            "auth": SANDBOX_TOKEN,
            "transport": self.make_transport(),
            "clock": WorldClock(self.world),
            "random": self.world.stream(f"client {name}"),
            "observers": [self.watch],
        }

    def client(self, name: str, **settings: Any) -> OrderClient:
        """A client of the API."""
        client = OrderClient(**self.settings(name) | settings)
        loop: Any = asyncio.get_running_loop()
        self._clients = [(host, each) for host, each in self._clients if each() is not None and not host.is_dead]
        self._clients.append((loop.host, ref(client)))
        return client

    def check_memory(self) -> None:
        """See that no structure of a client, of a module, or of an event loop has more than what is under way needs."""
        if self._grown():
            gc.collect()  # what refers to itself in a circle may not have been let go yet
            for told in self._grown():
                self.watch.violation(told)

    def _grown(self) -> list[str]:
        busy = self.watch.under_way + len(self.world.network.streams)
        clients = [client for host, each in self._clients if (client := each()) is not None and not host.is_dead]
        found = [told for client in clients for told in memory.too_many(client, busy)]
        found += memory.grown(self._of_modules)
        for process in self.world.processes:
            if (timers := process.loop.timers) > _TIMERS + 2 * busy:
                found.append(f"{process.name} has {timers} timers with {busy} calls and connections")
        return found

    def check_end(self, process: Process) -> None:
        """See that a process has left nothing."""
        note = self.watch.violation
        if process.failure is not None:
            note(f"{process.name} failed: {process.failure!r}")
        for problem in process.problems:
            note(f"nobody handled: {problem}")
        for name in process.left:
            note(f"{process.name} has left the task {name}")
        for name in process.open_streams:
            note(f"{process.name} has left the connection {name}")


@contextmanager
def simulated(seed: int, transport: str, *, keep: int, end: ExitStack) -> Generator[Scene]:
    """A scene; whoever looks at the machine's clock by himself sees the world's time while it is entered.

    What it leaves is collected when ``end`` ends, which has to be when nobody refers to it any more.
    """
    scene = Scene(seed, transport, keep)
    world = scene.world
    with (
        mock.patch("time.time", world.wall),
        mock.patch("aiohttp.connector.monotonic", world.time),
        mock.patch.multiple(SystemClock, monotonic=staticmethod(world.time), wall=staticmethod(world.wall)),
    ):
        try:
            yield scene
        finally:
            scene.server = None
            end.enter_context(nothing_told())
            scene.world.clear_away()
