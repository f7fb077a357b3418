"""Processes that share simulated time, and one seed for everything that happens to them."""

import gc
import heapq
import math
import random
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from simulation.network import Network
from simulation.process import Main, Process
from simulation.trace import Trace

EPOCH = 1_768_204_889.0
"""The wall time at the start, in seconds since 1970-01-01 UTC."""
_BUSY = 2_000_000
"""So many steps in a row without a second going by are an endless loop."""

_ALONE = 16
"""Turns that a process makes at most before others are looked at, while no other has anything to do."""
_KEPT = 64
"""Processes that have ended and are not let go yet, at most."""


class Stuck(Exception):
    """Nothing will ever happen again, or too much in no time, and somebody still waits."""


def _ignore(_: object) -> None:
    pass


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
        self._longest_turn = turn
        self.now = self.began = 1000.0
        self.drift = 0.0
        """Seconds by which the wall clock is wrong."""
        self.trace = Trace(keep)
        self.random = self.stream("world")
        self.network = Network(self.time, self._note_network, self.stream("network"))
        self.processes: list[Process] = []
        self.ended: list[Process] = []
        self.on_over: Callable[[Process], object] | None = None
        """Told of every process that has ended, or was killed."""
        self.started = 0
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0
        self._stuck: Stuck | None = None

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
            self._step(until)
            if self._stuck is not None:
                raise self._stuck
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

    def _step(self, until: Callable[[], bool] | None) -> None:
        now = self.now
        if self._events and self._events[0][0] <= now:
            _, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
            return
        ready: list[Process] = []
        first = self._events[0][0] if self._events else math.inf
        for process in self.processes:
            wakes = process.wakes
            if wakes <= now:
                ready.append(process)
            elif wakes < first:
                first = wakes
        if not ready:
            if first == math.inf:
                raise Stuck("everybody waits for ever")
            self.now = first
        elif len(ready) == 1:
            self._turn(ready[0], first, until)
        else:
            self._turn(self.random.choice(ready), now, until)

    def _turn(self, process: Process, before: float, until: Callable[[], bool] | None) -> None:
        """Let a process turn once, and again until a time while it has something to do."""
        process.enter()
        try:
            for _ in range(_ALONE):
                process.turn()
                self.now += self.random.random() * self._longest_turn
                if self.now >= before or not process.is_busy or (until is not None and until()):
                    break
        finally:
            process.leave()
        if process.is_done:
            process.end()

    def block(self, process: Process, until: Callable[[], bool]) -> None:
        """Let others go on while a process waits in the midst of a turn, until a condition holds or it is killed."""
        process.is_blocked = True
        process.leave()
        try:
            while not (process.is_over or until()):
                self._step(None)
        except Stuck as error:  # not for the process, which might handle it
            self._stuck = self._stuck or error
            process.kill()
        finally:
            process.is_blocked = False
            process.enter()

    def bury(self, process: Process) -> None:
        """A process has ended, or was killed: its loop turns no more."""
        self.processes.remove(process)
        self.ended.append(process)
        if self.on_over is not None:
            self.on_over(process)
        if len(self.ended) > _KEPT:
            with nothing_told():
                self._let_go()

    def _let_go(self) -> None:
        for process in self.ended:
            if not process.is_blocked:
                process.clear_away()
        self.ended = [process for process in self.ended if process.is_blocked]

    def clear_away(self) -> None:
        """Let everything go."""
        for process in self.processes:
            process.is_over = True
        self.ended += self.processes
        self.processes.clear()
        self._let_go()
        self._events.clear()
        self.network.clear()
