"""The shops of a client."""

from collections import Counter, OrderedDict
from weakref import WeakValueDictionary

import attrs

from norce_order_async.core.budget import RetryBudget
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.settings import Unset
from norce_order_async.core.shapes import described
from norce_order_async.core.shop import Counts, Shop
from norce_order_async.core.stats import ShopStats, Stats
from norce_order_async.sending.lifecycle import Lifecycle

_Key = tuple[str, str]

KEPT = 1_000
"""How many shops that nobody refers to are remembered: those that were asked for last."""


class Shops:
    """The shops of a client, each once.

    A shop lives as long as a view or a call of it. So that views made for each request find their retry budget and sums
    again, the last :data:`KEPT` live on without. What was forgotten starts anew.

    Args:
        base_url: The address of the client's own shop.
        merchant: Its merchant.
        budget: Its retry budget, or that of :class:`RetryBudget`; the other shops have one like it each.

    Raises:
        ConfigurationError: ``budget`` is something else.

    Attributes:
        own: The client's own shop.
        scoped: The sums over all others, forgotten ones included.
    """

    def __init__(self, base_url: str, merchant: str, budget: RetryBudget | Unset | None) -> None:
        if not isinstance(budget, RetryBudget | Unset | None):
            raise ConfigurationError(f"budget must be a RetryBudget or None, got {described(budget)}")
        self.own = Shop(base_url, merchant, RetryBudget() if isinstance(budget, Unset) else budget)
        self.scoped = Counts()
        self._all: WeakValueDictionary[_Key, Shop] = WeakValueDictionary({(base_url, merchant): self.own})
        self._recent: OrderedDict[_Key, Shop] = OrderedDict()

    def of(self, base_url: str, merchant: str) -> Shop:
        """The shop of a merchant at an address."""
        key = base_url, merchant
        shop = self._all.get(key)
        if shop is None:
            budget = self.own.budget
            fresh = Shop(base_url, merchant, None if budget is None else attrs.evolve(budget))
            shop = self._all.setdefault(key, fresh)  # another thread may have been faster
        self._recent.pop(key, None)
        self._recent[key] = shop
        if len(self._recent) > KEPT:
            self._recent.popitem(last=False)
        return shop

    @property
    def calls(self) -> int:
        """How many calls ended."""
        return self.own.counts.calls + self.scoped.calls

    def _known(self) -> list[Shop]:
        # From a list of references, made at once: another thread may add a shop meanwhile.
        return [shop for reference in self._all.valuerefs() if (shop := reference()) is not None]

    def stats(self, shop: Shop, lifecycle: Lifecycle, *, by_shop: bool) -> Stats:
        """The sums over all shops, the budget of one, and if wanted those of each that is known."""
        own, scoped = self.own.counts, self.scoped
        known = self._known() if by_shop else []
        return Stats(
            calls=self.calls,
            attempts=own.attempts + scoped.attempts,
            retries=own.retries + scoped.retries,
            outcomes=Counter(own.outcomes) + Counter(scoped.outcomes),
            budget_left=None if shop.budget is None else shop.budget.left,
            slots_used=lifecycle.slots_used,
            slots=lifecycle.limit,
            shops=tuple(_stats(each, *lifecycle.slots_of(each)) for each in known),
        )


def _stats(shop: Shop, slots_used: int, waiting: int) -> ShopStats:
    counts = shop.counts
    return ShopStats(
        base_url=shop.base_url,
        merchant=shop.merchant,
        calls=counts.calls,
        attempts=counts.attempts,
        retries=counts.retries,
        outcomes=counts.outcomes,
        budget_left=None if shop.budget is None else shop.budget.left,
        slots_used=slots_used,
        waiting=waiting,
    )
