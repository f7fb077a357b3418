"""What a client did so far."""

from collections.abc import Mapping

import attrs

from norce_order_async.core.outcome import OutcomeKind


@attrs.frozen
class ShopStats:
    """What one shop of a client did so far.

    Attributes:
        base_url: The API's address.
        merchant: What is sent as ``x-merchant``.
        calls: Calls that ended.
        attempts: The requests that they took.
        retries: How often one was tried again after a wait.
        outcomes: How many calls ended in each outcome.
        budget_left: Tokens left for retries; None when there is no budget.
        slots_used: Requests under way now.
        waiting: Requests that wait for a slot now.
    """

    base_url: str
    merchant: str
    calls: int
    attempts: int
    retries: int
    outcomes: Mapping[OutcomeKind, int]
    budget_left: int | None
    slots_used: int
    waiting: int


@attrs.frozen
class Stats:
    """What a client and its scoped views did so far.

    Attributes:
        calls: Calls that ended.
        attempts: The requests that they took.
        retries: How often one was tried again after a wait.
        outcomes: How many calls ended in each outcome.
        budget_left: Tokens left for retries of the shop of the client or view that was asked; None when there is no
            budget.
        slots_used: Requests under way now.
        slots: How many may be under way at once in each event loop.
        shops: The same by shop, where that was asked for: the client's own shop, those that a view or a call refers to,
            and the last 1,000 that a view was made for. The sums above are over all that ever were.
    """

    calls: int
    attempts: int
    retries: int
    outcomes: Mapping[OutcomeKind, int]
    budget_left: int | None
    slots_used: int
    slots: int
    shops: tuple[ShopStats, ...] = attrs.field(default=(), repr=False)
