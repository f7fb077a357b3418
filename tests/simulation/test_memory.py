"""The look at what a client keeps sees what grows, and takes what belongs to the calls under way."""

import asyncio

import pytest
from simulation import memory

from norce_order_async import OrderClient, wire
from norce_order_async.sending import shops


def _with_shops(count: int) -> OrderClient:
    client = OrderClient(base_url="https://x.example", merchant="norce", channel="1", auth="t")
    for number in range(count):
        client.scoped(merchant=f"m_{number}")
    return client


async def _told(count: int) -> list[str]:
    async with _with_shops(count) as client:
        return memory.too_many(client, 0)


def test_a_client_of_many_shops_keeps_no_more_than_it_may() -> None:
    assert asyncio.run(_told(5_000)) == []


def test_shops_that_are_never_forgotten_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shops, "KEPT", 1_000_000)
    told = asyncio.run(_told(5_000))
    assert any(each.startswith("Shops._recent has ") for each in told), told


def test_what_a_module_keeps_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(wire, "left", left, raising=False)
    before = memory.kept_by_modules()
    left += range(100)
    assert memory.grown(before) == []
    left += range(100)
    assert memory.grown(before) == ["norce_order_async.wire.left has grown from 0 to 200 entries"]
