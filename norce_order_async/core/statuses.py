"""Statuses of failures: which of them pass, and which say that there is too much to do."""

_LASTING = frozenset({501, 505, 506, 508, 510, 511})
RETRYABLE_STATUSES = frozenset({408, 425, 429}) | (frozenset(range(500, 600)) - _LASTING)
"""Statuses of failures that pass: the one definition for retries and for outages of a batch."""
OVERLOAD_STATUSES = frozenset({429, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses that say that the server, or the gateway before it, has too much to do: pace slows down after them."""
