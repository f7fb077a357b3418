"""The rate of requests that a server accepts."""

import math

SLOWEST = 1.0
"""Requests per second that no refusal goes below, unless everything is refused."""
FIRST = 20.0
"""Requests per second, at least, after the first refusal."""

_BELOW = 0.95
_STEEPNESS = 0.1
_DOUBLES_IN = 0.7
_STEEP_AFTER = _STEEPNESS**-0.5
_MOST_DOUBLINGS = 40
_UNUSED = 4.0
_HALF = 0.5
_LONGEST_TEST = 5.0
_MOST_TOLERATED = 0.25
_WINDOW = 1.0
_IN_A_ROW = 8
_ENOUGH = 16
_LONGEST_BACK_OFF = 30.0


class _Share:
    """How many of the answers were refusals."""

    __slots__ = ("answers", "refused")

    def __init__(self) -> None:
        self.answers = self.refused = 0.0

    def add(self, refused: bool) -> None:
        self.answers += 1
        self.refused += refused

    def halve(self) -> None:
        self.answers /= 2
        self.refused /= 2

    def clear(self) -> None:
        self.answers = self.refused = 0.0

    def value(self, waiting: int = 0) -> float:
        return self.refused / (self.answers + waiting) if self.refused else 0.0

    def exceeds(self, share: float, waiting: int) -> bool:
        """Whether there are more refusals than chance gives with this share."""
        if not share:
            return self.refused > 0
        expected = share * (self.answers + waiting)
        return self.refused > expected + 4 * math.sqrt(expected) + 2


