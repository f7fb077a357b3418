"""A network in memory: names, listeners, connections, and the links that they go over."""

import asyncio
import errno
import os
import random
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from simulation.pipe import Link, Pipe
from simulation.stream import Stream

if TYPE_CHECKING:
    from simulation.loop import SimulatedLoop

_LONGEST = 4_000
"""A connection that fails does so within so many bytes."""


class _Listening:
    """Stands for a listening socket."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        return self._address


class SimulatedServer(asyncio.AbstractServer):
    """What ``create_server`` gives."""

    def __init__(
        self, network: "Network", loop: "SimulatedLoop", make: Callable[[], asyncio.BaseProtocol], address: Any
    ) -> None:
        self._network, self.loop, self.make, self.address = network, loop, make, address
        self.sockets = [_Listening(address)]

    def close(self) -> None:
        self._network.stop_listening(self)

    def is_serving(self) -> bool:
        return self._network.is_listening(self)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.loop

    async def start_serving(self) -> None:
        pass

    async def serve_forever(self) -> None:
        await self.loop.create_future()

    async def wait_closed(self) -> None:
        pass


class Network:
    """Connects loops.

    Args:
        now: The world's time.
        note: Writes to the trace.
        choices: Random choices.
    """

    has_descriptors = hasattr(os, "eventfd")

    def __init__(self, now: Callable[[], float], note: Callable[[str], None], choices: random.Random) -> None:
        self._now, self._note, self._random = now, note, choices
        self._listeners: dict[tuple[str, int], SimulatedServer] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._connected: WeakKeyDictionary[socket.socket, tuple[Any, Link]] = WeakKeyDictionary()
        self.names: dict[str, list[str]] = {}
        """The addresses of each host name."""
        self.name_delay = 0.01
        """Seconds that a look-up takes on average."""
        self.streams: dict[Stream, None] = {}
        """The ends that are open, in the order in which they were opened."""
        self.on_write: Callable[[Stream, bytes], None] | None = None
        """Told of everything that those who connect write."""
        self._count = 0

    def clear(self) -> None:
        """Let everything go."""
        self._listeners.clear()
        self._links.clear()
        self.streams.clear()

    def link(self, one: str, other: str) -> Link:
        """The link between two hosts."""
        key = (one, other) if one <= other else (other, one)
        if key not in self._links:
            self._links[key] = Link(random.Random(self._random.random()))
        return self._links[key]

    def links_of(self, host: str) -> Iterable[Link]:
        """The links that a host has so far."""
        return [link for key, link in self._links.items() if host in key]

    def addresses(self, host: str, port: int) -> list[Any]:
        """What a name stands for, as ``getaddrinfo`` gives it.

        Raises:
            OSError: Nothing.
        """
        found = self.names.get(host, [host] if host.replace(".", "").isdigit() else [])
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, port)) for one in found]

    def listen(
        self, loop: "SimulatedLoop", make: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> SimulatedServer:
        """Listen at an address.

        Raises:
            OSError: Somebody does already.
        """
        if (host, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        server = SimulatedServer(self, loop, make, (host, port))
        self._listeners[host, port] = server
        self._note(f"{loop.host.name} listens at {host}:{port}")
        return server

    def stop_listening(self, server: SimulatedServer) -> None:
        """Listen no more; once more does nothing."""
        if self.is_listening(server):
            del self._listeners[server.address]
            self._note(f"{server.loop.host.name} listens no more")

    def is_listening(self, server: SimulatedServer) -> bool:
        return self._listeners.get(server.address) is server

    async def connect(self, loop: "SimulatedLoop", sock: socket.socket, address: Any) -> None:
        """What ``sock_connect`` does: the address counts, the socket only stands for the connection.

        Raises:
            OSError: Nobody listens there.
        """
        address = (address[0], address[1])
        link = self.link(loop.host.address, address[0])
        answered = loop.create_future()
        if link.is_cut:
            self._note(f"{loop.host.name} knocks at a cut link")
        else:
            loop.host.arrive(self._now() + 2 * link.delay(), _answer, answered, loop)
        await answered
        if address not in self._listeners or link.random.random() < link.refuses:
            self._note(f"{loop.host.name} is refused")
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
        self._connected[sock] = address, link

    async def attach(
        self, loop: "SimulatedLoop", sock: socket.socket, protocol: asyncio.BaseProtocol
    ) -> tuple[Stream, asyncio.BaseProtocol]:
        """What ``create_connection`` does with a connected socket."""
        address, link = self._connected.pop(sock)
        sock.close()
        self._count += 1
        number, has_descriptors = self._count, self.has_descriptors
        own = (loop.host.address, 10_000 + number)
        mine = Stream(f"{loop.host.name}.{number}", loop, own, address, has_descriptor=has_descriptors)
        mine.on_write = self.on_write
        server = self._listeners.get(address)
        there = loop if server is None else server.loop
        name = f"{there.host.name}.{number}" if server is not None else f"nobody.{number}"
        theirs = Stream(name, there, address, own, has_descriptor=False)
        failure, fails_at = self._fate(link)
        upwards = failure is not None and link.random.random() < 0.4
        mine.out = Pipe(self._now, self._note, link, mine, theirs, fails_at, failure if upwards else None)
        theirs.out = Pipe(self._now, self._note, link, theirs, mine, fails_at, None if upwards else failure)
        self._open(mine)
        self._note(f"{mine.name} opens")
        mine.attach(protocol)
        if server is None:
            mine.loop.host.arrive(self._now() + link.delay(), mine.receive_reset, ConnectionResetError(104, "reset"))
        else:
            self._open(theirs)
            there.host.arrive(self._now(), self._accept, theirs, server)
        opened = loop.create_future()
        loop.call_soon(_tell, opened)
        try:
            await opened
        except BaseException:
            mine.close()
            raise
        return mine, protocol

    def _accept(self, stream: Stream, server: SimulatedServer) -> asyncio.Handle | None:
        def accept() -> None:
            if self.is_listening(server):
                stream.attach(server.make())
            else:
                stream.out.refuse()

        return asyncio.Handle(accept, (), server.loop)

    def _open(self, stream: Stream) -> None:
        self.streams[stream] = None
        stream.on_closed = self._forget

    def _forget(self, stream: Stream) -> None:
        self.streams.pop(stream, None)

    def _fate(self, link: Link) -> tuple[str | None, int]:
        """Whether and where a new connection fails."""
        drawn = link.random.random()
        at = link.random.randrange(_LONGEST) if drawn < link.resets + link.silences else 0
        if drawn < link.resets:
            return "reset", at
        return ("silence" if at else None), at

    def open_streams(self, loop: "SimulatedLoop") -> list[Stream]:
        """The ends that are open in a loop."""
        return [stream for stream in self.streams if stream.loop is loop]

    def kill(self, loop: "SimulatedLoop", *, silently: bool) -> None:
        """A process is gone; its peers get to know, unless its whole host is gone."""
        for server in [one for one in self._listeners.values() if one.loop is loop]:
            del self._listeners[server.address]
        for stream in self.open_streams(loop):
            stream.die(silently=silently)


def _answer(answered: "asyncio.Future[None]", loop: "SimulatedLoop") -> asyncio.Handle:
    return asyncio.Handle(_tell, (answered,), loop)


def _tell(answered: "asyncio.Future[None]") -> None:
    if not answered.done():
        answered.set_result(None)
