"""A change on its way, and which one is next: in the order of the input, and never two of one resource at once.

Resources nest: the order holds ``consents``, which holds ``consents/x``. Two changes are about one resource when the
path of one is the beginning of the other's.
"""

import heapq
from collections import deque
from collections.abc import Collection
from functools import lru_cache
from itertools import chain

from norce_order_async.batch.changes import Change, Order, Scope, order_of
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.lines import KINDS
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.sending.pace import Pace

Path = tuple[str, ...]
"""A resource in an order, step by step from the order itself, which is the empty path."""
_ONE_CALL = frozenset(KINDS.values())
_SAFE, _NEVER = Repeat.SAFE, Repeat.NEVER
"""A member of an enumeration is looked up slowly."""
_GATEWAY_TIMEOUTS = frozenset({504, 524})


@lru_cache(4096)
def path_of(resource: str) -> Path:
    """The steps of a resource; none of the whole order."""
    return tuple(resource.split("/")) if resource else ()


class WorkItem:
    """One line of the input from its entry to its outcome.

    Attributes:
        number: Its place in the input, from 1.
        entry: The line.
        change: The change.
        order: The order that it changes, or makes.
        resource: What in the order it changes.
        request_id: What is sent as ``x-request-id``.
        started: When it was taken in, then when its last call began, in seconds since 1970-01-01 UTC.
        is_marked: Whether the journal has its mark of this run.
        known: Its outcome in the journal, as an earlier run left it; None where there is none.
        maybe_applied: Whether a request of it may have been carried out, in this run or an earlier one.
        attempts: How many requests it took, over all rounds.
        call: Its last call, once that has made an attempt.
        pace: Told of its attempts, from its first round on.
        error: What its last round failed with, until that is dealt with.
        last: How its last round ended.
        sent_once: Whether a request was sent that must not be sent again.
        rounds: How often it failed in a way that passes, by its own fault as far as can be told.
        refusals: How often it was refused because of too many requests.
        failing: Whether it failed while others succeeded.
        since: When its first round began, or its last failure came, by the monotonic clock; None before.
        lost_at: The monotonic time at which its last request was given up whose answer never came; None without one.
        settles_at: The monotonic time until which the server may still carry out a request of it, once it has ended.
        waited: Seconds that it waited for an earlier change of its resource to settle.
        blockers: How many changes of its resource are before it.
        followers: The changes that it is before.
    """

    __slots__ = (
        "attempts", "blockers", "call", "change", "entry", "error", "failing", "followers", "is_marked", "known",
        "last", "lost_at", "maybe_applied", "number", "order", "pace", "refusals", "request_id", "resource",
        "rounds", "sent_once", "settles_at", "since", "started", "waited",
    )  # fmt: skip
    call: Call | None
    pace: Pace
    error: Exception | None
    last: Outcome | None
    known: OutcomeKind | None
    since: float | None
    lost_at: float | None
    followers: "list[WorkItem] | None"

    def __init__(
        self, number: int, entry: InputLine, change: Change, scope: Scope, random: RandomSource = SYSTEM_RANDOM
    ) -> None:
        self.number = number
        self.entry = entry
        self.change = change
        self.order = order_of(change, scope, number)
        self.resource = change.resource
        self.request_id = entry.request_id or random.randbytes(16).hex()
        self.maybe_applied = entry.redelivered
        self.sent_once = self.failing = self.is_marked = False
        self.attempts = self.rounds = self.refusals = self.blockers = 0
        self.started = self.settles_at = self.waited = 0.0
        self.call = self.error = self.last = self.since = self.lost_at = self.followers = self.known = None

    @property
    def path(self) -> Path:
        """What in the order it changes, step by step."""
        return path_of(self.resource)

    @property
    def is_withdrawn(self) -> bool:
        """Whether its mark is taken back when it is left: nothing was applied, or it had ended and was not begun."""
        return self.is_marked and (not self.maybe_applied or (self.known is not None and self.since is None))

    @property
    def confirmed(self) -> OutcomeKind | None:
        """What its call amounts to when the API said yes; None also for a change that may make several calls."""
        if self.call is None or self.call.outcome.failed or type(self.change) not in _ONE_CALL:
            return None
        return self.call.outcome

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Count an attempt. An ``on_attempt`` hook."""
        self.call = call
        self.attempts += 1
        if attempt.status == 200 and attempt.error is None and call.repeat is _SAFE:
            self.maybe_applied = True
        else:
            self._look_at(call, attempt)
            if attempt.throttled and self._is_refused_alone:
                return
        self.pace.observe(call, attempt, again=self.failing or self.rounds > 0)

    @property
    def _is_refused_alone(self) -> bool:
        """Whether it is refused again and again while others are accepted: that is no matter of the rate."""
        return self.refusals > 1 and self.since is not None and self.pace.holds.last_accepted > self.since

    def _look_at(self, call: Call, attempt: Attempt) -> None:
        """Note what an attempt may have done, or may still do after it was given up."""
        status = attempt.status
        if attempt.ambiguous or (status is not None and status < 300):
            self.maybe_applied = True
        if call.repeat is not _SAFE and not (attempt.sent is False if call.repeat is _NEVER else attempt.unserved):
            self.sent_once = True
        if attempt.ambiguous and (status is None or status in _GATEWAY_TIMEOUTS):
            self.lost_at = call.started + attempt.started + attempt.elapsed

    def repeatable(self, outcome: OutcomeKind) -> bool:
        """Whether it may be made again after it ended so; without a call, nobody knows what was sent."""
        return not self.sent_once and (self.call is not None or outcome is OutcomeKind.NOT_SENT)

    def made(self, outcome: OutcomeKind, status: int, request_id: str, attempts: int, elapsed: float) -> Outcome:
        """The outcome of a change that the server has carried out or taken in, in so many attempts."""
        # By position: with names it takes three times as long, and this is made for nearly every change.
        return Outcome(
            self.number, self.entry.line, self.change, outcome, self.entry.file, max(self.attempts, attempts),
            self.started, elapsed, status, request_id, None, None, None, self.waited,
        )  # fmt: skip


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
