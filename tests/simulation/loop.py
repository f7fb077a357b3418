"""An event loop of asyncio on simulated time and a simulated network."""

import asyncio
import contextvars
import heapq
import math
import random
import socket
from collections import deque
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

from simulation.programs import Program

if TYPE_CHECKING:
    from simulation.network import Network, SimulatedServer

_REMEMBERED = 7_200.0
"""Seconds for which it is known when a process stood still: longer than any call."""


class Host:
    """What a loop has of the world: the time, the events of its network, and random choices.

    Args:
        name: Of the process that the loop runs in.
        address: Its address in the network.
        network: The network; None for a loop without one.
        choices: Decides what asyncio leaves open.
        clock: The world's time.
    """

    def __init__(
        self,
        name: str,
        address: str,
        network: "Network | None",
        choices: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self.name, self.address, self.network, self.random, self.now = name, address, network, choices, clock
        self.number = 0
        """Of its process, in the order in which they are started."""
        self.start_program: Callable[[Program], object] | None = None
        """Starts a program that the process wants to have started."""
        self.is_dead = self._is_closed = False
        self.stalls: list[tuple[float, float]] = []
        self._arrivals: list[tuple[float, int, Callable[..., asyncio.Handle | None], tuple[Any, ...]]] = []
        self._number = 0

    def arrive(self, when: float, receive: Callable[..., "asyncio.Handle | None"], *arguments: Any) -> None:
        """Have something come from the network at a time; ``receive`` returns what the loop is to run for it."""
        if self._is_closed:
            return
        self._number += 1
        heapq.heappush(self._arrivals, (when, self._number, receive, arguments))

    def stall(self, seconds: float) -> None:
        """Let its process stand still; what was long ago is forgotten."""
        now = self.now()
        begin = max(now, self.stalls[-1][1]) if self.stalls else now
        if begin < now + seconds:
            self.stalls = [stall for stall in self.stalls if stall[1] > now - _REMEMBERED]
            self.stalls.append((begin, now + seconds))

    def stalled(self, since: float, until: float) -> float:
        """Seconds between two times in which its process stood still."""
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in self.stalls)

    @property
    def next_arrival(self) -> float:
        """When the next thing comes; infinity is never."""
        return self._arrivals[0][0] if self._arrivals else math.inf

    def select(self, timeout: float | None = None) -> list[asyncio.Handle]:
        """What the loop is to run for all that came, in any order; it never waits."""
        now = self.now()
        if self.next_arrival > now:
            return []
        ready: list[asyncio.Handle] = []
        while self._arrivals and self._arrivals[0][0] <= now:
            _, _, receive, arguments = heapq.heappop(self._arrivals)
            handle = receive(*arguments)
            if handle is not None:
                ready.append(handle)
        self.random.shuffle(ready)
        return ready

    def close(self) -> None:
        """Let nothing come any more."""
        self._is_closed = True
        self._arrivals.clear()


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop that somebody else turns, when it is time."""

    if TYPE_CHECKING:
        _ready: deque[asyncio.Handle]
        _scheduled: list[asyncio.TimerHandle]
        _timer_cancelled_count: int
        _thread_id: int | None
        _asyncgen_firstiter_hook: Any
        _asyncgen_finalizer_hook: Any

        def _run_once(self) -> None: ...

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.set_debug(False)
        self.host = host
        self._selector = host
        self._thread_id = get_ident()

    def time(self) -> float:
        return self.host.now()

    def turn(self) -> None:
        """Run what is ready, once."""
        self._run_once()

    def asyncgen_hooks(self) -> tuple[Any, Any]:
        """For ``sys.set_asyncgen_hooks``."""
        return self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook

    @property
    def is_ready(self) -> bool:
        """Whether it has something to run at once."""
        return bool(self._ready)

    @property
    def wakes(self) -> float:
        """When it has something to do next; infinity is never."""
        if self._ready:
            return 0.0
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)
        arrival = self.host.next_arrival
        return min(scheduled[0].when(), arrival) if scheduled else arrival

    @property
    def timers(self) -> int:
        """How many are set."""
        return sum(not handle.cancelled() for handle in self._scheduled)

    def stop_for_good(self) -> None:
        """Close it, whatever it has left."""
        self._thread_id = None
        self.close()
        self.host.close()

    def _process_events(self, event_list: Sequence[asyncio.Handle]) -> None:
        self._ready.extend(event_list)

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run it here, a moment later."""
        future = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self.host.random.uniform(0, 0.002), run, context=contextvars.copy_context())
        return future

    def _network(self) -> "Network":
        assert self.host.network is not None, "this loop has no network"
        return self.host.network

    async def subprocess_exec(
        self, protocol_factory: Callable[[], Any], program: Any, *args: Any, **rest: Any
    ) -> tuple[asyncio.SubprocessTransport, Any]:
        assert self.host.start_program is not None, "this process starts no programs"
        protocol = protocol_factory()
        transport = Program(self, protocol)
        self.host.start_program(transport)
        protocol.connection_made(transport)
        return transport, protocol

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        await asyncio.sleep(self.host.random.uniform(0, 0.02))
        return self._network().addresses(host, port)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await self._network().connect(self, sock, address)

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *, sock: socket.socket, **rest: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        assert rest.get("ssl") is None, "there is no simulated TLS"
        return await self._network().attach(self, sock, protocol_factory())

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **rest: Any
    ) -> "SimulatedServer":
        return self._network().listen(self, protocol_factory, host, port)
