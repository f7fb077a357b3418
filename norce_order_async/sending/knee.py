"""How many requests in flight a server serves without a queue."""

import math

FIRST = 10
"""So many are in flight at first."""
OVERLOAD_SHARE = 0.1
"""With this share of overload among the answers of a second, fewer are in flight."""

_TOLERANCE = 1.3
_FEWER = 0.7
_WINDOW = 1.0
_EASED_FOR = 10.0
_LOOK_EVERY, _LOOK_EVERY_ROUNDS = 10.0, 50
_LOOK_ROUNDS = 10
_ROUND = 20
_MOST_TOLERATED = 0.5
_UNANSWERED = frozenset({"ReadTimeout", "504", "524"})
_QUEUED = 0.5


class Knee:
    """Finds the number in flight above which answers only get slower: the knee of throughput over concurrency.

    It grows while the mean latency of a round is at most 1.3 times that at half as many in flight, which is measured
    again every ten seconds (as gradient limits do). It is cut to 70 % when 10 % of a second's answers are overload,
    unless as many are when fewer are in flight. A request that was given up without an answer is overload only where
    the last answer was slow enough for a queue to explain it: otherwise that request alone hangs.

    Args:
        maximum: How many at most.
        now: The time.
    """

    def __init__(self, maximum: int, now: float) -> None:
        self.limit = min(FIRST, maximum)
        """How many may be in flight now."""
        self._maximum = maximum
        self._exact = float(self.limit)
        self._reference = math.inf
        self._doubling = True
        self._since, self._logarithms, self._seconds, self._answers, self._most = now, 0.0, 0.0, 0, 0
        self._looking, self._looked, self._look_ends = False, now, math.inf
        self._window_start, self._all, self._overloads = now, 0, 0
        self._tolerated = 0.0
        self._answered, self._latency, self._among = -math.inf, 0.0, 1  # the last answer
        self._before: tuple[float, float] | None = None
        self._eased = -math.inf
        self._eased_because: str | None = None

    def reason(self, now: float) -> str | None:
        """Why there are fewer than there could be, if there was overload lately."""
        return self._eased_because if now - self._eased < _EASED_FOR else None

    def answered(self, now: float, sent: float, elapsed: float, sign: str | None, in_flight: int) -> None:
        """Count an answer, or an attempt without one: ``sign`` is what tells of overload."""
        if sign in _UNANSWERED and not self._is_queued(sent, elapsed, in_flight):
            return
        self._all += 1
        self._overloads += sign is not None
        if now - self._window_start >= _WINDOW:
            self._end_window(now, sign)
        if sign is not None:
            return
        self._answered, self._latency, self._among = now, elapsed, max(1, in_flight)
        if sent < self._since:
            return
        # The geometric mean: few slow answers among many do not matter.
        self._logarithms += math.log(elapsed + 1e-6)
        self._seconds += elapsed
        self._answers += 1
        if in_flight > self._most:
            self._most = in_flight
        if self._answers >= _ROUND and self._answers >= 2 * self.limit:
            self._end_round(now)
        elif self._looking and now > self._look_ends:
            self._begin(now, self._exact)

    def _is_queued(self, sent: float, elapsed: float, in_flight: int) -> bool:
        """Whether a request that was given up may have waited in a queue, as far as the last answer tells.

        In a queue the latency grows no faster than the number in flight (Little's law). An answer from before the
        request was sent counts as that of a server that serves one at a time.
        """
        among = self._among if self._answered >= sent else 1
        return self._latency * in_flight / among >= _QUEUED * elapsed

    def _end_round(self, now: float) -> None:
        latency = math.exp(self._logarithms / self._answers)
        self._reference = latency if self._looking else min(self._reference, latency)
        if self._looking or 2 * self._most < self.limit:
            self._begin(now, self._exact)
            return
        gradient = min(1.0, max(0.5, _TOLERANCE * self._reference / latency))
        self._doubling = self._doubling and gradient == 1
        more = self._exact / 2 if self._doubling else max(1.0, self._exact / 10)
        self._exact = min(float(self._maximum), self._exact * gradient + more)
        # Half of those that are answered: others may be in flight until their time-out.
        served = min(self._exact, self._seconds / (now - self._since)) if now > self._since else self._exact
        self._begin(now, self._exact)
        if self._exact > 2 and now - self._looked >= max(_LOOK_EVERY, _LOOK_EVERY_ROUNDS * latency):
            self._looked, self._look_ends = now, now + _LOOK_ROUNDS * latency
            self._begin(now, self._exact - served / 2)
            self._looking = True

    def _begin(self, now: float, limit: float) -> None:
        self.limit = max(1, int(limit))
        self._looking = False
        self._since, self._logarithms, self._seconds, self._answers, self._most = now, 0.0, 0.0, 0, 0

    def _end_window(self, now: float, sign: str | None) -> None:
        share = self._overloads / self._all
        self._window_start, self._all, self._overloads = now, 0, 0
        if share < self._tolerated + OVERLOAD_SHARE:
            self._before = None
            return
        if self._before is not None and _MOST_TOLERATED > share >= 0.8 * self._before[0]:
            # As many with fewer in flight: it does not come from them.
            self._tolerated, self._exact = share, self._before[1]
            self._before = None
        else:
            self._before = share, self._exact
            self._exact = max(1.0, _FEWER * self._exact)
            self._eased = now
            last = "" if sign is None else f" ({sign})"
            self._eased_because = f"{share:.0%} of the answers were overload{last}".replace("%", " %")
        self._doubling = False
        self._begin(now, self._exact)
