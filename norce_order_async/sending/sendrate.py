"""The rate of requests that a server accepts."""

import math
from enum import Enum, auto
from typing import Protocol

SLOWEST = 1.0
"""Requests per second that no refusal goes below, unless everything is refused."""
FIRST = 20.0
"""Requests per second, at least, after the first refusals."""
MOST_TOLERATED = 0.5
"""The largest share of refusals that is taken for one that no rate changes."""
MOST_AT_FIRST = 0.35
"""The same where no limit is known yet: the first rate may be above a slow limit, which refuses as much there."""

_BELOW = 0.95
_SHORTEST_HOLD, _LONGEST_HOLD = 1.0, 3.0
_REQUESTS_OF_HOLD = 100
_STEEPNESS = 0.1
_STEEP_AFTER = _STEEPNESS**-0.5
_DOUBLES_IN = 0.7
_MOST_DOUBLINGS = 40.0
_WINDOW = 1.0
_UNUSED = 4.0
_IN_A_ROW = 8
_LONGEST_BACK_OFF = 30.0
_LONGEST_TEST = 5.0
_SUSPECT_AFTER, _SUSPECT_AT_MOST = 32, 256
_TRIAL_DOUBLINGS = 3.0
_TRIAL_COUNTS_FROM = 4.0


class Accepted(Protocol):
    """How many requests were accepted: now, and ``before``, with when that was."""

    count: int
    before: tuple[float, int]


class _Share:
    """How many of some answers were refusals. ``waiting`` are requests without an answer: refusals come first."""

    __slots__ = ("answers", "refused")

    def __init__(self) -> None:
        self.answers = self.refused = 0.0

    def add(self, refused: bool) -> None:
        self.answers += 1
        self.refused += refused

    def scale(self, factor: float) -> None:
        self.answers *= factor
        self.refused *= factor

    def value(self, waiting: int = 0) -> float:
        return self.refused / (self.answers + waiting) if self.refused else 0.0

    def exceeds(self, share: float, waiting: int) -> bool:
        """Whether there are more refusals than chance gives with this share."""
        if not share:
            return self.refused > 0
        expected = share * (self.answers + waiting)
        return self.refused > expected + 4 * math.sqrt(expected) + 2

    def falls_short(self, share: float, at_least: float) -> bool:
        """Whether there are far fewer than with this share, which would give so many at least."""
        expected = share * self.answers
        return expected >= at_least and self.refused < 0.3 * expected


class _Phase(Enum):
    OPEN = auto()
    """No limit is known."""
    PACED = auto()
    """Held a little below what was accepted, then growing, slowly at first."""
    RISING = auto()
    """Doubling until something is refused."""
    TRIAL = auto()
    """Up to eight times as much: refusals of a rate limit become more."""
    TEST = auto()
    """Half as much: refusals of a rate limit become fewer."""
    CLOSED = auto()
    """Everything is refused; a probe now and then."""


_OPEN = _Phase.OPEN
"""A member of an enumeration is looked up slowly."""


