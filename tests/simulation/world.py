"""Processes that share simulated time, and one seed for everything that happens to them."""

import asyncio
import gc
import heapq
import random
import sys
import warnings
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any

from simulation.loop import Host, SimulatedLoop
from simulation.network import Network
from simulation.trace import Trace

EPOCH = 1_768_204_889.0
"""The wall time at the start, in seconds since 1970-01-01 UTC."""
_BUSY = 2_000_000
"""So many turns in a row without a second going by are an endless loop."""

Main = Callable[[], Coroutine[Any, Any, object]]


class Stuck(Exception):
    """Nothing will ever happen again, or too much in no time, and somebody still waits."""


def _ignore(_: object) -> None:
    pass


class Process:
    """A program with an event loop of its own.

    Attributes:
        name: For the trace.
        loop: Its event loop.
        problems: What its event loop told of: errors that nobody handled.
        turns: How often its loop has turned.
        result: What its main coroutine returned.
        failure: What that raised.
        is_over: Whether it has ended, or was killed.
        left: The tasks that were left when its main coroutine ended.
        open_streams: The connections that were open when it ended.
    """

    def __init__(self, world: "World", name: str, address: str, main: Main) -> None:
        self.name, self.address = name, address
        self._world = world
        self.host = Host(name, address, world.network, world.stream(f"loop {name} {world.started}"), world.time)
        self.loop = SimulatedLoop(self.host)
        self.loop.set_exception_handler(self._problem)
        self.problems: list[str] = []
        self.turns = 0
        self.result: Any = None
        self.failure: BaseException | None = None
        self.is_over = False
        self.left: list[str] = []
        self.open_streams: list[str] = []
        self._main = self.loop.create_task(self._run(main), name=f"main of {name}")

    async def _run(self, main: Main) -> None:
        try:
            self.result = await main()
        except asyncio.CancelledError as error:
            self.failure = error
        except Exception as error:
            self.failure = error
        this = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not this]
        self.left = sorted(task.get_name() + " " + repr(task.get_coro()).split(" at 0x")[0] for task in left)
        await self.loop.shutdown_asyncgens()

    def _problem(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.is_over:
            self.problems.append(f"{self.name}: {context.get('message')}: {context.get('exception')!r}")

    @property
    def wakes(self) -> float | None:
        """When it has something to do next; None is never."""
        wakes = self.loop.wakes
        return wakes if wakes is None or not self.host.stalls else max(wakes, self.host.stalls[-1][1])

    def stall(self, seconds: float) -> None:
        """Let it stand still."""
        begin, end = self._world.now, self._world.now + seconds
        if self.host.stalls:
            begin = max(begin, self.host.stalls[-1][1])
        if begin < end:
            self.host.stalls.append((begin, end))

    def turn(self) -> None:
        """Let its loop turn once."""
        self.turns += 1
        hooks = sys.get_asyncgen_hooks()
        first, final = self.loop.asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=first, finalizer=final)
        events._set_running_loop(self.loop)
        try:
            self.loop.turn()
        finally:
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
        if self._main.done():
            self._end("ends")

    def _end(self, how: str, *, silently: bool = False) -> None:
        self.is_over = True
        self.open_streams = self.network_streams()
        self._world.note(self.name, how)
        self._world.network.kill(self.loop, silently=silently)

    def network_streams(self) -> list[str]:
        """The names of its open connections."""
        return [stream.name for stream in self._world.network.open_streams(self.loop)]

    def kill(self, *, silently: bool = False) -> None:
        """End it between two turns, with nothing run any more; ``silently`` with its host."""
        if self.is_over:
            return
        self.host.is_dead = True
        self._end("is killed" + (" with its host" if silently else ""), silently=silently)

    def clear_away(self) -> None:
        """Let its coroutines go, and close its loop: nothing that they do now is seen."""
        self.host.is_dead = True
        seen: dict[asyncio.Task[Any], None] = {}
        while tasks := [task for task in asyncio.all_tasks(self.loop) if task not in seen]:
            for task in tasks:  # closing one may have begun others
                seen[task] = None
                self._clear(task)
        self.loop.stop_for_good()

    def _clear(self, task: asyncio.Task[Any]) -> None:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        coroutine: Any = task.get_coro()
        events._set_running_loop(self.loop)
        try:
            with suppress(BaseException):  # whatever it does at its end is of no interest any more
                coroutine.close()
        finally:
            events._set_running_loop(None)


