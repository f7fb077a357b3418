"""How many requests at once in one event loop, and whose turn is next."""

import asyncio
import math
from collections import OrderedDict

import attrs

from norce_order_async.core.shop import NO_SHOP, Shop
from norce_order_async.sending.answer_time import AnswerTime

_TOGETHER = 60.0
"""Seconds after a request of another shop during which a shop leaves some slots free."""
_QUICK = 1.0
"""Seconds within which a slot comes back from a shop that does not hang."""
_PARTS = 4
"""A shop holds at most so many times what is free, and one that hangs one part in so many."""

_Queue = OrderedDict[asyncio.Future[bool], tuple[float, float]]


@attrs.define(eq=False)
class Turns:
    """The slots of one shop.

    Attributes:
        shop: The shop.
        held: How many it has now.
        quick_at: When one came back quickly, or the first one was taken.
        waiting: Who waits for one, in the order they came; each since when, and until when at most.
        answers: How long its attempts take; looked at where there are more than may pass.
    """

    shop: Shop
    held: int = 0
    quick_at: float = -math.inf
    waiting: _Queue = attrs.Factory(_Queue)
    answers: AnswerTime = attrs.Factory(AnswerTime)


class ConcurrencyLimiter:
    """Lets ``limit`` attempts at a time pass; the others wait.

    Attempts of one shop pass in the order they came; of several shops that wait, each has its turn.

    A hanging shop gives no slot back for as long as an attempt may take, so to share what comes free is not enough:
    something has to be free when the others come. While there are others, a shop takes no slot that leaves it with more
    than four times what is still free: four of five where it is alone with that, four of nine each where two are. A
    shop whose slots have not come back within a second takes at most a quarter of what is free. The last free slot
    is for shops that have none. A shop that was alone for a minute may take all of them.

    The wait comes before the attempt's timer starts, so it is never mistaken for a slow server. A call's deadline
    covers it, and one that would get its slot too late for an answer gets none. A free slot costs no suspension.

    Args:
        limit: How many at once.
    """

    __slots__ = ("_free", "_last", "_limit", "_together_until", "_turns", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._turns: dict[Shop, Turns] = {}
        """Of the shops that hold or wait, and of the last one that came."""
        self._waiting: OrderedDict[Turns, None] = OrderedDict()
        """The shops that wait, the next one first."""
        self._last = Turns(NO_SHOP)
        self._together_until = -math.inf

    @property
    def used(self) -> int:
        """How many are passing now."""
        return self._limit - self._free

    def of(self, shop: Shop) -> tuple[int, int]:
        """How many attempts of a shop are passing now, and how many wait."""
        turns = self._turns.get(shop)
        return (0, 0) if turns is None else (turns.held, len(turns.waiting))

    def acquire_nowait(self, shop: Shop, now: float) -> Turns | None:
        """Take a slot if there is one for this shop; it has to be given back."""
        turns = self._last
        if turns.shop is not shop:
            turns = self._change(shop, now)
        if not self._free or turns.waiting or (now < self._together_until and not self._may(turns, now)):
            return None
        self._free -= 1
        turns.held += 1
        return turns

    async def acquire(self, shop: Shop, now: float, deadline: float) -> Turns | None:
        """Wait for a slot and take it, after :meth:`acquire_nowait` has found none; None when it comes too late."""
        turns = self._turns[shop]
        turn = asyncio.get_running_loop().create_future()
        turns.waiting[turn] = now, deadline
        self._waiting.setdefault(turns)
        try:
            return turns if await turn else None
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.result():
                self.release(turns, -math.inf, now)  # it came together with the cancellation
            else:
                turns.waiting.pop(turn, None)
                if not turns.waiting:
                    self._waiting.pop(turns, None)
                self._forget(turns)
            raise

    def release(self, taken: Turns, since: float, now: float) -> None:
        """Give a slot back that was taken at ``since``; who may have it and waits gets it."""
        self._free += 1
        taken.held -= 1
        if now - since < _QUICK:
            taken.quick_at = now
        if self._waiting:
            if since > -math.inf:
                taken.answers.add(now - since)
            self._serve(now)
        if taken is not self._last:
            self._forget(taken)

    def _serve(self, now: float) -> None:
        """Give what is free to shops that wait, one after another."""
        passed_over = 0
        while self._free and passed_over < len(self._waiting):
            turns, _ = self._waiting.popitem(last=False)
            if now < self._together_until and not self._may(turns, now):
                self._waiting[turns] = None
                passed_over += 1
                continue
            turn, (came, deadline) = turns.waiting.popitem(last=False)
            passed_over = 0
            if turns.waiting:
                self._waiting[turns] = None
            if turn.done():  # it was cancelled, and does not know it yet
                continue
            in_time = not turns.answers.is_too_late(came, now, deadline)
            turn.set_result(in_time)
            if in_time:
                self._free -= 1
                turns.held += 1
            else:
                self._forget(turns)

    def _may(self, turns: Turns, now: float) -> bool:
        """Whether a shop among others may take a slot; there is a free one."""
        if not turns.held:
            turns.quick_at = now
            return True
        left = self._free - 1
        return turns.held < (left * _PARTS if now - turns.quick_at < _QUICK else left / _PARTS)

    def _change(self, shop: Shop, now: float) -> Turns:
        """Another shop comes than the last one."""
        last = self._last
        if last.shop is not NO_SHOP:
            self._together_until = now + _TOGETHER
        turns = self._last = self._turns.setdefault(shop, Turns(shop))
        self._forget(last)
        return turns

    def _forget(self, turns: Turns) -> None:
        if turns.held or turns.waiting or turns is self._last:
            return
        if self._turns.get(turns.shop) is turns:  # else it was forgotten before, and its shop has come again since
            del self._turns[turns.shop]