class SendRate:
    """Finds how many requests a second a server accepts, from its refusals.

    While nothing is refused there is no rate. After a refusal it stays a little below the rate that was accepted, and
    then grows, the faster the longer nothing is refused. Refusals that come as often when it is low as when it is high
    are put to a test, at half the rate: those that do not become fewer are no rate limit, and their share is tolerated
    from then on.

    Args:
        now: The time.
    """

    def __init__(self, now: float) -> None:
        self.refusal = ""
        """The status of the last refusal that made it slower."""
        self.closed = False
        """Whether everything is refused, so that only a probe is sent now and then."""
        self._tolerated = 0.0
        self._start = math.inf
        self._since = now
        self._hold = 0.0
        self._fast = False
        self._testing: float | None = None
        self._resume = math.inf
        self._otherwise: float | None = None
        self._trial: tuple[float, float] | None = None
        self._low, self._high, self._window, self._hold_share = _Share(), _Share(), _Share(), _Share()
        self._cut_share = 0.0
        self._window_start = now
        self._accepted = 0
        self._marks = (now, 0), (now, 0)
        self._cut_mark = 0
        self._row = 0
        self._enough = _ENOUGH
        self._probe_at = self._back_off = self._closed_until = 0.0

    def at(self, now: float) -> float:
        """Requests per second; infinite is no limit."""
        start = self._start
        if start == math.inf or self._testing is not None:
            return start
        grown = now - self._since - self._hold
        if grown <= 0:
            return start
        if self._trial is not None:
            return start * 2.0 ** min(3.0, grown / _DOUBLES_IN)
        if self._fast:
            return start * 2.0 ** min(_MOST_DOUBLINGS, grown / _DOUBLES_IN)
        factor = 1 + _STEEPNESS * grown * grown
        if factor > 2:
            factor = 2.0 ** min(_MOST_DOUBLINGS, 1 + (grown - _STEEP_AFTER) / _DOUBLES_IN)
        return start * factor

    def next_probe(self, now: float) -> float:
        """Seconds to wait for the next probe while everything is refused."""
        at = max(now, self._probe_at)
        self._probe_at = at + min(self._back_off, max(SLOWEST, self._closed_until - at))
        return at - now

    def answered(self, now: float, sent: float, refusal: str | None, retry_after: float | None, waiting: int) -> bool:
        """Count an answer to what was sent then; whether the rate was cut."""
        refused = refusal is not None
        if refused:
            self._row += 1
        else:
            self._accepted += 1
            self._row = 0
        if now - self._marks[1][0] >= _WINDOW / 2:
            self._marks = self._marks[1], (now, self._accepted)
        if self.closed:
            return self._probed(now, sent, refused, retry_after)
        if sent < self._since:
            return False
        if refused and self._row >= max(_IN_A_ROW, waiting) and self._start < math.inf:
            return self._close(now, retry_after)
        if self._testing is not None:
            return self._test(now, refused, waiting)
        if sent - self._since < self._hold:
            self._low.add(refused)
            self._hold_share.add(refused)
        else:
            self._high.add(refused)
        if now - self._window_start >= _WINDOW:
            self._end_window(now, waiting)
        self._window.add(refused)
        if self._trial is not None:
            return self._try(now, sent, refused, waiting)
        if refusal is None or not self._window.exceeds(self._tolerated, waiting):
            return False
        return self._excess(now, sent, refusal, waiting)

    def _end_window(self, now: float, waiting: int) -> None:
        window = self._window
        if self._tolerated and self._start == math.inf and window.answers >= 100:
            self._tolerated += 0.2 * (window.value() - self._tolerated)
            if self._tolerated < 0.002:
                self._tolerated = 0.0
        sent = (window.answers + waiting) / (now - self._window_start)
        if self._start < math.inf and self.at(self._window_start) > _UNUSED * sent:
            self._open(now)
        window.clear()
        self._window_start = now

    def _excess(self, now: float, sent: float, refusal: str, waiting: int) -> bool:
        window, low, high = self._window, self._low, self._high
        self.refusal = refusal
        if self._start == math.inf:
            if window.refused < 5 or window.value(waiting) < 1.3 * self._tolerated + 0.005:
                return False
            self._fast = True
            self._begin_test(now, (window.refused - 1) / (window.answers + waiting), max(FIRST, _HALF * self._measured(now)), math.inf)
            return True
        rate = self.at(sent)
        in_hold = sent - self._since < self._hold
        if low.refused >= self._enough and low.value(waiting) > 3 * high.value():
            self._high, self._low = low, high
            high.clear()
        elif low.refused >= self._enough and low.value(waiting) >= high.value() / 2 and low.exceeds(self._tolerated, waiting):
            share = (low.refused + high.refused) / (low.answers + high.answers + waiting)
            if share <= _MOST_TOLERATED:
                self._trial = rate, share
                low.clear()
                high.clear()
                self._begin(now, rate)
                self._fast = True
                return False
        if in_hold:
            if window.refused < 3:
                return False
            limit = rate * max(_HALF, 1 - window.value(waiting))
        else:
            mean = (self._accepted - self._cut_mark) / max(1e-3, now - self._since)
            limit = min(rate, max(1.03 * mean, 0.0 if self._tolerated else 0.9 * rate))
            self._tolerated = 0.0 if self._tolerated < 0.01 else 0.5 * self._tolerated
        self._fast = False
        self._cut(now, limit)
        return True

    def _try(self, now: float, sent: float, refused: bool, waiting: int) -> bool:
        """Send more: whether as small a share is refused as at the rate where the trial began."""
        assert self._trial is not None
        rate, share = self._trial
        if self.at(sent) >= 4 * rate:
            self._low.add(refused)
        if self._window.exceeds(2 * share, waiting) or self._low.exceeds(share, waiting):
            self._enough = min(16 * _ENOUGH, 8 * self._enough)
            limit = True
        elif self._low.answers * share >= 10:
            limit = False
        else:
            return False
        found, now_rate = self._low.value(), self.at(now)
        self._trial = None
        self._low.clear()
        self._high.clear()
        self._fast = False
        if limit or not max(self._tolerated, 0.6 * share) <= found <= _MOST_TOLERATED:
            self._cut(now, rate)
        else:
            self._begin_test(now, found, _HALF * now_rate, now_rate)
            self._otherwise = rate
        return True

    def _cut(self, now: float, limit: float) -> None:
        low = self._hold_share
        expected = low.answers * self._cut_share
        if expected >= 3 and low.refused < 0.3 * expected:
            self._low.clear()
            self._high.clear()
        if low.answers * self._tolerated >= 5 and low.refused < 0.3 * low.answers * self._tolerated:
            self._tolerated = low.value()
        low.clear()
        self._cut_share = self._window.value() / 2 if self._window.refused >= 3 else 0.0
        self._begin(now, max(SLOWEST, _BELOW * limit))
        self._hold = min(3.0, max(1.0, 100 / self._start))
        if self._low.answers + self._high.answers > 2000:
            self._low.halve()
            self._high.halve()

    def _begin(self, now: float, start: float) -> None:
        self._start, self._since, self._hold = start, now, 0.0
        self._cut_mark = self._accepted
        self._row = 0
        self._window.clear()
        self._window_start = now

    def _open(self, now: float) -> None:
        self._trial = None
        self._enough = _ENOUGH
        self._begin(now, math.inf)
        self._low.clear()
        self._high.clear()

    def _measured(self, now: float) -> float:
        since, count = self._marks[0]
        return (self._accepted - count) / max(0.05, now - since)

    def _begin_test(self, now: float, share: float, rate: float, resume: float) -> None:
        self._begin(now, rate)
        self._testing, self._resume = share, resume
        self._otherwise = None

    def _test(self, now: float, refused: bool, waiting: int) -> bool:
        share, window = self._testing, self._window
        assert share is not None
        window.add(refused)
        more = share - self._tolerated
        enough = window.answers >= max(12 * share / more**2, 2 * waiting)
        none = not window.refused and window.answers >= max(7 / more, waiting)
        if not (enough or none or now - self._since > _LONGEST_TEST):
            return False
        self._testing = None
        self._low.clear()
        self._high.clear()
        now_share = window.value(waiting)
        if self._tolerated + 0.3 * more <= now_share <= _MOST_TOLERATED and 1 - now_share < 1.4 * (1 - share):
            self._tolerated = window.value()
            self._enough = _ENOUGH
            self._begin(now, self._resume)
            self._fast = True
        elif self._otherwise is not None:
            self._enough = min(16 * _ENOUGH, 8 * self._enough)
            self._fast = False
            self._cut(now, self._otherwise)
        else:
            self._fast = True
            self._begin(now, self._start)
        return True

    def _close(self, now: float, retry_after: float | None) -> bool:
        self.closed = True
        self._since = now
        self._back_off = SLOWEST
        self._wait(now, retry_after)
        return True

    def _wait(self, now: float, retry_after: float | None) -> None:
        self._closed_until = math.inf if retry_after is None else now + retry_after
        self._probe_at = now + min(self._back_off, max(SLOWEST, self._closed_until - now))

    def _probed(self, now: float, sent: float, refused: bool, retry_after: float | None) -> bool:
        if sent < self._since:
            return False
        if refused:
            self._back_off = min(_LONGEST_BACK_OFF, 2 * self._back_off)
            self._wait(now, retry_after)
            return False
        self.closed = False
        self._testing = None
        self._begin(now, self._start)
        self._fast = True
        return True
