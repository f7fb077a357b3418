"""One shop of a client: what its calls share, and no other shop's."""

import attrs

from norce_order_async.core.budget import RetryBudget
from norce_order_async.core.outcome import APPLIED, Attempt, OutcomeKind


@attrs.define(eq=False)
class Counts:
    """The sums over calls that ended."""

    applied: int = 0
    others: dict[OutcomeKind, int] | None = None
    """The outcomes but for ``applied``; most shops have none."""
    further: int = 0
    """Attempts more than calls."""
    retries: int = 0

    def add(self, attempts: list[Attempt], outcome: OutcomeKind) -> None:
        """Count a call."""
        if len(attempts) != 1:
            self.further += len(attempts) - 1
            self.retries += sum(attempt.delay is not None for attempt in attempts)
        if outcome is APPLIED:
            self.applied += 1
        else:
            others = self.others = self.others or {}
            others[outcome] = others.get(outcome, 0) + 1

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return self.applied + sum((self.others or {}).values())

    @property
    def attempts(self) -> int:
        """The requests that they took."""
        return self.calls + self.further

    @property
    def outcomes(self) -> dict[OutcomeKind, int]:
        """How many calls ended in each outcome."""
        return ({OutcomeKind.APPLIED: self.applied} if self.applied else {}) | (self.others or {})


@attrs.define(eq=False)
class Shop:
    """A merchant at an address. Every view of a client for it shares this.

    Attributes:
        base_url: The API's address, without a slash at its end.
        merchant: What is sent as ``x-merchant``.
        budget: Its tokens for retries; None is no budget.
        counts: The sums over its calls.
    """

    base_url: str = ""
    merchant: str = ""
    budget: RetryBudget | None = attrs.field(default=None, repr=False)
    counts: Counts = attrs.field(factory=Counts, repr=False)


NO_SHOP = Shop()
"""That of calls which no client makes."""
