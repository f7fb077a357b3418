"""How many changes may be in flight, and when the next one may be sent."""

import math
from collections import deque
from typing import Literal

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_count
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    PoolTimeout,
    ReadTimeout,
)
from norce_order_async.core.kinds import own
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.statuses import OVERLOAD_STATUSES

FIRST_LIMIT = 10
"""So many changes are in flight at first, when nobody said how many."""
OVERLOAD_SHARE = 0.1
"""With this share of overload among the answers of the last second, fewer changes are in flight."""
FIRST_RATE = 10.0
"""Requests per second, at least, after the first refusal."""
TOLERATED = 0.015
"""So small a share of overload since the last cut is no reason for another one: a limiter that knows no bursts refuses
whatever comes a millisecond too early."""
FINE = 500.0
"""Requests per second, above which the milliseconds of a sleep are too coarse to keep a distance between any two."""
SLOWEST = 1.0
"""Requests per second that no refusal goes below."""

_FEWER = 0.7
_EASED_FOR = 10.0
_WINDOW = 1.0
_BETWEEN_CUTS = 0.7
_SLACK = 0.02
_CLOSER = 0.001
_OVERSHOT = 0.75
_ASKED_FOR = "the rate that was asked for"
_OVERLOAD_ERRORS = frozenset(
    kind.__name__ for kind in (ConnectError, ConnectTimeout, PoolTimeout, ReadTimeout, ConnectionLost)
)


def overload(attempt: Attempt) -> str | None:
    """What of an attempt tells that there is too much for the server: a status, or an error's class."""
    if attempt.status is not None:
        return str(attempt.status) if attempt.status in OVERLOAD_STATUSES else None
    error = (attempt.error or "").partition(":")[0]
    return error if error in _OVERLOAD_ERRORS else None


class _Answers:
    """The answers of the last second."""

    def __init__(self) -> None:
        self._overloads = 0
        self._answers: deque[tuple[float, float, bool]] = deque()

    def add(self, now: float, sent: float, overloaded: bool) -> None:
        """Count an answer, and forget those that are too old."""
        self._answers.append((now, sent, overloaded))
        self._overloads += overloaded
        while self._answers[0][0] <= now - _WINDOW:
            self._overloads -= self._answers.popleft()[2]

    @property
    def share(self) -> float:
        """The share of overload."""
        return self._overloads / len(self._answers)

    @property
    def rate(self) -> float:
        """How many there were a second."""
        return len(self._answers) / _WINDOW

    def accepted(self, since: float) -> float:
        """The share of those that were none of overload, among what was sent since then."""
        overloads = [overloaded for _, sent, overloaded in self._answers if sent >= since]
        return 1 - sum(overloads) / len(overloads)


@attrs.frozen
class _Cubic:
    """A rate after a refusal, as TCP CUBIC has it: at the old one after some seconds, there for a while, then more.

    All of it is in proportion to the rate, so that 20 and 1,000 requests a second take the same time.

    Attributes:
        refused: The time of the refusal.
        since: When it begins; later than that when the server took nothing at all and said how long it won't.
        top: What the server took before, in requests per second.
    """

    BETA = 0.95
    STEEPNESS = 0.001
    PLATEAU = ((1 - BETA) / STEEPNESS) ** (1 / 3)
    FORGOTTEN = 10.0

    refused: float
    since: float
    top: float

    def at(self, now: float) -> float:
        """Requests per second; infinite when there was no refusal for so long that this one is forgotten."""
        if now < self.since:
            return 0.0
        factor = 1 + self.STEEPNESS * (now - self.since - self.PLATEAU) ** 3
        return self.top * factor if factor < self.FORGOTTEN else math.inf


@attrs.frozen
class _Doubling:
    """A rate after the first refusal, before which nothing was paced: small, and soon twice as much.

    Attributes:
        since: The time of the refusal.
        start: The rate then, in requests per second.
    """

    EVERY = 0.7
    FORGOTTEN = 10.0

    since: float
    start: float

    def at(self, now: float) -> float:
        """Requests per second; infinite when it has doubled often enough."""
        times = (now - self.since) / self.EVERY
        return self.start * 2.0**times if times < self.FORGOTTEN else math.inf


class _Places:
    """The places of the send schedule: evenly spaced, except that a sender who is late may catch up 20 ms."""

    def __init__(self, now: float) -> None:
        self._free = 1.0
        self._now = now
        self._sent = -math.inf

    def take(self, now: float, rate: float, closer: float) -> float:
        """Take the next place; the seconds until it, so that it is at most ``closer`` too near to what was sent."""
        self._fill(now, rate)
        self._free -= 1
        return max(0.0, -self._free / rate, self._sent + 1 / rate - closer - now)

    def charge(self, now: float, rate: float) -> None:
        """Take a place for what was sent already; the debt is what goes out in a second at most."""
        self._fill(now, rate)
        if self._free > -rate:
            self._free -= 1

    def sent(self, now: float) -> None:
        """Note that something was sent."""
        self._sent = now

    def empty(self, now: float) -> None:
        """Let the schedule begin anew."""
        self._free = min(self._free, 0.0)
        self._now = now

    def _fill(self, now: float, rate: float) -> None:
        self._free = min(1 + _SLACK * rate, self._free + rate * (now - self._now))
        self._now = now


