"""A list of orders that is gone through in one event loop after another, as a client may be used."""

import asyncio
import copy
import gc

import pytest

from norce_order_async import OrderIterator, iter_orders
from norce_order_async.models import Order
from norce_order_async.testing import Sandbox


def some(orders: OrderIterator[Order], count: int) -> list[str | None]:
    """The ids of so many orders, taken by tasks of an event loop of their own."""

    async def main() -> list[str | None]:
        return [order.id for order in await asyncio.gather(*(anext(orders) for _ in range(count)))]

    return asyncio.run(main())


@pytest.mark.parametrize("count", [1, 5, 7])
def test_whoever_goes_on_in_another_event_loop_gets_the_rest(count: int) -> None:
    sandbox = Sandbox()
    all_ids = sandbox.seed_orders(21)
    orders = iter_orders(sandbox.client(), limit=5)
    assert [found for _ in range(21 // count) for found in some(orders, count)] == list(all_ids)[: 21 // count * count]


def test_it_can_be_closed_in_another_event_loop() -> None:
    sandbox = Sandbox()
    sandbox.seed_orders(11)
    orders = iter_orders(sandbox.client(), limit=5)
    first = asyncio.new_event_loop()
    first.run_until_complete(anext(orders))  # which leaves the next page under way
    asyncio.run(orders.aclose())
    first.run_until_complete(asyncio.sleep(0))
    assert not asyncio.all_tasks(first)
    first.close()


@pytest.mark.parametrize("is_closed", [True, False])
def test_it_can_be_closed_in_another_event_loop_when_the_page_has_come(is_closed: bool) -> None:
    sandbox = Sandbox()
    sandbox.seed_orders(11)
    orders = iter_orders(sandbox.client(), limit=5)
    first = asyncio.new_event_loop()
    first.run_until_complete(anext(orders))
    first.run_until_complete(asyncio.wait(asyncio.all_tasks(first)))
    if is_closed:
        first.close()
    asyncio.run(asyncio.wait_for(orders.aclose(), 5))
    first.close()


def test_what_cannot_be_copied_is_let_go_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", said.append)
    sandbox = Sandbox()
    sandbox.seed_orders(11)
    orders = iter_orders(sandbox.client(), limit=5)
    some(orders, 1)
    with pytest.raises(TypeError):
        copy.deepcopy(orders)
    gc.collect()
    assert not said
