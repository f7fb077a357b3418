"""The clock for tests: sleeps take no time, and end in their order."""

import asyncio

from norce_order_async import CallOptions, Timeout, get_order
from norce_order_async.testing import FakeClock, Fault, Sandbox


async def test_sleeps_end_in_their_order_whoever_began() -> None:
    clock, ended = FakeClock(), list[tuple[float, float]]()

    async def sleeps(delay: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(delay)
            ended.append((delay, clock.now))

    await asyncio.gather(sleeps(10, 1), sleeps(4, 3), sleeps(1, 2))
    assert ended == [(1, 1), (1, 2), (4, 4), (4, 8), (10, 10), (4, 12)]
    assert sorted(clock.slept) == [1, 1, 4, 4, 4, 10]


async def test_what_yields_in_a_loop_lets_longer_sleeps_end() -> None:
    clock = FakeClock()
    asleep = asyncio.create_task(clock.sleep(1))
    async with asyncio.timeout(5):
        while not asleep.done():
            await clock.sleep(0)
    assert (clock.now, set(clock.slept)) == (1, {0, 1})


async def test_a_sleep_that_is_given_up_is_no_time() -> None:
    clock = FakeClock()
    asleep = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    asleep.cancel()
    await clock.sleep(1)
    assert (asleep.cancelled(), clock.now) == (True, 1)


async def test_a_call_has_its_time_while_another_one_waits_longer() -> None:
    sandbox, clock = Sandbox(), FakeClock()
    sandbox.add_order("a")
    sandbox.add_order("b")
    sandbox.faults.add(Fault.status(429, retry_after=25, times=1, order="a"), Fault.status(503, times=2, order="b"))
    client = sandbox.client(clock=clock)
    short = CallOptions(timeout=Timeout(total=10))
    orders = await asyncio.gather(get_order(client, "a"), get_order(client, "b", options=short))
    assert [order.id for order in orders] == ["a", "b"]
    assert 25 <= clock.now < 28


def test_each_event_loop_has_its_own_sleeps() -> None:
    clock, cut = FakeClock(), asyncio.new_event_loop()
    asleep = cut.create_task(clock.sleep(1))
    cut.run_until_complete(asyncio.sleep(0))
    asyncio.run(clock.sleep(5))
    assert (clock.now, asleep.done()) == (5, False)
    cut.run_until_complete(asleep)
    cut.close()
    assert clock.now == 5
