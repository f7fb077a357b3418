"""The near end of the pipe to a worker process: what it was dealt, and what becomes of that when it is lost."""

import asyncio
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import JournalSample, State
from norce_order_async.batch.process_worker import CREDIT
from norce_order_async.batch.starting import interrupts_held
from norce_order_async.batch.travel import HEAD, Dealt, frame, pack
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import text_of

GRACE = 10.0
"""Seconds that a process has to end."""
_KILLED = -9
NO_SAMPLE = JournalSample(at=0.0, concurrency=0, rate=None, in_flight=0, reason=None)
"""Before the process has told of one."""


@attrs.define(eq=False)
class ProcessLink:
    """A worker process, or one after another that take the same orders.

    Attributes:
        setup: What each process is told first.
        credit: How many lines it takes now.
        queue: The lines that are for it, each with its size in bytes.
        size: How many bytes all the lines are that are here.
        dealt: The lines that it has and that have not ended.
        passed: Lines that it has and does not make: their resources have to settle.
        sample: How fast it goes.
        losses: How many processes were lost since a line was dealt with.
        settles_at: The monotonic time until which a request of what has ended may still be carried out.
        has_ended: Whether it has said that it is done.
        has_said: Whether the process has said anything.
    """

    setup: bytes
    credit: int = CREDIT
    queue: deque[tuple[Dealt, int]] = attrs.Factory(deque[tuple[Dealt, int]])
    size: int = 0
    dealt: dict[int, tuple[Dealt, int]] = attrs.Factory(dict[int, tuple[Dealt, int]])
    passed: dict[int, tuple[Dealt, int]] = attrs.Factory(dict[int, tuple[Dealt, int]])
    sample: JournalSample = NO_SAMPLE
    losses: int = 0
    settles_at: float = 0.0
    has_ended: bool = False
    has_said: bool = False
    _process: asyncio.subprocess.Process | None = attrs.field(default=None, init=False)

    async def start(self) -> None:
        """Start a process; nothing of the settings is in its command line.

        Raises:
            ConfigurationError: The system starts none, or no thread that waits for its end.
        """
        group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Ctrl-C of Windows ends at a group
        try:
            with interrupts_held():
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # else a file of the working directory comes before all modules
                    "-m",
                    "norce_order_async.batch.process_worker",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=os.environ | {"PYTHONPATH": _places()},
                    creationflags=group,
                )
        except (OSError, RuntimeError, MemoryError) as error:
            raise ConfigurationError(
                f"a worker process cannot be started: {text_of(error)}: see the limits of memory and processes (ulimit)"
            ) from error
        assert self._process.stdin is not None
        self._process.stdin.write(self.setup)
        self.has_said, self.credit = False, CREDIT

    async def hear(self) -> tuple[Any, ...]:
        """The next message.

        Raises:
            asyncio.IncompleteReadError: The process is gone.
            ConnectionError: The process is gone.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        (size,) = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
        message: tuple[Any, ...] = pickle.loads(await self._process.stdout.readexactly(size))
        self.has_said = True
        return message

    def tell(self, *message: Any) -> None:
        """Send it a message."""
        pipe = None if self._process is None else self._process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame(*message))

    def tell_to_end(self, how: str, reason: str) -> None:
        """Have it ``stop`` or ``abort``. A process that has said nothing has sent nothing yet, and is killed."""
        if self._process is None or self.has_said:
            self.tell(how, reason)
            return
        self.drop()
        self.kill()

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def add(self, number: int, entry: InputLine, state: State | None, *, made: bool) -> None:
        """Take in a line for it: one that it makes, or whose resource it only lets settle."""
        self.queue.append(((number, pack(entry), state, made), entry.size))
        self.size += entry.size

    def deal(self) -> None:
        """Send it as many lines as it takes."""
        queue, lines = self.queue, list[Dealt]()
        for _ in range(min(self.credit, len(queue))):
            line, size = queue.popleft()
            lines.append(line)
            (self.dealt if line[3] else self.passed)[line[0]] = line, size
        if lines:
            self.credit -= len(lines)
            self.tell("deal", lines)

    def close(self, number: int) -> None:
        """Let go of a line that it has dealt with."""
        _, size = self.dealt.pop(number, (None, 0))
        self.size -= size
        self.losses = 0

    def settle(self) -> None:
        """Let go of what it does not make."""
        self.size -= sum(size for _, size in self.passed.values())
        self.passed.clear()

    def drop(self) -> None:
        """Let go of all: it has ended, and what it has not made is left."""
        self.queue.clear()
        self.dealt.clear()
        self.passed.clear()
        self.size = 0

    async def lost(self) -> str:
        """Wait for the end of a process that is gone; how it ended. It is sent no more lines."""
        assert self._process is not None
        self.credit = 0
        self.losses += 1
        code = await self._process.wait()
        return "by SIGKILL: is memory short?" if code == _KILLED else f"with exit code {code}"

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last number of what it has to make."""
        return min(self.dealt, default=1), max(self.dealt, default=0)

    def take_back(self, states: Mapping[int, State], *, only: bool) -> list[int]:
        """Put what a lost process had in front of what waits.

        Args:
            states: What the journal knows of it by now.
            only: Whether no more than what was asked for is made, which all of this was.

        Returns:
            The numbers of what must not be made again.
        """
        given_up: list[int] = []
        lines = sorted({**self.dealt, **self.passed}.items())
        for number, ((_, packed, state, made), size) in reversed(lines):
            if made and (state := states.get(number)) is not None:
                if state.once and state.outcome is None:
                    made = False
                    given_up.append(number)
                elif only:
                    state = attrs.evolve(state, reopened=True)
            self.queue.appendleft(((number, packed, state, made), size))
        self.dealt.clear()
        self.passed.clear()
        self.sample = NO_SAMPLE
        return given_up

    async def end(self) -> None:
        """Let go of it; a process that does not end is killed."""
        if (process := self._process) is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(GRACE):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()


def _places() -> str:
    """Where modules come from in this process, which may know that alone, as in a zipapp."""
    with suppress(FileNotFoundError):  # the working directory is gone
        return os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    return os.pathsep.join(filter(None, sys.path))
