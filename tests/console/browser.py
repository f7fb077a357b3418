"""An installed Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 30.0


def program() -> str | None:
    """The browser that is installed here."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class PageError(Exception):
    """What the browser says is wrong, or what never became true."""


class Page:
    """One page of the browser.

    Attributes:
        problems: What the page reported: exceptions, and what its policy refused.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session_id: str = "") -> None:
        self._socket = socket
        self._session_id = session_id
        self._number = 0
        self.problems: list[str] = []

    async def send(self, method: str, **parameters: Any) -> Any:
        """Send a command; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session_id:
            message["sessionId"] = self._session_id
        await self._socket.send_json(message)
        async with asyncio.timeout(SECONDS):
            while (answer := json.loads(await self._socket.receive_str())).get("id") != self._number:
                self._note(answer)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _note(self, event: Any) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])

    async def open(self, url: str) -> None:
        """Lead the page elsewhere."""
        await self.send("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        result = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise PageError(f"{script}: {result['exceptionDetails']['exception']['description']}")
        return result["result"].get("value")

    async def until(self, script: str, seconds: float = SECONDS) -> float:
        """Wait until an expression is true; how many seconds that took.

        Raises:
            PageError: It is not true in time.
        """
        begun = asyncio.get_running_loop().time()
        while not await self.value(f"Boolean({script})"):
            if asyncio.get_running_loop().time() - begun > seconds:
                raise PageError(f"not within {seconds:g} s: {script}")
            await asyncio.sleep(0.02)
        return asyncio.get_running_loop().time() - begun

    async def keys(self, *keys: str) -> None:
        """Press keys, such as ``Tab`` and ``Enter``, or type text."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        for key in keys:
            if key not in codes:
                await self.send("Input.insertText", text=key)
                continue
            named = {"key": key, "windowsVirtualKeyCode": codes[key]}
            text = {} if key == "Tab" else {"text": "\r" if key == "Enter" else key}
            await self.send("Input.dispatchKeyEvent", type="keyDown", **named, **text)
            await self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    async def look(self, width: int, height: int, scheme: str) -> None:
        """Take the size of a screen, and light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def picture(self) -> bytes:
        """What is seen, as a PNG."""
        shot = await self.send("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def browsing(command: str) -> AsyncGenerator[Page]:
    """Start a browser with a profile of its own, and an empty page in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
        arguments += [
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
        ]
        arguments += ["--no-sandbox"] * (os.name == "posix" and os.geteuid() == 0)  # it refuses to start otherwise
        pipe = asyncio.subprocess.PIPE
        nothing = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(command, *arguments, stdout=nothing, stderr=pipe)
        try:
            async with aiohttp.ClientSession() as session:
                address = await _address(process)
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    yield await _page(socket)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        async for line in process.stderr:
            if found := re.search(rb"ws://\S+", line):
                return found[0].decode()
    raise PageError("the browser does not start")


async def _page(socket: aiohttp.ClientWebSocketResponse) -> Page:
    browser = Page(socket)
    target = await browser.send("Target.createTarget", url="about:blank")
    attached = await browser.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    page = Page(socket, attached["sessionId"])
    for domain in ("Page", "Runtime", "Log"):
        await page.send(f"{domain}.enable")
    return page
