"""One source of tokens in event loops that come and go, orderly or bluntly, in one thread or in several."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest

from norce_order_async import ClientCredentials, TokenError
from norce_order_async.testing import FakeClock
from norce_order_async.transport import Request, Response, Transport

URL = "https://login.example.com/token"
LIFETIME = 240


class Endpoint(Transport):
    """Needs so many turns of the event loop for an answer, or waits until it is let."""

    def __init__(self, turns: int = 30) -> None:
        self.turns = turns
        self.requests = self.answers = 0
        self.arrived = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.status = 200

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        self.requests += 1
        self.arrived.set()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        while not self.go.is_set():  # noqa: ASYNC110 (of several loops)
            await asyncio.sleep(0.05)  # a loop that is stopped should hardly ever stop just as this ends
        self.answers += 1
        body = f'{{"access_token": "token-{self.answers}", "expires_in": {LIFETIME}}}'
        return Response(request, self.status, {}, body.encode())

    async def aclose(self) -> None:
        pass


def credentials(endpoint: Endpoint, **settings: Any) -> tuple[ClientCredentials, FakeClock]:
    clock = FakeClock()
    given: dict[str, Any] = {"token_url": URL, "client_id": "id", "client_secret": "secret", "clock": clock}
    return ClientCredentials(transport=endpoint, **given | settings), clock


def bluntly(work: Coroutine[Any, Any, str]) -> str:
    """Without cancelling what is left of it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@contextmanager