class Pace:
    """How fast a batch goes: a limit of what is in flight, and a schedule of what is sent.

    The limit grows by 1 for each ``limit`` answers without overload, while at least half of it is used, and falls to
    70 % at most once a second, when at least 10 % of the answers were overload. The schedule is as fast as ``rate``
    until the server asks for less (a 429, or a 503 with ``Retry-After``); from then on it follows a curve like TCP
    CUBIC's below the rate that the server took, and keeps a distance between any two requests.

    What is in flight and what is sent may belong to several batches in one event loop.

    Args:
        concurrency: How many in flight; ``"auto"`` finds out.
        maximum: How many at most, for ``"auto"``.
        rate: Requests per second at most.
        clock: Where time comes from.

    Raises:
        ConfigurationError: A number that is not above zero, or not a whole one where it must be.
    """

    def __init__(
        self,
        *,
        concurrency: int | Literal["auto"] = "auto",
        maximum: int = 100,
        rate: float | None = None,
        clock: Clock,
    ) -> None:
        maximum = check_count("maximum", maximum)
        self._auto = concurrency == "auto"
        self._maximum = maximum
        self.limit = min(FIRST_LIMIT, maximum) if concurrency == "auto" else check_count("concurrency", concurrency)
        """How many may be in flight now."""
        self.in_flight = 0
        """How many are."""
        self.ceiling = None if rate is None else _check_rate(rate)
        """Requests per second at most; None is no limit."""
        self._clock = clock
        self._answers = _Answers()
        self._successes = 0
        self._eased = -math.inf
        self._eased_because: str | None = None
        self._curve: _Cubic | _Doubling | None = None
        self._curve_because: str | None = None
        self._places = _Places(clock.monotonic())
        self._waited_until = -math.inf

    def begin(self) -> None:
        """One more is in flight."""
        self.in_flight += 1
        self._places.sent(self._clock.monotonic())

    def end(self) -> None:
        """One less is."""
        self.in_flight -= 1

    @property
    def rate(self) -> float | None:
        """Requests per second that may be sent now; None is no limit."""
        rate = self._rate(self._clock.monotonic())
        return None if rate == math.inf else rate

    @property
    def reason(self) -> str | None:
        """Why it is slower than it could be; None when nothing slows it down."""
        now = self._clock.monotonic()
        if now - self._waited_until < _WINDOW and (rate := self._rate(now)) < math.inf:
            return _ASKED_FOR if rate == self.ceiling else f"{self._curve_because}: the server asks for less"
        return self._eased_because if now - self._eased < _EASED_FOR else None

    def reserve(self) -> float:
        """Take the next place in the schedule; the seconds to wait until it, 0 for now."""
        now = self._clock.monotonic()
        rate = self._rate(now)
        if rate == math.inf:
            return 0.0
        free = rate == self.ceiling or rate > FINE
        delay = self._places.take(now, rate, math.inf if free else _CLOSER)
        if delay > 0:
            self._waited_until = now + delay
        return delay

    def observe(self, call: Call, attempt: Attempt) -> None:
        """Learn from an attempt that has ended. An ``on_attempt`` hook."""
        now, sent = self._clock.monotonic(), call.started + attempt.started
        if attempt.number > 1 and attempt.sent is not False and (rate := self._rate(now)) < math.inf:
            self._places.charge(now, rate)
        sign = overload(attempt)
        # With a status and an error, something else than the API answered: that tells nothing of the API's load.
        if sign is None and (attempt.status is None or attempt.error is not None):
            return
        self._answers.add(now, sent, sign is not None)
        if attempt.throttled:
            self._slow_down(now, sent, attempt)
        elif sign is None and isinstance(curve := self._curve, _Cubic) and curve.refused < sent < curve.since:
            self._curve = attrs.evolve(curve, since=min(now, curve.since))
        if self._auto and sign is None:
            self._widen()
        elif self._auto and self._answers.share >= OVERLOAD_SHARE and now - self._eased >= _WINDOW:
            self._eased = now
            self._eased_because = f"{self._answers.share:.0%} of the answers were overload ({sign})".replace("%", " %")
            self.limit = max(1, int(_FEWER * self.limit))
            self._successes = 0

    def _rate(self, now: float) -> float:
        asked = math.inf if self._curve is None else max(SLOWEST, self._curve.at(now))
        return asked if self.ceiling is None else min(asked, self.ceiling)

    def _slow_down(self, now: float, sent: float, refusal: Attempt) -> None:
        """Cut the rate, unless the refusal belongs to the moment of the cut before, or is one of few."""
        curve = self._curve
        if curve is None or curve.at(now) == math.inf:
            self._places.empty(now)
            self._curve = _Doubling(now, max(FIRST_RATE, self._answers.rate * (1 - self._answers.share) / 2))
        elif sent < curve.since or now - curve.since < _BETWEEN_CUTS:
            return
        else:
            accepted = self._answers.accepted(curve.since)
            if accepted >= 1 - TOLERATED:
                return
            top = min(self._rate(sent), 2 * self._answers.rate)
            if isinstance(curve, _Doubling):
                top *= _OVERSHOT
            closed = 0.0 if accepted else refusal.retry_after or 0.0
            self._curve = _Cubic(now, now + closed, top * (accepted or _FEWER))
        self._curve_because = str(refusal.status)

    def _widen(self) -> None:
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            if 2 * self.in_flight >= self.limit:
                self.limit = min(self._maximum, self.limit + 1)


def _check_rate(rate: object) -> float:
    number = own(rate)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
        raise ConfigurationError(f"rate must be a number of requests a second above 0, got {rate!r}")
    return float(number)
