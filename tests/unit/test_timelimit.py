"""Limits of time: they end what they should, when they should, and nothing else."""

import asyncio
import contextlib
import gc
import math
import weakref
from contextvars import ContextVar

import pytest
from simulation.loop import SimulatedLoop
from virtual import run

from norce_order_async.loops.time_limit import TimeLimit, TimeLimits


async def elapsed(seconds: float | None, work: float) -> float:
    """Seconds until a limit around a wait ended, or the wait itself."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        with TimeLimit(seconds):
            await asyncio.sleep(work)
    except TimeoutError:
        pass
    return loop.time() - started


def test_each_limit_ends_at_its_own_time_whichever_began_first() -> None:
    async def work() -> list[float]:
        return await asyncio.gather(*(elapsed(limit, 0.3) for limit in (0.2, 0.05, 0.1, math.inf, None)))

    assert run(work()) == pytest.approx([0.2, 0.05, 0.1, 0.3, 0.3], abs=0.006)


def test_limits_that_end_together_end_in_the_order_in_which_they_began() -> None:
    async def end(number: int) -> None:
        try:
            with TimeLimit(0.05):
                await asyncio.sleep(1)
        except TimeoutError:
            ended.append(number)

    async def work() -> None:
        await asyncio.gather(*(end(number) for number in range(100)))

    ended: list[int] = []
    run(work())
    assert ended == list(range(100))


def test_a_limit_still_ends_after_others_that_were_not_reached() -> None:
    async def work() -> list[float]:
        begin = [await elapsed(0.05, 0) for _ in range(100)]
        await asyncio.sleep(0.06)
        return [*begin, await elapsed(0.05, 10)]

    assert run(work()) == pytest.approx([0] * 100 + [0.05], abs=0.006)


def simulated_loop() -> SimulatedLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    return loop


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_what_comes_while_the_loop_stands_still_is_used_before_the_limits_end(turns: int) -> None:
    async def wait(seconds: float) -> tuple[bool, float]:
        loop = simulated_loop()
        began = loop.time()
        answer = loop.create_future()
        loop.host.arrive(began + seconds, lambda: asyncio.Handle(answer.set_result, (None,), loop))
        try:
            with TimeLimit(10):
                await answer
                for _ in range(turns):
                    await asyncio.sleep(0)
        except TimeoutError:
            return False, loop.time() - began
        return True, loop.time() - began

    async def work() -> list[tuple[bool, float]]:
        loop = simulated_loop()
        loop.call_later(1, loop.host.stall, 16)
        return list(await asyncio.gather(*map(wait, (5, 15, 18))))

    answered, took = zip(*run(work()), strict=True)
    assert answered == (True, True, False)
    assert took == pytest.approx((17, 17, 17), abs=0.06)


def test_a_loop_that_is_always_late_puts_off_no_limit_for_long() -> None:
    async def hold_up() -> None:
        while True:
            simulated_loop().host.stall(0.2)
            await asyncio.sleep(0)

    async def work() -> float:
        busy = asyncio.create_task(hold_up())
        took = await elapsed(1, 60)
        busy.cancel()
        return took

    assert 1 <= run(work()) < 3


async def test_the_inner_of_two_limits_ends_only_what_is_inside() -> None:
    with TimeLimit(10):
        with pytest.raises(TimeoutError), TimeLimit(0.01):
            await asyncio.sleep(10)
        await asyncio.sleep(0)


def test_limits_that_follow_one_another_keep_the_context_of_none() -> None:
    class Visitor:
        pass

    visitor = ContextVar[Visitor]("visitor")

    async def visit() -> weakref.ref[Visitor]:
        visitor.set(one := Visitor())
        await elapsed(1.0, 0.3)
        return weakref.ref(one)

    async def work() -> list[bool]:
        begun: list[asyncio.Task[weakref.ref[Visitor]]] = []
        for _ in range(50):
            begun.append(asyncio.create_task(visit()))
            await asyncio.sleep(0.1)
        visitors = [await task for task in begun]
        begun.clear()
        gc.collect()
        return [one() is None for one in visitors[:-20]]

    assert all(run(work()))


def test_a_limit_that_is_reached_is_running_until_what_it_limits_has_ended() -> None:
    limits = TimeLimits[TimeLimit]()

    async def work() -> list[int]:
        seen: list[int] = []
        with contextlib.suppress(TimeoutError), TimeLimit(1, limits):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                seen.append(len(limits.running))
                await elapsed(2, 5)  # other timers ring meanwhile
                seen.append(len(limits.running))
                raise
        return [*seen, len(limits.running)]

    assert run(work()) == [1, 1, 0]


async def test_a_cancellation_from_elsewhere_is_not_swallowed_at_the_same_moment() -> None:
    async def limited() -> None:
        with TimeLimit(10) as limit:
            limit.expire()
            task.cancel()
            await asyncio.sleep(0)

    task = asyncio.create_task(limited())
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_closed_loop_is_not_kept() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(elapsed(60, 0))
    kept = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("reached", [False, True])
async def test_the_task_of_a_limit_is_let_go_with_its_error(reached: bool) -> None:
    """Its error leads to the frames that hold the limit: a cycle would keep both until the next collection."""

    async def limited() -> None:
        with TimeLimit(0.01 if reached else 10) as limit:
            if reached:
                await asyncio.sleep(10)
            raise LookupError(limit.ends)

    gc.disable()
    try:
        task = asyncio.create_task(limited())
        await asyncio.wait([task])
        assert isinstance(task.exception(), TimeoutError if reached else LookupError)
        kept = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        assert kept() is None
    finally:
        gc.enable()


async def test_its_error_leads_to_nothing_that_ran_inside() -> None:
    with pytest.raises(TimeoutError) as caught, TimeLimit(0.01):
        await asyncio.sleep(10)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
