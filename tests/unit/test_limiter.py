"""Who gets a slot, by the rules and by what the other shops notice of it."""

import asyncio
import math
from functools import cache
from random import Random
from statistics import quantiles

import pytest
from virtual import new_client, run, visits

from norce_order_async import CallError, Timeout, delete_consent
from norce_order_async.core.errors import ReadTimeout
from norce_order_async.core.shop import Shop
from norce_order_async.sending.answer_time import AnswerTime
from norce_order_async.sending.limiter import ConcurrencyLimiter, Turns
from norce_order_async.transport import Request, Response, Transport

A, B, C, D = (Shop("", name) for name in "abcd")


def take_all(limiter: ConcurrencyLimiter, shop: Shop, now: float) -> list[Turns]:
    """As many slots as a shop gets."""
    taken: list[Turns] = []
    while (turns := limiter.acquire_nowait(shop, now)) is not None:
        taken.append(turns)
    return taken


def together(limit: int) -> ConcurrencyLimiter:
    """A limiter of which two shops had a slot at time 0."""
    limiter = ConcurrencyLimiter(limit)
    for shop in (A, B):
        turns = limiter.acquire_nowait(shop, 0.0)
        assert turns is not None
        limiter.release(turns, 0.0, 0.0)
    return limiter


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_shop_alone_gets_all_slots(limit: int) -> None:
    assert len(take_all(ConcurrencyLimiter(limit), A, 0.0)) == limit


@pytest.mark.parametrize(
    ("limit", "quick", "hanging"), [(1, 1, 1), (2, 1, 1), (3, 2, 1), (5, 4, 1), (10, 8, 2), (100, 80, 20)]
)
def test_among_others_a_shop_leaves_some_free(limit: int, quick: int, hanging: int) -> None:
    assert len(take_all(together(limit), A, 1.0)) == quick
    limiter = together(limit)
    assert limiter.acquire_nowait(A, 1.0) is not None
    assert len(take_all(limiter, A, 5.0)) == hanging - 1


def test_after_a_minute_alone_a_shop_gets_all_slots_again() -> None:
    limiter = together(100)
    assert len(take_all(limiter, B, 59.0)) == 80
    assert len(take_all(limiter, B, 60.0)) == 20


def test_the_last_slot_is_for_a_shop_that_has_none() -> None:
    limiter = together(10)
    assert [len(take_all(limiter, shop, 1.0)) for shop in (A, B, C)] == [8, 1, 1]


def test_a_shop_hangs_until_a_slot_comes_back_within_a_second() -> None:
    limiter = together(100)
    first = limiter.acquire_nowait(A, 1.0)
    assert first is not None
    limiter.release(first, 1.0, 16.0)  # timed out
    held = take_all(limiter, A, 16.0)
    assert len(held) == 80  # a second's grace: nothing is known of this one
    for turns in held[20:]:
        limiter.release(turns, 16.0, 31.0)
    assert take_all(limiter, A, 31.0) == []
    limiter.release(held[0], 30.9, 31.0)
    assert len(take_all(limiter, A, 31.5)) == 61


def test_shops_that_wait_take_turns_and_leave_nothing_behind() -> None:
    async def main() -> list[str]:
        limiter = ConcurrencyLimiter(1)
        order: list[str] = []

        async def work(shop: Shop) -> None:
            turns = limiter.acquire_nowait(shop, 0.0) or await limiter.acquire(shop, 0.0, math.inf)
            assert turns is not None
            order.append(shop.merchant)
            await asyncio.sleep(0)
            limiter.release(turns, 0.0, 0.1)

        await asyncio.gather(*(work(shop) for shop in [A] * 5 + [B] * 2 + [C]))
        assert limiter.used == 0
        assert [limiter.of(shop) for shop in (A, B, C)] == [(0, 0)] * 3
        assert len(limiter._turns) == 1  # pyright: ignore[reportPrivateUsage]
        return order

    assert "".join(run(main())) == "aabcabaa"


@pytest.mark.parametrize("at_once", [True, False], ids=["with its slot", "before"])
def test_who_is_cancelled_while_it_waits_takes_no_slot(at_once: bool) -> None:
    async def main() -> None:
        limiter = ConcurrencyLimiter(1)
        held = limiter.acquire_nowait(A, 0.0)
        assert held is not None
        assert limiter.acquire_nowait(B, 0.0) is None
        first, second = (asyncio.create_task(limiter.acquire(B, 0.0, math.inf)) for _ in range(2))
        await asyncio.sleep(0)
        if at_once:
            limiter.release(held, 0.0, 0.1)
            first.cancel()
        else:
            first.cancel()
            limiter.release(held, 0.0, 0.1)
        taken = await second
        assert taken is not None
        limiter.release(taken, 0.0, 0.1)
        assert first.cancelled()
        assert (limiter.used, limiter.of(B)) == (0, (0, 0))

    run(main())


