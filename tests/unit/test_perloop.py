"""What belongs to event loops ends with them."""

import asyncio
from weakref import ref

from norce_order_async.loops.per_loop import PerLoop


def test_a_loop_that_was_closed_is_let_go_even_by_a_value_that_refers_to_it() -> None:
    values = PerLoop(list[object])
    loops: list[asyncio.AbstractEventLoop] = []
    known: list[ref[asyncio.AbstractEventLoop]] = []
    for _ in range(5):
        loop = asyncio.new_event_loop()
        values.of(loop).append(loop)
        known.append(ref(loop))
        loop.close()
        loops.append(loop)
        del loop
    assert [loop for loop, _ in values.items()] == loops[-1:]
    del loops
    assert sum(one() is not None for one in known) == 1
