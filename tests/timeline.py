"""A server and a clock for batches: many requests at once, in simulated time."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import attrs
from support import BASE_URL, TOKEN, execute

from norce_order_async import CallOptions, OrderClient, Receipt
from norce_order_async.batch import Change, DeleteConsent, Outcome
from norce_order_async.batch.engine.feeding import Changes
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.run import Batch
from norce_order_async.core.errors import ConnectError, ReadTimeout
from norce_order_async.testing.clock import FakeClock
from norce_order_async.transport import Request, Response, Transport

MISSING = b'{"code": "not-found", "message": "Not here."}'
Answer = int | tuple[int, dict[str, str]] | tuple[int, dict[str, str], bytes] | Exception


class Timeline(FakeClock):
    """A clock for many who sleep at once: it jumps to the first to wake when nobody has anything to do."""

    TURNS = 25

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ticking: asyncio.Task[None] | None = None

    async def sleep(self, delay: float, /) -> None:
        self.slept.append(delay)
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + delay, len(self.slept), wake))
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        await wake

    async def _tick(self) -> None:
        while self._sleepers:
            for _ in range(self.TURNS):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if self._sleepers:
                self.now = max(self.now, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.now:
                wake = heapq.heappop(self._sleepers)[2]
                if not wake.done():
                    wake.set_result(None)


@attrs.frozen
class Sent:
    at: float
    order: str
    method: str
    request: Request


def always(sent: Sent) -> Answer:
    return 200


class Origin(Transport):
    """A server on a timeline: every request takes some time, and is answered as a function says."""

    def __init__(self, clock: FakeClock, answer: Callable[[Sent], Answer] = always, latency: float = 0.01) -> None:
        self.clock, self.answer, self.latency = clock, answer, latency
        self.sent: list[Sent] = []
        self.most = self.now = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        order = request.url.partition("/orders/")[2].partition("/")[0]
        sent = Sent(self.clock.now, order, request.method, request)
        self.sent.append(sent)
        self.now += 1
        self.most = max(self.most, self.now)
        request.call.mark_sent()
        try:
            answer = self.answer(sent)
            await self.clock.sleep(self.latency)
        finally:
            self.now -= 1
        match answer:
            case Exception():
                raise answer
            case int():
                return Response(request, answer, body=MISSING if answer == 404 else b"")
            case (status, headers):
                return Response(request, status, headers)
            case (status, headers, body):
                return Response(request, status, headers, body)

    async def aclose(self) -> None:
        pass

    def times(self, order: str) -> list[float]:
        return [sent.at for sent in self.sent if sent.order == order]


def on_a_timeline(
    answer: Callable[[Sent], Answer] = always, *, latency: float = 0.01, **settings: Any
) -> tuple[OrderClient, Origin, Timeline]:
    clock = Timeline()
    origin = Origin(clock, answer, latency)
    given: dict[str, Any] = {"base_url": BASE_URL, "merchant": "norce", "channel": "1", "auth": TOKEN}
    given |= {"transport": origin, "clock": clock, "random": Random(0), "retry": None} | settings
    return OrderClient(**given), origin, clock


def deletes(number: int, first: int = 0) -> list[Change]:
    return [DeleteConsent(f"o_{n}", "c") for n in range(first, first + number)]


async def outcomes_of(batch: Batch) -> list[Outcome]:
    async with asyncio.timeout(20), batch:
        return [outcome async for outcome in batch]


async def until_it_fails(batch: Batch) -> tuple[list[Outcome], BaseException]:
    outcomes: list[Outcome] = []
    async with asyncio.timeout(20), batch:
        try:
            async for outcome in batch:
                outcomes.append(outcome)
        except TimeoutError:
            raise
        except BaseException as error:
            return outcomes, error
    raise AssertionError("the batch did not fail")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happens")


class Odd(BaseException):
    pass


FAILING_INPUTS: list[tuple[BaseException, str]] = [
    (LookupError("the database is gone"), "the database is gone"),
    (asyncio.CancelledError(), "the input was cancelled"),
    (Odd(), "the input raised Odd"),
    (GeneratorExit(), "the input raised GeneratorExit"),
]
"""What an input raises, and what is told of it."""


def failing_input(changes: Iterable[Change], error: BaseException, *, is_async: bool) -> Changes:
    def given() -> Iterator[Change]:
        yield from changes
        raise error

    async def followed() -> AsyncIterator[Change]:
        for change in given():
            yield change

    return followed() if is_async else given()


def refused() -> ConnectError:
    return ConnectError("refused", sent=False)


def lost() -> ReadTimeout:
    return ReadTimeout("no answer", sent=True)


def journal_at(path: Path, *, undo: bool = False) -> Journal:
    return Journal.open(path, inputs=[], target="t", undo=undo)


async def outcomes_at(path: Path, client: OrderClient, changes: Changes, **settings: Any) -> list[Outcome]:
    """The outcomes of a run whose journal is there."""
    with journal_at(path) as journal:
        return await outcomes_of(Batch(client, changes, journal=journal, **settings))


def account(path: Path) -> dict[int, tuple[int, str | None]]:
    rows = execute(path, "SELECT number, open, outcome FROM changes")
    return {number: (is_open, outcome) for number, is_open, outcome in rows}


@attrs.frozen
class Doing(Change):
    """A change that does whatever a test wants."""

    op: ClassVar[str] = "doing"
    what: Callable[[OrderClient, CallOptions | None], Any] = attrs.field(kw_only=True)

    @property
    def resource(self) -> str:
        return "consents"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        receipt: Receipt = await self.what(client, options)
        return receipt

    def record(self) -> dict[str, Any]:
        return {"op": self.op, "order_id": self.order_id}