def test_who_would_get_its_slot_too_late_leaves_it_to_the_next_one() -> None:
    async def main() -> None:
        limiter = ConcurrencyLimiter(4)
        b, a, c, d = (limiter.acquire_nowait(shop, 0.0) for shop in (B, A, C, D))
        assert a is not None
        assert b is not None
        assert c is not None
        assert d is not None

        async def wait(shop: Shop, now: float, deadline: float) -> asyncio.Task[Turns | None]:
            assert limiter.acquire_nowait(shop, now) is None
            waiting = asyncio.create_task(limiter.acquire(shop, now, deadline))
            await asyncio.sleep(0)
            return waiting

        first = await wait(Shop("", "e"), 0.1, 99.0)
        of_a = await wait(A, 1.0, 60.0)
        late, in_time = await wait(B, 1.0, 12.0), await wait(B, 1.0, 60.0)
        for _ in range(200):
            b.answers.add(8.0)
        limiter.release(b, 0.0, 8.0)
        await asyncio.sleep(0)
        assert limiter.acquire_nowait(A, 10.2) is None
        limiter.release(c, 0.0, 10.5)
        await asyncio.sleep(0)
        assert await late is None
        assert (first.done(), in_time.done(), limiter.used) == (True, True, 4)
        of_a.cancel()

    run(main())


def test_a_call_that_is_too_late_and_cut_at_the_same_moment_leaves_the_slots_of_its_shop_alone() -> None:
    async def main() -> None:
        limiter = ConcurrencyLimiter(1)
        held = limiter.acquire_nowait(B, 0.0)
        assert held is not None
        assert limiter.acquire_nowait(A, 0.0) is None
        late = asyncio.create_task(limiter.acquire(A, 0.0, 1.0))
        await asyncio.sleep(0)
        assert limiter.acquire_nowait(B, 0.5) is None
        limiter.release(held, 0.0, 0.99999)
        taken = limiter.acquire_nowait(A, 0.99999)
        assert taken is not None
        late.cancel()
        await asyncio.wait([late])
        assert limiter.of(A) == (1, 0)
        assert limiter.acquire_nowait(A, 1.0) is None
        waiting = asyncio.create_task(limiter.acquire(A, 1.0, 60.0))
        await asyncio.sleep(0)
        limiter.release(taken, 0.99999, 1.1)
        assert await waiting is taken

    run(main())


def test_a_shop_whose_last_call_is_too_late_is_forgotten() -> None:
    async def main() -> None:
        limiter = ConcurrencyLimiter(1)
        held = limiter.acquire_nowait(A, 0.0)
        assert held is not None
        waiting: list[asyncio.Task[Turns | None]] = []
        for number in range(50):
            shop = Shop("", f"s_{number}")
            assert limiter.acquire_nowait(shop, 0.0) is None
            waiting.append(asyncio.create_task(limiter.acquire(shop, 0.0, 1.0)))
            await asyncio.sleep(0)
        limiter.release(held, 0.0, 5.0)
        assert await asyncio.gather(*waiting) == [None] * 50
        assert len(limiter._turns) == 1  # pyright: ignore[reportPrivateUsage]

    run(main())


@pytest.mark.parametrize(("limit", "before", "calls"), [(10, 1000, 100), (10, 0, 100), (1, 0, 21)])
def test_calls_that_wait_while_others_hang_are_made_when_these_end(limit: int, before: int, calls: int) -> None:
    class Hanging(Steady):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            if before <= self.requests < before + limit:
                await asyncio.sleep(6.0)
            return await super().send(request, timeout=timeout)

    async def main() -> None:
        async with new_client(Hanging(0.1), timeout=10.0, limit=limit) as client:
            for _ in range(before):
                await delete_consent(client, "o_1", "ci")
            await asyncio.gather(*(delete_consent(client, "o_1", "ci") for _ in range(calls)))

    run(main())


def test_few_answers_that_take_long_keep_no_quick_call_from_being_made() -> None:
    answers = AnswerTime()
    for number in range(100):
        answers.add(3.0 if number % 10 == 0 else 0.01)
    assert not answers.is_too_late(0.0, 3.5, 4.0)
    assert answers.is_too_late(0.0, 3.99, 4.0)


