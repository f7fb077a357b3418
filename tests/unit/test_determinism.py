"""What two runs do in the same order, whatever the addresses of objects and the seed of Python's hashes are."""

import asyncio
import random
from functools import partial
from typing import Any

import attrs
import pytest

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.batch.travel import worker_of
from norce_order_async.sending.sources import TokenSources


@attrs.define(eq=False)
class _Source(Refreshing):
    closed: list["_Source"] = attrs.field(factory=list["_Source"], repr=False)

    def renew(self) -> None:
        self._tell_refresh()

    async def aclose(self) -> None:
        self.closed.append(self)


def _shuffled(closed: list[_Source]) -> list[_Source]:
    sources = [_Source(closed) for _ in range(100)]
    random.Random(1).shuffle(sources)
    return sources


def test_token_sources_are_closed_in_the_order_in_which_they_came() -> None:
    closed: list[_Source] = []
    sources, all_of_them = _shuffled(closed), TokenSources("token")
    for source in sources:
        all_of_them.add(source)
    del sources[::2]
    asyncio.run(all_of_them.aclose())
    assert closed == sources


def test_a_source_is_closed_once_however_often_it_is_used() -> None:
    closed: list[_Source] = []
    all_of_them, source = TokenSources("token"), _Source(closed)
    for _ in range(3):
        all_of_them.add(source)
    asyncio.run(all_of_them.aclose())
    assert closed == [source]


def test_hooks_of_a_new_token_are_called_in_the_order_in_which_they_came() -> None:
    told: list[int] = []
    source, numbers = _Source(), random.Random(1).sample(range(100), 100)
    source.on_refresh += [partial(told.append, number) for number in numbers]
    source.renew()
    assert told == numbers


@pytest.mark.parametrize(
    ("order", "worker"), [(("m", "1", "o_1"), 1), ((None, None, "o_2"), 3), (("m", "ü", "\ud800"), 2)]
)
def test_an_order_goes_to_the_same_worker_in_each_run(order: Any, worker: int) -> None:
    assert worker_of(order, 4) == worker
