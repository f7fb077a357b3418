"""What a client did so far."""

from collections.abc import Mapping

import attrs

from norce_order_async.core.outcome import OutcomeKind


@attrs.frozen
class Stats:
    """What a client and its scoped views did so far.

    Attributes:
        calls: Calls that ended.
        attempts: The requests that they took.
        retries: How often one was tried again after a wait.
        outcomes: How many calls ended in each outcome.
        budget_left: Tokens left for retries; None when there is no budget.
        slots_used: Requests under way now.
        slots: How many may be under way at once in each event loop.
    """

    calls: int
    attempts: int
    retries: int
    outcomes: Mapping[OutcomeKind, int]
    budget_left: int | None
    slots_used: int
    slots: int
