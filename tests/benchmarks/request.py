"""The one request that every subject of a comparison sends."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

CONSENT = "ci_newsletter"
HEADERS = {
    "Authorization": "Bearer token",
    "x-merchant": "acme",
    "x-channel": "1",
    "x-request-id": "0123456789abcdef0123456789abcdef",
    "User-Agent": "benchmark",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
CONNECTIONS = 100
"""How many connections aiohttp, httpx, azure-core and our client have as they come."""

Send = Callable[[int], Awaitable[object]]
"""Sends the change of the order with this number."""
Open = Callable[[str], AbstractAsyncContextManager[Send]]
"""Opens a client of the server at this URL; ImportError when what it needs is not installed."""


def order_id(number: int) -> str:
    """The id of an order."""
    return f"o_{number:06d}"


def target(number: int) -> str:
    """The path that changes a consent of this order."""
    return f"/api/v0/checkout/orders/{order_id(number)}/consents/{CONSENT}"


def change() -> dict[str, object]:
    """What the body says."""
    return {"id": CONSENT, "checked": True}