def pending_tasks_destroyed(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """asyncio logs a task that is left pending in a closed loop; nothing else may be logged."""
    yield
    gc.collect()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(text.startswith("Task was destroyed but it is pending!") for text in told)


@pytest.mark.parametrize("run", [asyncio.run, bluntly])
def test_many_short_runs_over_the_ends_of_many_tokens(
    run: Callable[[Coroutine[Any, Any, str]], str], caplog: pytest.LogCaptureFixture
) -> None:
    """In none of them a request in the background can end. Nobody is refused, or waits for anything but an answer."""
    endpoint = Endpoint()
    source, clock = credentials(endpoint)
    with pending_tasks_destroyed(caplog):
        tokens: list[str] = []
        for _ in range(5 * LIFETIME * 2):
            tokens.append(run(source.get()))
            clock.now += 0.5
        assert list(dict.fromkeys(tokens)) == [f"token-{n}" for n in range(1, 6)]
        assert clock.slept == []
        assert endpoint.answers == 5
        assert endpoint.requests <= 5 * (1 + 3)  # 24 to 48 seconds before each end, every 20 seconds


@pytest.mark.parametrize("run", [asyncio.run, bluntly])
def test_a_refresh_that_ends_with_its_loop_is_carried_on_by_the_next_caller(
    run: Callable[[Coroutine[Any, Any, str]], str], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Endpoint()
    endpoint.go.clear()
    source, clock = credentials(endpoint)

    async def impatient() -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.005):
                await source.get()
        return ""

    with pending_tasks_destroyed(caplog):
        for _ in range(5):
            run(impatient())
        endpoint.go.set()
        assert run(source.get()) == "token-1"
        assert endpoint.requests == 6
        assert clock.slept == []


@pytest.mark.parametrize("closes", [True, False])
def test_who_waits_in_another_thread_carries_on_what_a_loop_left(
    closes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop is closed without cancelling its tasks, or not run any more."""
    endpoint = Endpoint()
    endpoint.go.clear()
    source, _ = credentials(endpoint)
    tokens: list[str] = []

    async def begin() -> None:
        asyncio.ensure_future(source.get())  # noqa: RUF006 (it is left)
        await asyncio.to_thread(endpoint.arrived.wait, 5)
        other.start()
        await asyncio.to_thread(waits.wait, 5)

    async def waiting() -> None:
        task = asyncio.create_task(source.get())
        await asyncio.sleep(0)
        waits.set()
        tokens.append(await task)

    waits = threading.Event()
    other = threading.Thread(target=lambda: asyncio.run(waiting()))
    with pending_tasks_destroyed(caplog):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.run_until_complete(loop.shutdown_default_executor())
        if closes:
            loop.close()
        endpoint.go.set()
        other.join(5)
        assert tokens == ["token-1"]
        assert endpoint.requests == 2
        if not closes:
            assert loop.run_until_complete(source.get()) == "token-1"
            loop.run_until_complete(asyncio.sleep(0))
            assert endpoint.answers == 1  # what was left was cancelled
            loop.close()


def test_a_refresh_runs_in_no_caller_s_context() -> None:
    visitor = ContextVar("visitor", default="nobody")

    class Watching(Endpoint):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            seen.append(visitor.get())
            return await super().send(request, timeout=timeout)

    async def visit(name: str) -> str:
        visitor.set(name)
        return await source.get()

    seen = list[str]()
    source, _ = credentials(Watching())
    assert asyncio.run(visit("first")) == "token-1"
    assert seen == ["nobody"]


def test_a_request_that_stood_still_with_its_loop_is_no_failure() -> None:
    endpoint = Endpoint()
    source, clock = credentials(endpoint, timeout=0.2)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(source.get()) == "token-1"
    clock.now = LIFETIME - 1
    assert loop.run_until_complete(source.get()) == "token-1"
    assert endpoint.requests == 2
    endpoint.turns = 0
    clock.now = 1000
    time.sleep(0.3)  # of the loop's own clock
    assert loop.run_until_complete(source.get()) in ("token-2", "token-3")
    assert clock.slept == []
    loop.run_until_complete(source.aclose())
    loop.close()


def test_an_endpoint_that_fails_still_counts_as_failing_in_short_runs() -> None:
    endpoint = Endpoint()
    endpoint.status = 503
    source, clock = credentials(endpoint)
    for _ in range(100):
        with pytest.raises(TokenError, match="HTTP 503"):
            asyncio.run(source.get())
        clock.now += 0.1
    assert endpoint.requests <= 6


@pytest.mark.parametrize("closes", [True, False])
def test_closing_waits_for_no_loop_that_does_not_run(closes: bool, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint()
    endpoint.go.clear()
    source, _ = credentials(endpoint)
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        asyncio.ensure_future(source.get())  # noqa: RUF006 (it is left)
        await asyncio.sleep(0.01)

    with pending_tasks_destroyed(caplog):
        loop.run_until_complete(begin())
        if closes:
            loop.close()
        asyncio.run(source.aclose())
        loop.close()


def test_loops_in_threads_that_come_and_go_bluntly(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(turns=3)
    source, clock = credentials(endpoint)
    ends: list[str] = []

    def worker(run: Callable[[Coroutine[Any, Any, str]], str]) -> None:
        for _ in range(150):
            ends.append(run(source.get()))
            clock.now += 1

    with pending_tasks_destroyed(caplog):
        threads = [threading.Thread(target=worker, args=(run,)) for run in (asyncio.run, bluntly) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(ends) == 900
        assert clock.slept == []


def test_who_looked_before_a_token_came_in_another_thread_takes_it() -> None:
    """No wait for the next request, which is so long after the token."""

    class Interrupted(FakeClock):
        def monotonic(self) -> float:
            looked = self.now
            if threading.current_thread() is threading.main_thread() and not tokens:
                tokens.append("")
                other = threading.Thread(target=lambda: tokens.append(asyncio.run(source.get())))
                other.start()
                other.join(5)
                self.now += 14  # that is 6 before the next request may be
            return looked

    tokens: list[str] = []
    clock = Interrupted()
    source, _ = credentials(Endpoint(), clock=clock)
    tokens.append(asyncio.run(source.get()))
    assert tokens == ["", "token-1", "token-1"]
    assert clock.slept == []
