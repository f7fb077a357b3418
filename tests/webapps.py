"""The example web apps as processes, for tests that visit them."""

import asyncio
import importlib.util
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from command import clean, sandbox_settings

EXAMPLES = Path(__file__).parents[1] / "docs/examples/web"

CANCELS = {"aiohttp", "django", "django without lifespan", "quart"}
"""Those that cancel a handler when its visitor leaves."""

COMMANDS: dict[str, tuple[str, str]] = {
    "aiohttp": ("aiohttp", "aiohttp_app.py {port}"),
    "django": ("django", "-m uvicorn django_app:app --port {port}"),
    "django without lifespan": ("django", "-m uvicorn django_app:app_without_lifespan --lifespan off --port {port}"),
    "fastapi": ("fastapi", "-m uvicorn fastapi_app:app --port {port}"),
    "litestar": ("litestar", "-m uvicorn litestar_app:app --port {port}"),
    "quart": ("quart", "-m hypercorn quart_app:app --bind 127.0.0.1:{port}"),
    "starlette": ("starlette", "-m uvicorn starlette_app:app --port {port}"),
}
"""The framework that each needs, and the command."""


def missing(name: str) -> str | None:
    """Why an example cannot run here."""
    framework, command = COMMANDS[name]
    needs = [framework, *(server for server in ("uvicorn", "hypercorn") if server in command)]
    absent = [each for each in needs if importlib.util.find_spec(each) is None]
    return f"{', '.join(absent)} is not installed" if absent else None


class WebApp:
    """One of the examples, run by its server.

    Args:
        command: What to give Python, with ``{port}`` for the port to listen on.
        upstream: The ``base_url`` of the API.

    Attributes:
        url: Its address.
        lines: What it printed so far.
    """

    def __init__(self, command: str, upstream: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self._command = command.format(port=port).split()
        self._environ = clean(sandbox_settings(upstream)) | {
            "PYTHONPATH": str(EXAMPLES),  # also where PYTHONSAFEPATH is set
            "PYTHONWARNINGS": "default::ResourceWarning",
            "PYTHONUNBUFFERED": "1",
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Start it, also once more, and wait until it listens."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            cwd=EXAMPLES,
            env=self._environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._printed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        await self.listening()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        if error is not None:
            error.add_note("\n".join(["The app printed:", *self.lines]))

    async def listening(self) -> None:
        """Wait until it accepts connections."""
        host, port = self.url.removeprefix("http://").split(":")
        while True:
            assert self.process.returncode is None, "\n".join(self.lines)
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return

    async def printed(self, wanted: Callable[[str], object]) -> str:
        """Wait until it has printed such a line."""
        async with self._printed:
            await self._printed.wait_for(lambda: any(map(wanted, self.lines)))
        return next(line for line in self.lines if wanted(line))

    async def terminate(self) -> int:
        """Send SIGTERM, and wait for the end."""
        self.process.send_signal(signal.SIGTERM)
        code = await self.process.wait()
        await self._reading
        return code

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._printed:
                self.lines.append(line.decode().rstrip())
                self._printed.notify_all()
