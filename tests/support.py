"""What several tests need: a scripted transport, a raw server that can misbehave, a client for either."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import norce_order_async
from norce_order_async import OrderClient
from norce_order_async.core.errors import TransportError
from norce_order_async.middleware import Handler
from norce_order_async.testing.clock import FakeClock
from norce_order_async.testing.listening import stop_listening
from norce_order_async.transport import Request, Response, Transport

T = TypeVar("T")

BASE_URL = "http://127.0.0.1:1/checkout/order"
TOKEN = "canary-5d1f-token"
PACKAGE = str(Path(norce_order_async.__file__).parent)
"""What the names of the package's files begin with."""

Answer = int | tuple[int, dict[str, str], bytes] | TransportError | Callable[[Request], Response]


class ScriptedTransport(Transport):
    """Answers each request with the next line of a script; the last one is repeated."""

    def __init__(self, *script: Answer) -> None:
        self.script: list[Answer] = list(script) or [200]
        self.requests: list[Request] = []
        self.timeouts: list[float | None] = []
        self.closed = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        await asyncio.sleep(0)
        self.requests.append(request)
        self.timeouts.append(timeout)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        match answer:
            case TransportError():
                raise answer
            case int():
                return Response(request, answer)
            case (status, headers, body):
                return Response(request, status, headers, body)
            case _:
                return answer(request)

    async def aclose(self) -> None:
        self.closed += 1


class Hanging(ScriptedTransport):
    """A transport whose server never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = asyncio.Event()

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent()
        self.requests.append(request)
        self.sent.set()
        await asyncio.Event().wait()
        raise AssertionError


def scripted(*script: Answer, **settings: Any) -> tuple[OrderClient, ScriptedTransport, FakeClock]:
    """A client over a :class:`ScriptedTransport` and a :class:`FakeClock`."""
    transport, clock = ScriptedTransport(*script), FakeClock()
    given: dict[str, Any] = {"base_url": BASE_URL, "merchant": "norce", "channel": "1", "auth": TOKEN}
    given |= {"transport": transport, "clock": clock} | settings
    return OrderClient(**given), transport, clock


class Closing:
    """A call middleware that closes its ``client`` while the call of this method with this number is under way."""

    client: OrderClient
    closed: asyncio.Task[None]

    def __init__(self, method: str, number: int = 1) -> None:
        self._method, self._left = method, number

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        try:
            return await call_next(request)
        finally:
            self._left -= request.method == self._method
            if self._left == 0 and request.method == self._method:
                self.closed = asyncio.create_task(self.client.aclose())
                await asyncio.sleep(0)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Behaviour = bytes | None | Callable[[asyncio.StreamWriter], Any]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class RawServer:
    """A TCP server that keeps the bytes of every request and answers with the next line of its script.

    A line is the bytes to answer with, None to cut the connection instead, or an async function of the writer.
    The last one is repeated.
    """

    def __init__(self, *script: Behaviour) -> None:
        self.script: list[Behaviour] = list(script) or [OK]
        self.requests: list[bytes] = []
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/checkout/order"

    @property
    def heads(self) -> Sequence[str]:
        """The request lines."""
        return [request.split(b"\r\n", 1)[0].decode() for request in self.requests]

    def client(self, **settings: Any) -> OrderClient:
        given: dict[str, Any] = {"base_url": self.url, "merchant": "norce", "channel": "1", "auth": TOKEN}
        return OrderClient(**(given | settings))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await stop_listening(self._server)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
                self.requests.append(head + body)
                behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if behaviour is None:
                    return
                if isinstance(behaviour, bytes):
                    writer.write(behaviour)
                else:
                    await behaviour(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()


async def turns(number: int = 50) -> None:
    """Let other tasks come to where they wait."""
    for _ in range(number):
        await asyncio.sleep(0)


async def in_clean_up(work: Callable[[], Awaitable[T]]) -> T:
    """Do what a task does that was cancelled, as it cleans up; what comes of it."""

    async def run() -> T:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await work()
        raise AssertionError

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    return await task


def fail(error: Exception) -> None:
    """Raise this error; here, so that another process finds it."""
    raise error
