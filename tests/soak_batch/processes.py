"""A batch as a person runs it, and the sandbox: each a process of the command line."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import attrs
from command import CLI, clean, measured, sandbox_settings
from soak_injectors.programs import running

INPUT = "changes.jsonl"
JOURNAL = f"{INPUT}.journal"


@attrs.frozen
class Ran:
    """How a batch ended.

    Attributes:
        code: Its exit code; the negative number of a signal that ended it.
        told: What it told on standard output.
        said: What it said on standard error.
        seconds: From the start of the process to its end.
        peak: The largest resident set, in MiB.
        cpu: Seconds of CPU, those of its own processes included.
    """

    code: int
    told: dict[str, Any]
    said: str
    seconds: float
    peak: float
    cpu: float


class Running:
    """A batch that runs: ``norce-order batch run INPUT`` in a folder; ``prefix`` is a command that runs it."""

    def __init__(
        self, folder: Path, url: str, *arguments: str, name: str = INPUT, prefix: tuple[str, ...] = ()
    ) -> None:
        env = clean(sandbox_settings(url))
        self._out, self._err = folder / "stdout", folder / "stderr"
        self._started = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [*prefix, *CLI, "batch", "run", name, "--output", "json", *arguments]
            # A group of its own, so that it can be known when its own processes are gone, too.
            self._process = Popen(command, cwd=folder, env=env, stdout=out, stderr=err, process_group=0)
        # In a thread, because it is the one way to learn of the process's memory.
        self._waiting = asyncio.ensure_future(asyncio.to_thread(os.wait4, self._process.pid, 0))

    async def lives(self, seconds: float) -> bool:
        """Wait so long; whether it still runs then."""
        await asyncio.wait([self._waiting], timeout=seconds)
        return not self._waiting.done()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if not self._waiting.done():
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._process.pid, number)

    async def gone(self) -> None:
        """Wait until its own processes are gone, too: workers finish what they have begun.

        Raises:
            TimeoutError: They are still there after a minute.
        """
        async with asyncio.timeout(60):
            while True:
                try:
                    os.killpg(self._process.pid, 0)
                except ProcessLookupError:
                    return
                await asyncio.sleep(0.02)

    async def end(self) -> Ran:
        """Wait for its end."""
        try:
            _, status, usage = await asyncio.shield(self._waiting)
        except asyncio.CancelledError:
            self.send(signal.SIGKILL)
            raise
        self._process.returncode = os.waitstatus_to_exitcode(status)
        out = self._out.read_text(encoding="utf-8")
        return Ran(
            code=self._process.returncode,
            told=json.loads(out) if out else {},
            said=self._err.read_text(encoding="utf-8"),
            seconds=time.monotonic() - self._started,
            peak=usage.ru_maxrss / 1024,
            cpu=usage.ru_utime + usage.ru_stime,
        )


def look_at(folder: Path, *arguments: str) -> tuple[int, float]:
    """Run another command of the journal to its end: its exit code, and its largest resident set in MiB."""
    return measured("batch", *arguments, cwd=folder, stdout=DEVNULL)[:2]


async def batch(folder: Path, url: str, *arguments: str, name: str = INPUT) -> Ran:
    """Run a batch to its end."""
    return await Running(folder, url, *arguments, name=name).end()


@asynccontextmanager
async def sandbox(orders: Path | int) -> AsyncGenerator[str]:
    """The address of a sandbox with the orders that a batch file names, or with so many."""
    option = "--seed-orders" if isinstance(orders, int) else "--orders-from"
    command = [*CLI, "sandbox", "--port", "0", option, str(orders)]
    async with running(*command, port=r"http://127\.0\.0\.1:(\d+)/") as program:
        yield f"http://127.0.0.1:{program.port}/checkout/order"


def write(path: Path, lines: Iterable[dict[str, Any] | str]) -> Path:
    """Write a batch file, JSON Lines, in a folder that may be new."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return path


def all_done(ran: Ran, count: int, what: str) -> list[str]:
    """What of a run is not as it is when each of ``count`` changes was made."""
    if (ran.code, ran.told.get("done"), ran.told.get("left")) == (0, count, 0):
        return []
    kept = {name: ran.told.get(name) for name in ("done", "failed", "left", "stopped", "problems")}
    return [f"{what}: exit code {ran.code}, {kept}, {ran.said[-500:]}"]