class Shops(Transport):
    """Answers after 50 ms, once in fifty times with a 503; what is named bad does what its name says."""

    def __init__(self) -> None:
        self.requests = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent()
        match request.headers["x-merchant"].rstrip("0123456789"):
            case "hangs":
                assert timeout is not None
                await asyncio.sleep(timeout)
                raise ReadTimeout("nothing came", sent=True)
            case "fails":
                await asyncio.sleep(0.05)
                return Response(request, 503)
            case "floods":
                await asyncio.sleep(0.2)
                return Response(request, 200)
            case _:
                self.requests += 1
                await asyncio.sleep(0.05)
                return Response(request, 503 if self.requests % 50 == 0 else 200)

    async def aclose(self) -> None:
        pass


async def live(bad: dict[str, int]) -> tuple[list[float], int]:
    """Twelve shops with four calls a second each, beside bad ones with so many; the good ones' times and failures."""
    times: list[float] = []
    failures = 0
    loop = asyncio.get_running_loop()
    timeout = Timeout(total=8, attempt=5)
    async with new_client(Shops(), timeout=timeout, random=Random(1), limit=20) as client:

        async def call(merchant: str) -> None:
            nonlocal failures
            view, begin = client.scoped(merchant=merchant, auth=f"token-of-{merchant}"), loop.time()
            try:
                await delete_consent(view, "o_1", "ci")
            except CallError:
                failures += merchant.startswith("good")
            if merchant.startswith("good"):
                times.append(loop.time() - begin)

        async def keep_calling(merchant: str, every: float, first: float) -> None:
            await asyncio.sleep(first)
            async with asyncio.TaskGroup() as calls:
                while loop.time() < ends:
                    calls.create_task(call(merchant))
                    await asyncio.sleep(every)

        ends = loop.time() + 12.1
        async with asyncio.TaskGroup() as shops:
            for number in range(12):
                shops.create_task(keep_calling(f"good{number}", 0.25, number / 48))
            for merchant, rate in bad.items():
                shops.create_task(keep_calling(merchant, 1 / rate, 0.0))
    return times, failures


@cache
def alone() -> tuple[list[float], int]:
    """The good shops without any other."""
    return run(live({}))


def row(times: list[float], failures: int) -> str:
    """The cells of docs/shops.md."""
    p90 = quantiles(times, n=10)[8]
    return f"p90 {1000 * p90:.0f} ms, longest {max(times):.2f} s, {failures} of {len(times)} failed"


@pytest.mark.parametrize(
    "bad",
    [{"hangs": 4}, {"floods": 200}, {"fails1": 15, "fails2": 15}, {"hangs": 4, "floods": 200, "fails1": 15}],
    ids="+".join,
)
def test_no_shop_harms_another(bad: dict[str, int]) -> None:
    times, failures = run(live(bad))
    expected, failures_alone = alone()
    print(f"beside nobody: {row(expected, failures_alone)}; beside {'+'.join(bad)}: {row(times, failures)}")
    assert failures == failures_alone == 0
    assert len(times) == len(expected)
    assert quantiles(times, n=10)[8] < 1.1 * quantiles(expected, n=10)[8]
    assert max(times) < max(expected) + 0.1


class Steady(Transport):
    """Answers after a while."""

    def __init__(self, seconds: float) -> None:
        self.requests = 0
        self._seconds = seconds

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent()
        self.requests += 1
        await asyncio.sleep(self._seconds)
        return Response(request, 200)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("more", "limit", "answer", "deadline"),
    [(1.1, 10, 0.1, 1.0), (1.5, 10, 0.1, 0.4), (1.5, 100, 1.0, 10.0), (3.0, 10, 0.1, 1.0)],
)
def test_of_more_calls_than_there_are_slots_as_many_succeed_as_can_and_the_others_are_not_sent(
    more: float, limit: int, answer: float, deadline: float
) -> None:
    seconds = 4 * deadline / min(0.5, more - 1)
    rate = limit / answer
    transport = Steady(answer)
    ends = run(visits(new_client(transport, timeout=deadline, limit=limit), more * rate, seconds))
    done = ends.count("done") / (seconds + deadline)  # the last ones end after the last was begun
    print(f"of {more * rate:.0f} calls a second where {rate:.0f} can be made, {done:.0f} succeed")
    assert ends.count("done") >= 0.9 * rate * seconds
    assert ends.count("DeadlineExceeded not_sent") == len(ends) - ends.count("done") == len(ends) - transport.requests


def test_many_calls_at_once_are_all_made_as_long_as_their_deadline_lets_them() -> None:
    ends = run(visits(new_client(Steady(0.1), timeout=10.0, limit=10), 1e6, 960e-6))
    assert ends == ["done"] * 960
