"""Programs that a simulated process starts, and the pipes between it and them."""

import asyncio
import pickle
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from norce_order_async.batch import process_worker
from norce_order_async.batch.process_worker import Lines, Pipe
from norce_order_async.batch.travel import HEAD, frame

if TYPE_CHECKING:
    from simulation.loop import SimulatedLoop
    from simulation.process import Process
    from simulation.world import World

_LATE = 0.002
"""Seconds after which what is written to a pipe is read, at most."""
ORPHANED = 0.05
"""Seconds for which a program goes on whose pipe has lost its other end, at most."""


class Killed(BaseException):
    """A process was killed while it waited in the midst of a turn."""


class _Stdin(asyncio.WriteTransport):
    def __init__(self, program: "Program") -> None:
        super().__init__()
        self._program = program
        self._closing = False

    def write(self, data: Any) -> None:
        if not self.is_closing():
            self._program.worker.after(self._program.worker.receive, bytes(data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._program.worker.orphan()

    def is_closing(self) -> bool:
        return self._closing or self._program.get_returncode() is not None


class _Stdout(asyncio.ReadTransport):
    def __init__(self, program: "Program") -> None:
        super().__init__()
        self._program = program

    def pause_reading(self) -> None:
        self._program.is_paused = True

    def resume_reading(self) -> None:
        self._program.resume()

    def close(self) -> None:
        pass


class Program(asyncio.SubprocessTransport):
    """A program, as the event loop of the process has it that has started it.

    Args:
        loop: That event loop.
        protocol: What is told of what the program writes, and of its end.
    """

    def __init__(self, loop: "SimulatedLoop", protocol: Any) -> None:
        super().__init__()
        self.worker: WorkerPipe
        """The pipe as the program has it."""
        self.is_paused = False
        self._loop, self._protocol = loop, protocol
        self._pipes: Mapping[int, Any] = {0: _Stdin(self), 1: _Stdout(self)}
        self._inbox: deque[bytes] = deque()
        self._is_waiting = False
        self._returncode: int | None = None
        self._over = loop.create_future()
        self._latest = 0.0

    def arrive(self, receive: Callable[..., asyncio.Handle | None], *arguments: Any) -> None:
        """Have something come from the program, after all that came before."""
        host = self._loop.host
        self._latest = max(self._latest, host.now() + host.random.uniform(0, _LATE))
        host.arrive(self._latest, receive, *arguments)

    def receive(self, data: bytes) -> asyncio.Handle | None:
        """The program has written something."""
        self._inbox.append(data)
        if self._is_waiting or self.is_paused:
            return None
        self._is_waiting = True
        return asyncio.Handle(self._read, (), self._loop)

    def gone(self, code: int) -> asyncio.Handle | None:
        """The program has ended."""
        return asyncio.Handle(self._end, (code,), self._loop)

    def _read(self) -> None:
        self._is_waiting = False
        if self._inbox:
            data = b"".join(self._inbox)
            self._inbox.clear()
            self._protocol.pipe_data_received(1, data)

    def resume(self) -> None:
        """Its output is wanted again."""
        self.is_paused = False
        if self._inbox and not self._is_waiting:
            self._is_waiting = True
            self._loop.call_soon(self._read)

    def _end(self, code: int) -> None:
        self._read()
        self._returncode = code
        for pipe in self._pipes:
            self._protocol.pipe_connection_lost(pipe, None)
        self._protocol.process_exited()
        if not self._over.done():
            self._over.set_result(code)

    async def _wait(self) -> int:
        code: int = await asyncio.shield(self._over)
        return code

    def get_pid(self) -> int:
        return self.worker.process.host.number

    def get_returncode(self) -> int | None:
        return self._returncode

    def get_pipe_transport(self, fd: int) -> Any:
        return self._pipes.get(fd)

    def kill(self) -> None:
        self.worker.process.kill()

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._returncode is not None


class WorkerPipe(Pipe):
    """The pipe to the process that deals out the lines, as a worker process has it.

    A worker that waits for an answer stands still, as the real one does, which reads the pipe in a thread of its own.
    A pipe takes everything at once: how much the system keeps in one is not simulated.

    Args:
        world: The world.
        program: The other end.
    """

    def __init__(self, world: "World", program: Program) -> None:
        self.process: Process
        """The worker process."""
        self._world, self._program = world, program
        self._random = world.stream(f"pipe {world.started}")
        self._latest = 0.0
        self._inbox = bytearray()
        self._setup: list[tuple[Any, ...]] = []
        self._is_set_up = asyncio.Event()
        self._replies: deque[tuple[bool, Any]] = deque()
        self._lines: Lines | None = None
        self._early: list[tuple[Any, ...]] = []

    async def work(self, settings: Mapping[str, Any]) -> None:
        """What the worker's program does, with these settings beside those that come over the pipe."""
        await self._is_set_up.wait()
        told, arguments, has_done = self._setup[1]
        await process_worker.work(self, {**settings, **told}, arguments, has_done=has_done)

    def serve(self, lines: Lines) -> None:
        """Hand over what comes to the lines."""
        self._lines = lines
        early, self._early = self._early, []
        for message in early:
            self._hand_over(*message)

    def tell(self, *message: Any) -> None:
        """Send a message."""
        if self.process.is_over:
            return
        data = frame(*message)
        cut = self._random.randrange(len(data) + 1)
        for part in data[:cut], data[cut:]:
            if part:
                self._program.arrive(self._program.receive, part)

    def ask(self, *message: Any) -> Any:
        """Send a message and wait for its answer.

        Raises:
            Exception: What it is answered with.
        """
        self.tell(*message)
        self._world.block(self.process, lambda: bool(self._replies))
        if self.process.is_over:
            raise Killed
        succeeded, answer = self._replies.popleft()
        if not succeeded:
            raise answer
        return answer

    def after(self, what: Callable[..., object], *arguments: Any) -> None:
        """Have something come from the other end, after all that came before."""
        now = self._world.now
        self._latest = max(self._latest, now + self._random.uniform(0, _LATE))
        self._world.after(self._latest - now, what, *arguments)

    def orphan(self) -> None:
        """The other end is gone: the process ends itself, whatever it does."""
        self._world.after(self._random.uniform(0, ORPHANED), self.process.kill)

    def receive(self, data: bytes) -> None:
        """Something came."""
        self._inbox += data
        while len(self._inbox) >= HEAD.size:
            (size,) = HEAD.unpack_from(self._inbox)
            end = HEAD.size + size
            if len(self._inbox) < end:
                return
            message: tuple[Any, ...] = pickle.loads(self._inbox[HEAD.size : end])
            del self._inbox[:end]
            self._take(message)

    def _take(self, message: tuple[Any, ...]) -> None:
        if len(self._setup) < 2:
            self._setup.append(message)
            if len(self._setup) == 2:
                self.process.loop.call_soon_threadsafe(self._is_set_up.set)
        elif self.process.is_over:
            return
        elif message[0] == "answer":
            self._replies.append((message[1], message[2]))
        elif self._lines is None:
            self._early.append(message)
        else:
            self._hand_over(*message)

    def _hand_over(self, kind: str, *rest: Any) -> None:
        self.process.loop.call_soon_threadsafe(getattr(self._lines, kind), *rest)


def start(world: "World", program: Program, name: str, address: str, settings: Mapping[str, Any]) -> "Process":
    """Start the program at the other end of a pipe: a worker process of a batch."""
    pipe = program.worker = WorkerPipe(world, program)
    process = pipe.process = world.start(name, address, lambda: pipe.work(settings))
    process.on_over = lambda: program.arrive(program.gone, -9 if process.host.is_dead else 0)
    return process