class SendRate:
    """Finds how many requests a second a server accepts, from its refusals.

    After the first refusals it is held a little below the rate that was accepted, and then grows, the faster the longer
    nothing is refused. Refusals that come as often while it is held as while it grows are put to two tests, at up to
    eight times the rate and at half of that: those that become neither more nor fewer are no rate limit, and their
    share is tolerated from then on. When all is refused, only probes are sent.

    Args:
        accepted: What is counted from before the first refusal on.
    """

    def __init__(self, accepted: Accepted) -> None:
        self.refusal = ""
        """The status of the last refusals that made it slower."""
        self._phase = _Phase.OPEN
        self._start, self._since, self._hold = math.inf, -math.inf, 0.0
        self._tolerated = 0.0
        self._held, self._grown = _Share(), _Share()
        self._hold_now, self._window = _Share(), _Share()
        self._window_start, count = accepted.before
        self._window.answers = float(accepted.count - count)
        self._refused_before = 0.0
        self._suspect_after, self._suspected = _SUSPECT_AFTER, 0.0
        self._resume, self._otherwise = math.inf, math.inf
        self._accepted, self._accepted_before = accepted, 0
        self._in_a_row = 0
        self._probe_at = self._back_off = 0.0
        self._last_probe = 0.0, 0.0  # when it is sent, and when the one after it may be

    @property
    def closed(self) -> bool:
        """Whether everything is refused, so that only probes may be sent."""
        return self._phase is _Phase.CLOSED

    def is_unlimited(self) -> bool:
        """Whether no limit is known."""
        return self._phase is _OPEN

    def at(self, now: float) -> float:
        """Requests per second; infinite is no limit."""
        phase, start = self._phase, self._start
        grown = now - self._since - self._hold
        if grown <= 0 or phase is _Phase.TEST:
            return start
        doublings = grown / _DOUBLES_IN
        if phase is _Phase.PACED:
            if grown <= _STEEP_AFTER:
                return start * (1 + _STEEPNESS * grown * grown)
            doublings = 1 + (grown - _STEEP_AFTER) / _DOUBLES_IN
        most = _TRIAL_DOUBLINGS if phase is _Phase.TRIAL else _MOST_DOUBLINGS
        return float(start * 2.0 ** min(most, doublings))

    def next_probe(self, now: float) -> float:
        """Seconds to wait for the next probe while everything is refused."""
        at = max(now, self._probe_at)
        self._probe_at = at + self._back_off
        self._last_probe = at, self._probe_at
        return at - now

    def give_probe_back(self) -> None:
        """Let the next probe be sent when the last one was to be, which is not sent."""
        at, next_at = self._last_probe
        if self._probe_at == next_at:  # else an answer has moved it
            self._probe_at = at

    def answered(self, now: float, sent: float, refusal: str | None, retry_after: float | None, waiting: int) -> bool:
        """Count the answer to a request; whether the schedule begins anew.

        Args:
            now: The time.
            sent: When the request was sent.
            refusal: The status, if the server asked for less.
            retry_after: The seconds that it asked to wait.
            waiting: How many other requests have no answer yet.
        """
        phase, refused = self._phase, refusal is not None
        if not refused:
            self._in_a_row = 0
            if phase is _OPEN and now < self._window_start + _WINDOW and sent >= self._since:  # nearly always
                self._window.answers += 1.0
                return False
        else:
            self._in_a_row += 1
        if sent < self._since:
            return False
        if phase is _Phase.CLOSED:
            self._probed(now, refused, retry_after)
            return True
        if refused and self._in_a_row >= max(_IN_A_ROW, waiting):
            self.refusal = refusal or ""
            self._close(now, retry_after)
            return True
        if phase is _Phase.TEST:
            return self._test(now, refused, waiting)
        if phase is _Phase.OPEN:
            pass
        elif sent - self._since < self._hold:
            self._held.add(refused)
            self._hold_now.add(refused)
        elif phase is not _Phase.TRIAL or self.at(sent) >= _TRIAL_COUNTS_FROM * self._start:
            self._grown.add(refused)
        if now - self._window_start >= _WINDOW:
            self._end_window(now, waiting)
        self._window.add(refused)
        if phase is _Phase.TRIAL and self._phase is phase:
            return self._try(now, waiting)
        return refusal is not None and self._refused(now, sent, refusal, waiting)

    # More are refused than is tolerated

    def _refused(self, now: float, sent: float, refusal: str, waiting: int) -> bool:
        window = self._window
        if not window.exceeds(self._tolerated, waiting):
            return False
        if self._phase is _Phase.OPEN:
            if window.refused < 5 or window.value(waiting) < 1.3 * self._tolerated + 0.005:
                return False
            # One fewer: it is counted at a refusal.
            share = (window.refused - 1) / (window.answers + waiting)
            self._begin_test(now, share, self._first(now), math.inf, math.inf)
        elif self._suspicious(waiting):
            self._forget()
            self._begin(now, _Phase.TRIAL, self.at(sent))
            return False
        elif sent - self._since >= self._hold:
            self._cut(now, self._accepted_at(now, self.at(sent)))
            self._tolerated = 0.5 * self._tolerated if self._tolerated >= 0.01 else 0.0
        elif window.refused >= 3:
            self._cut(now, self._start * max(0.5, 1 - window.value(waiting)))
        else:
            return False
        self.refusal = refusal
        return True

    def _accepted_at(self, now: float, rate: float) -> float:
        """The limit, as it looks when more is refused at this rate; a burst may have hidden it for a while."""
        accepted = 1.03 * (self._accepted.count - self._accepted_before) / max(0.001, now - self._since)
        return min(rate, accepted if self._tolerated else max(accepted, 0.9 * rate))

    def _cut(self, now: float, limit: float) -> None:
        held = self._hold_now
        if held.falls_short(self._refused_before, 3):
            self._forget()  # it is a rate limit
        if held.falls_short(self._tolerated, 5):
            self._tolerated = held.value()
        held.scale(0)
        self._refused_before = self._window.value() / 2 if self._window.refused >= 3 else 0.0
        if self._held.answers + self._grown.answers > 2000:
            self._held.scale(0.5)
            self._grown.scale(0.5)
        self._begin(now, _Phase.PACED, max(SLOWEST, _BELOW * limit))
        self._hold = min(_LONGEST_HOLD, max(_SHORTEST_HOLD, _REQUESTS_OF_HOLD / self._start))

    def _end_window(self, now: float, waiting: int) -> None:
        window = self._window
        if self._phase is _Phase.OPEN:
            if self._tolerated and window.answers >= 100:
                self._tolerated += 0.2 * (window.value() - self._tolerated)
                self._tolerated = self._tolerated if self._tolerated >= 0.002 else 0.0
        elif self.at(self._window_start) * (now - self._window_start) > _UNUSED * (window.answers + waiting):
            self._begin(now, _Phase.OPEN, math.inf)
            self._suspect_after = _SUSPECT_AFTER
            self._forget()
        window.scale(0)
        self._window_start = now

    # Refusals that may be none of a rate limit

    def _suspicious(self, waiting: int) -> bool:
        """Whether as many are refused while the rate is held as while it grows."""
        held, grown = self._held, self._grown
        if held.refused < self._suspect_after:
            return False
        if held.value(waiting) > 3 * grown.value():
            # More are refused than ever: what was held until now is what the next hold is compared with.
            self._held, self._grown = grown, held
            self._held.scale(0)
            return False
        self._suspected = (held.refused + grown.refused) / (held.answers + grown.answers + waiting)
        as_many = held.value(waiting) >= grown.value() / 2 and held.exceeds(self._tolerated, waiting)
        return as_many and self._suspected <= MOST_TOLERATED

    def _try(self, now: float, waiting: int) -> bool:
        share, rate, found = self._suspected, self._start, self._grown
        more = self._window.exceeds(2 * share, waiting) or found.exceeds(share, waiting)
        if not more and found.answers * share < 10:
            return False
        value, high = found.value(), self.at(now)
        self._forget()
        if not more and max(self._tolerated, 0.6 * share) <= value <= MOST_TOLERATED:
            self._begin_test(now, value, high / 2, high, rate)
            return True
        if more:
            self._suspect_after = min(_SUSPECT_AT_MOST, 8 * self._suspect_after)
        self._cut(now, rate)
        return True

    def _begin_test(self, now: float, share: float, rate: float, resume: float, otherwise: float) -> None:
        self._suspected, self._resume, self._otherwise = share, resume, otherwise
        self._begin(now, _Phase.TEST, rate)

    def _test(self, now: float, refused: bool, waiting: int) -> bool:
        window = self._window
        window.add(refused)
        share, more = self._suspected, max(0.005, self._suspected - self._tolerated)
        none = not window.refused and window.answers >= max(10 / more, waiting)
        enough = window.answers >= max(16 * share / more**2, 2 * waiting) or now - self._since > _LONGEST_TEST
        if not (none or enough):
            return False
        self._forget()
        found = window.value(waiting)
        # The latter: at half the rate twice the share would be accepted if there was a limit.
        as_many = self._tolerated + 0.2 * more <= found and 1 - found < 1.4 * (1 - share)
        if as_many and found <= (MOST_AT_FIRST if self._otherwise == math.inf else MOST_TOLERATED):
            self._tolerated = window.value()
            self._suspect_after = _SUSPECT_AFTER
            self._begin(now, _Phase.OPEN if self._resume == math.inf else _Phase.RISING, self._resume)
        elif self._otherwise < math.inf:
            self._suspect_after = min(_SUSPECT_AT_MOST, 8 * self._suspect_after)
            self._cut(now, self._otherwise)
        else:
            self._begin(now, _Phase.RISING, self._start)
        return True

    # All is refused

    def _close(self, now: float, retry_after: float | None) -> None:
        self._begin(now, _Phase.CLOSED, self._start if self._start < math.inf else self._first(now))
        self._in_a_row = 0
        self._back_off = SLOWEST
        self._put_off(now, retry_after)

    def _put_off(self, now: float, retry_after: float | None) -> None:
        asked = math.inf if retry_after is None else max(SLOWEST, retry_after)
        self._probe_at = now + min(self._back_off, asked)

    def _probed(self, now: float, refused: bool, retry_after: float | None) -> None:
        if refused:
            self._back_off = min(_LONGEST_BACK_OFF, 2 * self._back_off)
            self._put_off(now, retry_after)
        else:
            self._begin(now, _Phase.RISING, self._start)

    def _begin(self, now: float, phase: _Phase, start: float) -> None:
        self._phase, self._start, self._since, self._hold = phase, start, now, 0.0
        self._accepted_before = self._accepted.count
        self._window.scale(0)
        self._window_start = now

    def _forget(self) -> None:
        self._held.scale(0)
        self._grown.scale(0)

    def _first(self, now: float) -> float:
        """The first rate: half of what was accepted per second of late."""
        since, count = self._accepted.before
        return max(FIRST, (self._accepted.count - count) / max(0.05, now - since) / 2)
