"""What stands between a batch and its server, and can be closed: a proxy for HTTP/1.1 on a port that stays the same."""

import asyncio
import re
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["open", "refused", "silent", "502"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"


class Gate:
    """Lets requests through, or not.

    Refused: nobody listens, and every connection is cut. Silent: connections are taken, requests are not passed on,
    and nothing is answered, not even later. 502: every request is answered at once, with that.

    Args:
        url: The server's address.
        mode: What it does at first.

    Attributes:
        arrived: How many requests came.
        passed: How many of them got the server's answer.
    """

    def __init__(self, url: str, mode: Mode = "open") -> None:
        place = urlsplit(url)
        self._origin = (place.hostname or "", place.port or 80)
        self._path = place.path
        self._mode: Mode = mode
        self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.arrived = self.passed = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def turn(self, mode: Mode) -> None:
        """Do something else from now on."""
        self._mode = mode
        if mode == "refused":
            await self._shut()
        elif self._server is None:
            await self._listen()

    async def __aenter__(self) -> "Gate":
        await self._listen()
        await self.turn(self._mode)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        ends = [writer]
        try:
            from_origin, to_origin = await asyncio.open_connection(*self._origin)
            ends.append(to_origin)
            while True:
                request = await _message(reader)
                self.arrived += 1
                answer = _BAD_GATEWAY
                if self._mode == "open":
                    to_origin.write(request)
                    answer = await _message(from_origin)
                # It may have changed meanwhile, and then the server's answer is lost.
                match self._mode:
                    case "open":
                        writer.write(answer)
                        self.passed += 1
                    case "502":
                        writer.write(_BAD_GATEWAY)
                    case _:
                        await asyncio.Event().wait()
        except (OSError, EOFError):
            pass
        except asyncio.CancelledError:
            pass  # cut
        finally:
            self._connections.discard(task)
            for end in ends:
                with suppress(OSError):
                    end.transport.abort()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer whose length is in its head."""
    head = await reader.readuntil(_END)
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
