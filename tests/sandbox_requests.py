"""What requests have that tests hand to a sandbox by themselves."""

from norce_order_async.testing import SANDBOX_TOKEN

ORDERS = "/api/v0/checkout/orders"
"""The path of all orders."""
HEADERS = {
    "Authorization": f"Bearer {SANDBOX_TOKEN}",
    "x-merchant": "norce",
    "x-channel": "1",
    "Content-Type": "application/json",
}
