"""Pools of connections are closed once, in the thread of their event loop, whatever that does meanwhile."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from norce_order_async import ClientStateError
from norce_order_async.transport.pools import Pools


class Pool:
    """No connections; it records in which threads it was closed."""

    def __init__(self, closed: list[int]) -> None:
        self.closed = closed

    def connections(self) -> list[asyncio.Transport]:
        return []

    async def close(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.closed.append(threading.get_ident())


class Other:
    """An event loop in a thread of its own, which pauses between two of its runs."""

    def __init__(self, pools: Pools[Pool], end: str) -> None:
        self.pools, self.end = pools, end
        self.paused, self.go_on = threading.Event(), threading.Event()
        self.problems: list[dict[str, Any]] = []

    def run(self) -> int:
        loop = asyncio.new_event_loop()
        loop.set_debug(True)  # asyncio then checks the thread of each call
        loop.slow_callback_duration = 60
        loop.set_exception_handler(lambda _, problem: self.problems.append(problem))
        loop.run_until_complete(self.pools.open())
        self.paused.set()
        self.go_on.wait()
        if self.end == "run again":
            with pytest.raises(ClientStateError):
                loop.run_until_complete(self.pools.open())
        if self.end != "closed bluntly":
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        return threading.get_ident()


@pytest.mark.parametrize("end", ["shut down", "run again", "closed bluntly"])
def test_a_loop_between_its_runs_in_another_thread_is_left_to_that_thread(end: str) -> None:
    closed: list[int] = []
    pools = Pools(lambda: Pool(closed))
    other = Other(pools, end)

    async def close() -> None:
        closing = asyncio.create_task(pools.aclose())
        await asyncio.wait([closing], timeout=0.02)
        assert not closing.done()
        other.go_on.set()
        await closing

    with ThreadPoolExecutor(1) as executor:
        thread = executor.submit(other.run)
        other.paused.wait()
        try:
            asyncio.run(close())
        finally:
            other.go_on.set()
        mine = threading.get_ident() if end == "closed bluntly" else thread.result()
    gc.collect()
    assert (closed, other.problems) == ([mine], [])


def test_a_loop_that_rests_in_this_thread_is_closed_from_another() -> None:
    closed: list[int] = []
    pools = Pools(lambda: Pool(closed))
    resting = asyncio.new_event_loop()
    resting.run_until_complete(pools.open())
    asyncio.run(pools.aclose())
    assert closed == [threading.get_ident()]
    resting.run_until_complete(resting.shutdown_asyncgens())
    resting.close()
    assert len(closed) == 1


def test_a_call_that_is_cut_while_its_pool_opens_leaves_none_half_closed() -> None:
    closed: list[int] = []
    pools = Pools(lambda: Pool(closed))
    blunt = asyncio.new_event_loop()
    blunt.run_until_complete(pools.open())
    blunt.close()

    async def cut() -> None:
        opening = asyncio.create_task(pools.open())
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(cut())
    assert closed == [threading.get_ident()]


def test_a_loop_that_is_left_standing_in_another_thread_delays_closing_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("norce_order_async.transport.pools._OTHER_LOOPS", 0.02)
    closed: list[int] = []
    other = Other(pools := Pools(lambda: Pool(closed)), "shut down")
    with ThreadPoolExecutor(1) as executor:
        thread = executor.submit(other.run)
        other.paused.wait()
        try:
            asyncio.run(pools.aclose())
            assert closed == []
        finally:
            other.go_on.set()
        assert closed == [thread.result()]
    assert other.problems == []