@contextmanager
def nothing_told() -> Generator[None]:
    """Let things go of which Python tells nothing, and collect them at the end.

    Programs that were killed have closed nothing, and may wait for something at their end.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _ignore
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
            for _ in range(3):  # what a finalizer brings back is found the next time
                gc.collect()
    finally:
        sys.unraisablehook = hook


class World:
    """Simulated time, a network, and the processes in it.

    Args:
        seed: Of every random choice.
        keep: How many of the latest lines of the trace are kept.
        turn: Seconds that a turn of a loop takes at most.
    """

    def __init__(self, seed: int, *, keep: int = 500, turn: float = 20e-6) -> None:
        self.seed = seed
        self._turn = turn
        self.now = self.began = 1000.0
        self.drift = 0.0
        """Seconds by which the wall clock is wrong."""
        self.trace = Trace(keep)
        self.random = self.stream("world")
        self.network = Network(self.time, self._note_network, self.stream("network"))
        self.processes: list[Process] = []
        self.ended: list[Process] = []
        self.started = 0
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0
        self.turns = 0

    def stream(self, name: str) -> random.Random:
        """Random numbers of their own for something, by its name."""
        return random.Random(f"{self.seed} {name}")

    def time(self) -> float:
        """Seconds on a clock that never goes back."""
        return self.now

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return EPOCH + self.now + self.drift

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.note(self.now, who, what)

    def _note_network(self, what: str) -> None:
        self.trace.note(self.now, "network", what)

    def start(self, name: str, address: str, main: Main) -> Process:
        """Start a process."""
        self.started += 1
        process = Process(self, name, address, main)
        self.processes.append(process)
        self.note(name, "starts")
        return process

    def after(self, delay: float, what: Callable[..., object], *arguments: Any) -> None:
        """Do something to the world later."""
        self._number += 1
        heapq.heappush(self._events, (self.now + delay, self._number, what, arguments))

    def run(self, until: Callable[[], bool] | None = None, *, most: float = 1e9) -> None:
        """Let time pass until a condition holds, or all processes have ended.

        Raises:
            Stuck: That never happens.
        """
        end = self.now + most
        second, busy = self.now, 0
        while self.processes and not (until is not None and until()):
            if self.now > end:
                raise Stuck(f"still not done after {most:g} s")
            self._step()
            busy += 1
            if self.now > second + 1:
                second, busy = self.now, 0
            elif busy > _BUSY:
                raise Stuck("an endless loop")

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass."""
        over: list[bool] = []
        self.after(seconds, over.append, True)
        self.run(lambda: bool(over))

    def _step(self) -> None:
        now = self.now
        if self._events and self._events[0][0] <= now:
            _, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
            self._bury()
            return
        ready: list[Process] = []
        first = self._events[0][0] if self._events else None
        for process in self.processes:
            wakes = process.wakes
            if wakes is None:
                continue
            if wakes <= now:
                ready.append(process)
            elif first is None or wakes < first:
                first = wakes
        if not ready:
            if first is None:
                raise Stuck("everybody waits for ever")
            self.now = max(now, first)
            return
        process = ready[0] if len(ready) == 1 else self.random.choice(ready)
        process.turn()
        self.turns += 1
        self.now += self.random.random() * self._turn
        if process.is_over:
            self._bury()

    def _bury(self) -> None:
        for process in [each for each in self.processes if each.is_over]:
            self.processes.remove(process)
            self.ended.append(process)

    def clear_away(self) -> None:
        """Let everything go."""
        for process in [*self.ended, *self.processes]:
            process.is_over = True
            process.clear_away()
        self.ended.clear()
        self.processes.clear()
        self._events.clear()
        self.network.clear()
