"""What several tests need: a scripted transport, and a client for it."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import norce_order_async
from norce_order_async import OrderClient
from norce_order_async.core.errors import TransportError
from norce_order_async.middleware import Handler
from norce_order_async.testing.clock import FakeClock
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


def execute(path: Path, statement: str) -> list[Any]:
    """Run SQL in a journal from outside."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement).fetchall()


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
