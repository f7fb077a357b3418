"""An API with a capacity: a queue, what happens beyond it, and a door for clients in the same process."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping

import attrs

from norce_order_async import ReadTimeout
from norce_order_async.transport import Request, Response, Transport

FASTEST, SLOWEST = 0.02, 0.04
"""Seconds that a request is on its way."""
POISON = "poison"
"""The tenant whose requests cost a lot, and end with 500."""

_JSON = {"content-type": "application/json"}


@attrs.frozen
class Answer:
    """A status, and headers that go with it."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=lambda: _JSON)
    body: bytes = b"{}"


DONE = Answer(204, {}, b"")
DOWN = Answer(503, {"content-type": "text/html"}, b"<html>Service unavailable</html>")
FAILED = Answer(500)
TOO_MANY = Answer(429, {"retry-after": "1", **_JSON})


@attrs.define(eq=False)
class _Waiting:
    answer: asyncio.Future[Answer]
    cost: float
    outcome: Answer


class Api:
    """Serves one request after the other, in the order they came.

    Args:
        capacity: Requests a second.
        queue: Seconds of work that may wait; what comes beyond is refused. None is no limit: then it gets slow.
        poison_cost: What a request of the poison tenant costs, in others' requests.
        refusing: What refusing a request costs, in requests that it could have served.
        choices: Decides how long a request is on its way, and which ones fail.
        now: The time.

    Attributes:
        is_down: Whether everything is answered with 503 by a gateway in front of it.
        failing: The share of requests that it answers with 500.
        requests: When each request came.
    """

    def __init__(
        self,
        capacity: float,
        queue: float | None,
        poison_cost: float,
        refusing: float,
        choices: random.Random,
        now: Callable[[], float],
    ) -> None:
        self.capacity, self._queue, self._poison_cost, self._refusing = capacity, queue, poison_cost, refusing
        self._random, self._now = choices, now
        self.is_down = False
        self.failing = 0.0
        self.requests: list[float] = []
        self._waiting: deque[_Waiting] = deque()
        self._work = self._refusals = 0.0
        self._is_busy = False

    @property
    def backlog(self) -> float:
        """Seconds of work that wait."""
        return self._work / self.capacity

    def go_down(self) -> None:
        """Answer 503 from now on, also to those that wait."""
        self.is_down = True
        while self._waiting:
            _answer(self._waiting.popleft(), DOWN)
        self._work = 0.0

    async def request(self, tenant: str) -> Answer:
        """Have one request answered."""
        await asyncio.sleep(self._random.uniform(FASTEST, SLOWEST))
        self.requests.append(self._now())
        if self.is_down:
            return DOWN
        if self._queue is not None and self.backlog > self._queue:
            self._refusals += self._refusing
            return TOO_MANY
        is_poison = tenant == POISON
        outcome = FAILED if is_poison or self._random.random() < self.failing else DONE
        cost = self._poison_cost if is_poison else 1.0
        waiting = _Waiting(asyncio.get_running_loop().create_future(), cost, outcome)
        self._waiting.append(waiting)
        self._work += cost
        if not self._is_busy:
            self._serve()
        return await waiting.answer

    def _serve(self) -> None:
        self._is_busy = bool(self._waiting)
        if self._is_busy:
            waiting = self._waiting.popleft()
            cost, self._refusals = waiting.cost + self._refusals, 0.0
            asyncio.get_running_loop().call_later(cost / self.capacity, self._served, waiting)

    def _served(self, waiting: _Waiting) -> None:
        self._work = max(0.0, self._work - waiting.cost)
        _answer(waiting, waiting.outcome)
        self._serve()


def _answer(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


class ApiTransport(Transport):
    """Hands requests to an :class:`Api`, without a network."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent(False)
        request.call.mark_sent()
        try:
            async with asyncio.timeout(timeout):
                answer = await self._api.request(request.headers["x-merchant"])
        except TimeoutError:
            raise ReadTimeout("no complete answer in time", sent=True) from None
        return Response(request, answer.status, answer.headers, answer.body)

    async def aclose(self) -> None:
        """It has nothing to close."""
