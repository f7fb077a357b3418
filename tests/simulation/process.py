"""A program in a simulated world, with an event loop of its own."""

import asyncio
import math
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simulation.loop import Host, SimulatedLoop

if TYPE_CHECKING:
    from simulation.world import World

Main = Callable[[], Coroutine[Any, Any, object]]


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
        is_blocked: Whether it waits in the midst of a turn.
        on_over: Called when it has ended, or was killed.
        left: The tasks that were left when its main coroutine ended.
        open_streams: The connections that were open when it ended.
    """

    def __init__(self, world: "World", name: str, address: str, main: Main) -> None:
        self.name = name
        self._world = world
        self.host = Host(name, address, world.network, world.stream(f"loop {name} {world.started}"), world.time)
        self.host.number = world.started
        self.loop = SimulatedLoop(self.host)
        self.loop.set_exception_handler(self._problem)
        self.problems: list[str] = []
        self.turns = 0
        self.result: Any = None
        self.failure: BaseException | None = None
        self.is_over = False
        self.is_blocked = False
        self.on_over: Callable[[], object] | None = None
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
    def wakes(self) -> float:
        """When it has something to do next; infinity is never."""
        if self.is_blocked:
            return math.inf
        wakes, stalls = self.loop.wakes, self.host.stalls
        return max(wakes, stalls[-1][1]) if stalls else wakes

    @property
    def is_done(self) -> bool:
        """Whether its main coroutine has ended, and it has not."""
        return self._main.done() and not self.is_over

    @property
    def is_busy(self) -> bool:
        """Whether its loop has something to run at once."""
        return self.loop.is_ready and not (self.is_over or self._main.done())

    def enter(self) -> None:
        """Be the one whose loop runs."""
        self._hooks = sys.get_asyncgen_hooks()
        first, final = self.loop.asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=first, finalizer=final)
        events._set_running_loop(self.loop)

    def leave(self) -> None:
        """Be it no more."""
        events._set_running_loop(None)
        sys.set_asyncgen_hooks(*self._hooks)

    def turn(self) -> None:
        """Let its loop turn once."""
        self.turns += 1
        self.loop.turn()

    def end(self) -> None:
        """Its main coroutine has ended."""
        self._end("ends")

    def _end(self, how: str, *, silently: bool = False) -> None:
        self.is_over = True
        self.open_streams = self.network_streams()
        self._world.note(self.name, how)
        self._world.network.kill(self.loop, silently=silently)
        self._world.bury(self)
        if self.on_over is not None:
            self.on_over()

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
            # In the order in which they were begun, as far as their names tell; closing one may have begun others.
            for task in sorted(tasks, key=lambda task: (len(task.get_name()), task.get_name())):
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
