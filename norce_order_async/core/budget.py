"""A budget for retries, so that an outage is not answered with a multiple of the traffic."""

import attrs

from norce_order_async.core.checks import positive_count


@attrs.define
class RetryBudget:
    """Tokens that retries cost and successes bring back; without enough of them there is no retry.

    While most calls succeed, it is never felt. When nothing does, the tokens last for a few dozen retries, and from
    then on a failing call is one request instead of several. One budget belongs to one shop of a client: a merchant at
    an address.

    Attributes:
        capacity: How many tokens there are at most, and at the start.
        cost: What a retry costs.
        throttled_cost: What a retry after a 429, or a 503 that asks to wait, costs: there the server itself says
            when to come back.
        left: How many tokens are left.

    Raises:
        ConfigurationError: A number that is not a whole one above zero.
    """

    capacity: int = attrs.field(default=500, validator=positive_count)
    cost: int = attrs.field(default=14, validator=positive_count)
    throttled_cost: int = attrs.field(default=5, validator=positive_count)
    left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.left = self.capacity

    def take(self, *, throttled: bool) -> int | None:
        """Pay for a retry; what was paid, or None if too little is left."""
        cost = self.throttled_cost if throttled else self.cost
        if cost > self.left:
            return None
        self.left -= cost
        return cost

    def give(self, tokens: int) -> None:
        """Bring tokens back: 1 for a success at the first try, what the last retry cost for a later one."""
        if self.left < self.capacity:
            self.left = min(self.capacity, self.left + tokens)
