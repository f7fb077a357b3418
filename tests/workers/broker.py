"""A Redis of one's own, and the worker processes that use it."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory

import attrs

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "workers"
VARIANTS = Path(__file__).parent / "variants"
START = 30.0
"""Seconds that Redis has until it listens."""
END = 60.0
"""Seconds that a worker has to end after SIGTERM."""


@asynccontextmanager
async def redis() -> AsyncGenerator[str]:
    """The address of a Redis on a free port, for as long as the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL)
        try:
            await _listening(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(START):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.05)


@attrs.define
class Worker:
    """A worker, with all processes that it starts.

    Attributes:
        command: What starts it.
        env: Its environment beside this one's.
        log: Where its output goes.
        process: The one that runs.
        begun: How often it was started.
        slowest: Seconds that it took to end after SIGTERM, at most.
    """

    command: list[str]
    env: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    begun: int = 0
    slowest: float = 0.0

    async def start(self) -> None:
        """Start it, in a session of its own."""
        path = os.pathsep.join([str(VARIANTS), str(EXAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])])
        env = os.environ | self.env | {"PYTHONPATH": path}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.command, env=env, stdout=log, stderr=log, start_new_session=True
            )
        self.begun += 1

    async def kill(self) -> int:
        """Kill all of its processes; its exit code."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end; its exit code, -SIGKILL if it does not."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        code = await self.wait()
        self.slowest = max(self.slowest, time.monotonic() - began)
        return code

    async def wait(self) -> int:
        """Wait for its end; its exit code, -SIGKILL if it does not end."""
        assert self.process is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), END)
        return await self.kill()
