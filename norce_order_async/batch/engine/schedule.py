"""Which change is next: in the order of the input for each resource, and never two of one resource at once.

Resources nest: the order holds ``consents``, which holds ``consents/x``. Two changes are about one resource when the
path of one is the beginning of the other's.
"""

import heapq
from collections import deque
from collections.abc import Collection
from itertools import chain

from norce_order_async.batch.changes import Order, Scope
from norce_order_async.batch.engine.work_item import Path, WorkItem

LOOKAHEAD = 5_000
"""So many changes are held at most, while the changes before them keep their resource busy."""
LOOKAHEAD_SIZE = 16 * 1024 * 1024
"""Bytes of input that are held at most for the same reason."""
Tails = dict[Path, WorkItem]
"""The last change of each resource of one order."""


class Schedule:
    """The changes that wait for their turn.

    Of one resource only the first is ready; those behind it follow when it is done, so that they hold up nothing
    but each other. After a change whose request may still be carried out they follow when that has settled: what waits
    for a time is let go by :meth:`ring`.
    """

    def __init__(self) -> None:
        self.ready: deque[WorkItem] = deque()
        """Those that may be sent, and were not."""
        self.requeued: deque[WorkItem] = deque()
        """Those that may be sent again."""
        self.held = 0
        """How many were added and are not done."""
        self.size = 0
        """The size of their lines."""
        self._tails: dict[Order, WorkItem | Tails] = {}  # an item alone where there is one: nearly always
        self._blocked: dict[int, WorkItem] = {}
        self._timers: list[tuple[float, int, bool, WorkItem]] = []  # due, number, whether it is to be sent again
        self._requeued_next = False

    @property
    def has_ready(self) -> bool:
        """Whether a change may be sent."""
        return bool(self.ready or self.requeued)

    @property
    def next_due(self) -> float | None:
        """The monotonic time at which :meth:`ring` lets go of something."""
        return self._timers[0][0] if self._timers else None

    def add(self, item: WorkItem, now: float = 0.0) -> None:
        """Take in the next change of the input, at this monotonic time."""
        self.held += 1
        self.size += item.entry.size
        tails = self._tails.setdefault(item.order, item)
        if tails is item:
            self.ready.append(item)
            return
        tails = self._tails_of(item.order)
        for path, tail in list(tails.items()):
            if path[: len(item.path)] == item.path:
                del tails[path]  # what comes later waits for this one
            elif item.path[: len(path)] != path:
                continue
            _follow(item, tail, now)
        tails[item.path] = item
        if item.blockers:
            self._blocked[item.number] = item
        else:
            self.ready.append(item)

    def take(self) -> WorkItem:
        """Take the next change to send: new ones and those to be sent again in turn."""
        turn = self._requeued_next
        self._requeued_next = not turn
        return self.requeued.popleft() if self.requeued and (turn or not self.ready) else self.ready.popleft()

    def has_others(self, merchants: Collection[str | None]) -> bool:
        """Whether something of another merchant can be sent now."""
        return any(item.order[0] not in merchants for item in chain(self.ready, self.requeued))

    def scopes(self) -> set[Scope]:
        """The merchants and channels of which a change is not done, be it under way or to be sent again later."""
        settling = {id(item) for _, _, again, item in self._timers if not again}
        if not settling:
            return {order[:2] for order in self._tails}
        return {
            order[:2]
            for order, tails in self._tails.items()
            for item in ((tails,) if isinstance(tails, WorkItem) else tails.values())
            if id(item) not in settling
        }

    def requeue(self, item: WorkItem) -> None:
        """Make a change ready again that was taken; it keeps its resource meanwhile."""
        self.requeued.append(item)

    def requeue_at(self, item: WorkItem, due: float) -> None:
        """Make a change that was taken ready again at this monotonic time."""
        heapq.heappush(self._timers, (due, item.number, True, item))

    def ring(self, now: float) -> None:
        """Let go of what has waited long enough, of changes to be sent again those that were refused least first."""
        due: list[WorkItem] = []
        while self._timers and self._timers[0][0] <= now:
            _, number, again, item = heapq.heappop(self._timers)
            if again:
                due.append(item)
            elif item.settles_at > now:  # meanwhile another line of the same resource has to settle
                heapq.heappush(self._timers, (item.settles_at, number, False, item))
            else:
                self._settled(item)
        self.requeued += sorted(due, key=lambda item: item.refusals)

    def done(self, item: WorkItem, now: float = 0.0) -> None:
        """Let go of a change that was taken; those behind it follow, if need be when its resource has settled."""
        self.held -= 1
        self.size -= item.entry.size
        if item.followers is None and not item.settles_at and self._tails[item.order] is item:  # nearly always
            del self._tails[item.order]
            return
        left = item.settles_at - now
        for follower in item.followers or ():
            follower.waited = max(left, 0.0)
        if left > 0:
            heapq.heappush(self._timers, (item.settles_at, item.number, False, item))
        else:
            self._settled(item)

    def _settled(self, item: WorkItem) -> None:
        """Let those follow that wait for a change that is done."""
        tails = self._tails[item.order]
        if tails is item:
            del self._tails[item.order]
        elif not isinstance(tails, WorkItem) and tails.get(item.path) is item:
            del tails[item.path]
            if not tails:
                del self._tails[item.order]
        if item.followers is None:
            return
        for follower in reversed(item.followers):
            follower.blockers -= 1
            if not follower.blockers and follower.number in self._blocked:
                del self._blocked[follower.number]
                self.ready.appendleft(follower)
        item.followers = None

    def settle(self, item: WorkItem) -> None:
        """Keep the resource of a change of an earlier run, which is not made, until it has settled."""
        tails = self._tails_of(item.order)
        tail = tails.setdefault(item.path, item)
        tail.settles_at = max(tail.settles_at, item.settles_at)
        if tail is item:  # otherwise a change before it is what is waited for
            heapq.heappush(self._timers, (item.settles_at, item.number, False, item))

    def _tails_of(self, order: Order) -> Tails:
        tails = self._tails.get(order)
        if tails is None or isinstance(tails, WorkItem):
            self._tails[order] = tails = {} if tails is None else {tails.path: tails}
        return tails

    def drain(self) -> list[WorkItem]:
        """Take out every change that waits, in the order of the input; those that are under way stay."""
        waiting = [*self.ready, *self.requeued, *self._blocked.values()]
        waiting += [item for _, _, again, item in self._timers if again]
        self._timers.clear()
        self.ready.clear()
        self.requeued.clear()
        self._blocked.clear()
        for item in waiting:
            self.held -= 1
            self.size -= item.entry.size
        return sorted(waiting, key=lambda item: item.number)


def _follow(item: WorkItem, tail: WorkItem, now: float) -> None:
    item.blockers += 1
    item.waited = max(item.waited, tail.settles_at - now)
    if tail.followers is None:
        tail.followers = [item]
    else:
        tail.followers.append(item)
