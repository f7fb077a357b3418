"""What can be chosen, by options, profiles and the environment."""

from typing import Any

OUTPUTS = ("text", "table", "json", "jsonl")
"""In what a command that makes one call prints what comes back."""
OUTPUTS_OF_ALL = ("text", "jsonl")
"""How orders are printed as they come."""
STATUSES = ("checkout", "processing", "accepted", "completed", "declined", "removed")
STATUS: dict[str, Any] = {"type": str.lower, "choices": STATUSES}
"""How an argument takes a status: in any case."""
ORDER_BY = ("created", "billingEmail", "billingName", "cartTotal")
DIRECTIONS = ("asc", "desc")
TRANSPORTS = ("auto", "aiohttp", "httptools")
"""What carries the requests; ``auto`` is the faster one, where it is installed."""
PAGE = 100
"""Orders to ask for at once, unless another number is given."""
