"""Requests that tests hand to a sandbox by themselves, and what it stores."""

from typing import Any

from norce_order_async.testing import SANDBOX_TOKEN, Sandbox

ORDERS = "/api/v0/checkout/orders"
"""The path of all orders."""
HEADERS = {
    "Authorization": f"Bearer {SANDBOX_TOKEN}",
    "x-merchant": "norce",
    "x-channel": "1",
    "Content-Type": "application/json",
}


def stored(sandbox: Sandbox, order_id: str = "o_1", **place: str) -> Any:
    """An order as it is stored; it has to be there."""
    order = sandbox.order(order_id, **place)
    assert order is not None
    return order
