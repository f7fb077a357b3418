"""A worker process of a batch on one machine: a batch whose input and journal are at the other end of a pipe.

Its standard input and output are that pipe. When the other end is gone, the process ends at once.
"""

import asyncio
import os
import pickle
import queue
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

from norce_order_async.auth.file import TokenFile
from norce_order_async.batch.engine.settings import BatchArguments
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.journal import JournalSample, State
from norce_order_async.batch.journal.run_writer import Rows, Values
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.run import Batch, client_defaults
from norce_order_async.batch.travel import HEAD, Dealt, frame, sendable, unpack
from norce_order_async.client import OrderClient
from norce_order_async.core.outcome import OutcomeKind

CREDIT = 256
"""So many lines are sent to a worker before it has taken them, at most."""

_ASK_AFTER = 64


class Pipe:
    """The pipe to the process that deals out the lines.

    Args:
        source: The file descriptor that is read.
        target: The one that is written.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self._answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def read(self) -> tuple[Any, ...]:
        """The next message.

        Raises:
            EOFError: The other end is gone.
        """
        message: tuple[Any, ...] = pickle.loads(self._read(HEAD.unpack(self._read(HEAD.size))[0]))
        return message

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not (part := os.read(self._source, size - len(parts))):
                raise EOFError
            parts += part
        return bytes(parts)

    def tell(self, *message: Any) -> None:
        """Send a message; where the other end is gone, the process ends."""
        rest = memoryview(frame(*message))
        try:
            while rest:
                rest = rest[os.write(self._target, rest) :]
        except BrokenPipeError:
            os._exit(1)

    def ask(self, *message: Any) -> Any:
        """Send a message and wait for its answer.

        Raises:
            Exception: What it is answered with.
        """
        self.tell(*message)
        succeeded, answer = self._answers.get()
        if not succeeded:
            raise answer
        return answer

    def serve(self, lines: "Lines") -> None:
        """Hand what comes over to the running loop, from a thread."""
        Thread(target=self.listen, args=(lines, asyncio.get_running_loop()), daemon=True).start()

    def listen(self, lines: "Lines", loop: asyncio.AbstractEventLoop) -> None:
        """Read until the other end is gone, and end the process then. In a thread of its own."""
        try:
            while True:
                kind, *rest = self.read()
                if kind == "answer":
                    self._answers.put((rest[0], rest[1]))
                else:
                    loop.call_soon_threadsafe(getattr(lines, kind), *rest)
        except (EOFError, OSError, RuntimeError):
            os._exit(1)
        except Exception as error:  # a class that is not here
            self.tell("end", None, {}, None, sendable(error), False)
            os._exit(1)


class Lines:
    """The lines that come over the pipe, and the journal at its other end."""

    def __init__(self, pipe: Pipe, *, has_done: bool) -> None:
        self.batch: Batch | None = None
        self.has_done = has_done
        self.has_inputs = True  # the digests of the lines come with them
        self._pipe = pipe
        self._waiting: deque[Dealt] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self._count = 0
        # The batch counts its lines; by that number: the number in the whole input, until it has ended, and what was
        # done before.
        self.numbers: dict[int, int] = {}
        self._states: dict[int, State] = {}

    # Messages

    def deal(self, lines: list[Dealt]) -> None:
        """More lines."""
        self._waiting.extend(lines)
        self._news.set()

    def over(self) -> None:
        """No more lines."""
        self._is_over = True
        self._news.set()

    def stop(self, reason: str) -> None:
        """Finish what is under way."""
        if self.batch is not None:
            self.batch.stop(reason)

    def abort(self, reason: str) -> None:
        """End what is under way."""
        if self.batch is not None:
            self.batch.abort(reason)

    # The input

    async def entries(self) -> AsyncGenerator[InputLine]:
        """The lines, as they come."""
        while True:
            while not self._waiting:
                if self._is_over:
                    return
                self._news.clear()
                await self._news.wait()
            number, packed, state, made = self._waiting.popleft()
            self._count += 1
            if made:
                self.numbers[self._count] = number
            if state is not None:
                self._states[self._count] = state
            if self._count % _ASK_AFTER == 0:
                self._pipe.tell("want", _ASK_AFTER)
            yield unpack(packed)

    def leave(self, outcome: Outcome) -> None:
        """Let go of a line that is not made, of a merchant and channel of which nothing is made any more."""
        if (number := self.numbers.pop(outcome.number, None)) is not None:
            self._pipe.tell("left", number)

    # The journal

    def states(self, first: int, last: int) -> dict[int, State]:
        """Where changes stand; see :class:`Journal`."""
        if not self._states:
            return {}
        return {number: self._states.pop(number) for number in range(first, last + 1) if number in self._states}

    def write(self, rows: Rows) -> None:
        """Have it written down."""
        self._pipe.ask("journal", "write", rows.renumbered(self.numbers))
        for number in rows.ended:
            del self.numbers[number]

    def withdraw(self, numbers: Sequence[int], requests: int) -> None:
        """Have marks taken back."""
        self._pipe.ask("journal", "withdraw", [self.numbers[number] for number in numbers], requests)

    def leave_open(self, rows: Sequence[Values]) -> None:
        """Have written down how changes stand that are to be continued."""
        self._pipe.ask("journal", "leave_open", [(*row[:-1], self.numbers[row[-1]]) for row in rows])

    def reopen(self, only: Collection[OutcomeKind], merchant: str | None, channel: str | None, *, once: bool) -> None:
        """Nothing: it was done before the first line was dealt."""

    def sync(self) -> None:
        """Nothing: that was done, too."""

    def sample(self, sample: JournalSample) -> None:
        """Tell how fast it is."""
        self._pipe.tell("sample", sample)


async def work(pipe: Pipe, settings: Mapping[str, Any], arguments: BatchArguments, *, has_done: bool) -> None:
    """Make the changes whose lines come over a pipe, until there are no more."""
    lines = Lines(pipe, has_done=has_done)
    pipe.serve(lines)
    settings = client_defaults(arguments.get("concurrency", "auto")) | dict(settings)
    if (path := settings.pop("token_file", None)) is not None:
        settings["auth"] = TokenFile(path)
    async with OrderClient.from_env(**settings) as client:
        batch = lines.batch = Batch(client, lines.entries(), journal=lines, **arguments)
        with suppress(Exception):  # its failure, which is told
            async with batch:
                async for outcome in batch:
                    lines.leave(outcome)
        pipe.tell(
            "end",
            batch.state.stopped,
            batch.state.closed,
            None if batch.error is None else sendable(batch.error),
            None if batch.failure is None else sendable(batch.failure),
            batch.worked,
        )


def main() -> None:
    """Work until there is nothing more to do."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):  # the process at the other end decides what they mean
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # whatever is printed
    try:
        (sys.path[:],) = pipe.read()
        settings, arguments, has_done = pipe.read()
        asyncio.run(work(pipe, settings, arguments, has_done=has_done))
    except EOFError:
        os._exit(1)
    except Exception as error:
        pipe.tell("end", None, {}, None, sendable(error), False)


if __name__ == "__main__":
    main()
