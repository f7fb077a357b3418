"""One task for callers in every event loop and thread of a process."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

import attrs

_LOOK = 0.05
"""Seconds after which a caller looks again whether another event loop, which carries the task, still runs."""
_TIME_TO_END = 1.0
"""Seconds that a cancelled task has to end."""

Work = Callable[[], Coroutine[Any, Any, str | None]]


@attrs.define(eq=False)
class Run:
    """One run of the task.

    Attributes:
        loop: The event loop that carries it.
        ended: What went wrong, if anything. None also when it was given up: then its callers look again.
        task: The task itself.
    """

    loop: asyncio.AbstractEventLoop
    ended: Future[str | None] = attrs.field(factory=Future[str | None], repr=False)
    task: asyncio.Task[str | None] | None = attrs.field(default=None, repr=False)

    async def wait(self) -> str | None:
        """What it ends with. Cancelling one who waits does not cancel the run.

        Its loop may end without cancelling it, or be left standing. Then nobody would wake those who wait in other
        loops, so they look by themselves.
        """
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        self.ended.add_done_callback(lambda _: _wake(loop, woken))
        while not self.ended.done():
            if self.loop is loop:
                await woken
            else:
                await asyncio.wait({woken}, timeout=_LOOK)
                if not self.loop.is_running():
                    self.give_up()
        return self.ended.result()

    def give_up(self) -> None:
        """Cancel it, and let those who wait look again."""
        self._end(None)
        if self.task is not None:
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self.task.cancel)

    def finish(self, task: asyncio.Task[str | None]) -> None:
        """End as its task ended."""
        if task.cancelled():
            self._end(None)
        elif error := task.exception():
            self._end(f"the refresh failed with {type(error).__name__}")
        else:
            self._end(task.result())

    def _end(self, problem: str | None) -> None:
        with suppress(InvalidStateError):  # it was given up before, maybe by another thread
            self.ended.set_result(problem)


@attrs.define(eq=False)
class _Current:
    lock: threading.Lock = attrs.field(factory=threading.Lock)
    run: Run | None = None


@attrs.define(eq=False)
class SharedTask:
    """Runs a task for all who need its result: never two runs at a time, and each in the loop that began it.

    Attributes:
        work: Makes the task's coroutine; it returns what went wrong, if anything.
    """

    work: Work
    # By process: a forked child shares neither a run nor a lock with its parent. A dict's setdefault is atomic.
    _current: dict[int, _Current] = attrs.field(factory=dict[int, _Current], init=False, repr=False)

    def begin(self) -> Run:
        """The run under way, or a new one in this event loop."""
        loop = asyncio.get_running_loop()
        current = self._current.setdefault(os.getpid(), _Current())
        with current.lock:
            run = current.run
            if run is not None and not run.ended.done():
                if run.loop.is_running():
                    return run
                run.give_up()
            run = current.run = Run(loop)
            # In a context of its own: it is for all who need its result, and may outlive the one who came first.
            run.task = loop.create_task(self.work(), context=Context())
        run.task.add_done_callback(partial(_finish, current, run))
        return run

    async def close(self) -> None:
        """End the run under way, if there is one."""
        current = self._current.pop(os.getpid(), None)
        if current is None or (run := current.run) is None:
            return
        run.give_up()
        if run.task is not None and run.loop is asyncio.get_running_loop():
            await asyncio.wait({run.task}, timeout=_TIME_TO_END)


def _finish(current: _Current, run: Run, task: asyncio.Task[str | None]) -> None:
    run.finish(task)
    with current.lock:
        if current.run is run:
            current.run = None  # it holds the loop


def _wake(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the waiter's loop is closed
        loop.call_soon_threadsafe(_set, waiter)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
