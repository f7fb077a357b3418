"""When a change that failed in a way that passes is made again."""

from norce_order_async.batch.engine.breaker import is_throttled
from norce_order_async.batch.engine.work_item import WorkItem
from norce_order_async.core.back_off import not_before
from norce_order_async.core.errors import CallError
from norce_order_async.core.random_source import RandomSource

REQUEUED = 2
"""So often a change that failed in a way that passes is made again later, when there is no outage. One that was only
refused because of too many requests comes back as often as it takes."""

_LONGEST_WAIT = 20.0


def until_next(item: WorkItem, error: CallError, random: RandomSource, *, counts: bool) -> float | None:
    """Seconds until its next round; None when it has failed too often.

    Args:
        item: The change.
        error: What it failed with.
        random: Where random waits come from.
        counts: Whether this failure is its own, as far as can be told.
    """
    if is_throttled(error):
        item.refusals += 1
        wait = random.random() * min(_LONGEST_WAIT, 2.0**item.refusals)
    else:
        item.rounds += counts
        if item.rounds > REQUEUED:
            for follower in item.followers or ():
                follower.rounds = REQUEUED  # it fails of the same, as far as can be told: it gets one try
            return None
        wait = 2.0**item.rounds
    return not_before(error.retry_after or None, wait, random)
