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
_LOOK_EVERY = 10.0


class Knee:
    """Finds the number in flight above which answers only get slower: the knee of latency over concurrency.

    It grows while the mean latency of a round is at most 1.3 times that at half as many in flight, which is measured
    again every ten seconds, and is cut to 70 % when 10 % of a second's answers are overload.

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
        self._growing = True
        self._since, self._ends, self._sum, self._time, self._answers, self._most = now, math.inf, 0.0, 0.0, 0, 0
        self._looking = False
        self._looked = now
        self._window_start, self._all, self._overloads = now, 0, 0
        self._tolerated = 0.0
        self._before: tuple[float, float] | None = None
        self._eased = -math.inf
        self._eased_because: str | None = None

    def reason(self, now: float) -> str | None:
        """Why there are fewer than there could be, if there was overload lately."""
        return self._eased_because if now - self._eased < _EASED_FOR else None

    def answered(self, now: float, sent: float, elapsed: float, sign: str | None, in_flight: int) -> None:
        """Count an answer, or an attempt without one: ``sign`` is what tells of overload."""
        self._all += 1
        if sign is not None:
            self._overloads += 1
            if now - self._window_start >= _WINDOW:
                self._judge(now, sign)
            return
        if now - self._window_start >= _WINDOW:
            self._judge(now, "")
        if sent < self._since:
            return
        self._sum += math.log(elapsed + 1e-6)
        self._time += elapsed
        self._answers += 1
        if in_flight > self._most:
            self._most = in_flight
        if self._answers >= 20 and self._answers >= 2 * self.limit:
            self._end_round(now)
        elif self._looking and now > self._ends:
            self._looking = False
            self._begin(now, self._exact)

    def _end_round(self, now: float) -> None:
        latency = math.exp(self._sum / self._answers)
        if self._looking:
            self._looking = False
            self._reference = latency
            self._begin(now, self._exact)
            return
        self._reference = min(self._reference, latency)
        limit = look = self._exact
        if 2 * self._most >= self.limit:
            gradient = _TOLERANCE * self._reference / latency
            if gradient < 1:
                self._growing = False
            more = limit / 2 if self._growing else max(1.0, limit / 10)
            limit = limit * min(1.0, max(0.5, gradient)) + more
            if limit > 2 and now - self._looked >= max(_LOOK_EVERY, 50 * latency):
                self._looked = now
                self._looking = True
                self._ends = now + 10 * latency
                served = min(limit, self._answers / (now - self._since) * self._time / self._answers)
                look = limit - served / 2
        self._exact = min(float(self._maximum), limit)
        self._begin(now, look if self._looking else self._exact)

    def _begin(self, now: float, limit: float) -> None:
        self.limit = max(1, int(limit))
        self._since, self._sum, self._time, self._answers, self._most = now, 0.0, 0.0, 0, 0

    def _judge(self, now: float, sign: str) -> None:
        share = self._overloads / self._all
        self._window_start, self._all, self._overloads = now, 0, 0
        if share < self._tolerated + OVERLOAD_SHARE:
            self._before = None
            return
        if self._before is not None and 0.5 > share >= 0.8 * self._before[0]:
            self._tolerated, limit = share, self._before[1]
            self._before = None
        else:
            if self._before is None:
                self._before = share, self._exact
            limit = _FEWER * self._exact
            self._eased = now
            self._eased_because = f"{share:.0%} of the answers were overload ({sign})".replace("%", " %")
        self._growing = False
        self._exact = max(1.0, limit)
        self._looking = False
        self._begin(now, self._exact)
