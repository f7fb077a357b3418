"""What a batch has in flight: a lane keeps its place from change to change, and gives it back however it ends."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from support import BASE_URL, TOKEN
from timeline import deletes

from norce_order_async import OrderClient, OutcomeKind
from norce_order_async.batch.engine.engine import Engine
from norce_order_async.batch.engine.feeding import Feeder
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.engine.settings import BatchSettings
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.sending.pace import Pace

LANES = 3


class Failure(BaseException):
    """No Exception: it ends the lane."""


class Sender:
    """Makes changes at once, but for the fifth; notes how many are in flight with each."""

    def __init__(self, fifth: Callable[[WorkItem], Outcome | None]) -> None:
        self.fifth = fifth
        self.pace: Pace | None = None
        self.seen: list[int] = []

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        assert self.pace is not None
        await asyncio.sleep(0)
        self.seen.append(self.pace.in_flight)
        return self.fifth(item) if item.number == 5 else made(item)


def made(item: WorkItem) -> Outcome:
    return item.made(OutcomeKind.APPLIED, 204, item.request_id, 1, 0.1)


def engine_of(client: OrderClient, sender: Sender, changes: int) -> Engine:
    """A batch of so many changes, whose pace the sender knows."""
    sender.pace = pace = Pace(concurrency=LANES, clock=client.clock)
    return Engine(
        deletes(changes), sender, BatchSettings(concurrency=LANES),
        clock=client.clock, pace=pace, scope=("m", "1"), settle=0.0, journal=None,
    )  # fmt: skip


def given_back(_: WorkItem) -> None:
    return None


def cancelled(_: WorkItem) -> Outcome:
    raise asyncio.CancelledError


def failed(_: WorkItem) -> Outcome:
    raise Failure


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks are not eager before Python 3.12")
async def test_a_lane_may_end_as_it_begins() -> None:
    """As one does in an eager task whose change waits for nothing."""

    class AtOnce(Sender):
        async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
            return made(item)

    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 (not in 3.11)
    async with OrderClient(base_url=BASE_URL, merchant="m", channel="1", auth=TOKEN) as client:
        sender = AtOnce(made)
        assert [outcome.number async for outcome in engine_of(client, sender, 20)] == list(range(1, 21))
    assert sender.pace is not None
    assert sender.pace.in_flight == 0


async def test_what_fails_after_the_last_change_of_a_lane_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def make_room(feeder: Feeder) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first time, the lane is opened
            raise MemoryError

    monkeypatch.setattr(Feeder, "make_room", make_room)
    outcomes = list[int]()
    async with asyncio.timeout(5), OrderClient(base_url=BASE_URL, merchant="m", channel="1", auth=TOKEN) as client:
        with pytest.raises(MemoryError):  # noqa: PT012 (what came before it counts)
            async for outcome in engine_of(client, Sender(made), 1):
                outcomes.append(outcome.number)
    assert outcomes == [1]


@pytest.mark.parametrize("fifth", [made, given_back, cancelled, failed])
async def test_nothing_stays_in_flight(fifth: Callable[[WorkItem], Outcome | None]) -> None:
    sender = Sender(fifth)
    async with OrderClient(base_url=BASE_URL, merchant="m", channel="1", auth=TOKEN) as client:
        outcomes = list[int]()
        ends = pytest.raises(RuntimeError, match="Failure") if fifth is failed else nullcontext()
        with ends:
            async for outcome in engine_of(client, sender, 20):
                outcomes.append(outcome.number)
    assert len(outcomes) == len(set(outcomes))
    assert 5 in outcomes
    assert max(sender.seen) == LANES
    assert sender.pace is not None
    assert sender.pace.in_flight == 0
