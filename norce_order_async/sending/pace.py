"""How many calls may be in flight, and when the next one may be sent, of whatever shop or of one."""

import asyncio
import math
from typing import Literal

from norce_order_async.core.call import Call
from norce_order_async.core.checks import check_count, check_rate
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import (
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    PoolTimeout,
    ReadTimeout,
)
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.statuses import OVERLOAD_STATUSES
from norce_order_async.sending.knee import Knee
from norce_order_async.sending.sendrate import SendRate
from norce_order_async.sending.shop_holds import ShopHolds

_MARK_EVERY = 0.5
_SLACK = 0.02
_CLOSER = 0.001
_SHOWN_FOR = 1.0
_UNAVAILABLE = 503
"""The status of a rate limit that says nothing else, nginx's own among them, and of a server that has no time."""
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


class _Accepted:
    """How many requests were accepted, now and half a second to a second ago."""

    def __init__(self, now: float) -> None:
        self.count = 0
        self.before = self._last = now, 0
        self._next_mark = now + _MARK_EVERY

    def mark(self, now: float) -> None:
        """Note the count of now, if that is due."""
        if now >= self._next_mark:
            self.before, self._last = self._last, (now, self.count)
            self._next_mark = now + _MARK_EVERY


class _Places:
    """The places of the send schedule: evenly spaced, except that a sender who is late may catch up 20 ms."""

    def __init__(self, now: float) -> None:
        self._free = 1.0
        self._now = now

    def take(self, now: float, rate: float) -> float:
        """Take the next place; the seconds until it, less than zero for one that is over."""
        self._fill(now, rate)
        self._free -= 1
        return -self._free / rate

    def give_back(self) -> None:
        """Give back a place that was taken."""
        self._free += 1

    def charge(self, now: float, rate: float) -> None:
        """Take a place for what was sent already; the debt is what goes out in a second at most."""
        self._fill(now, rate)
        if self._free > -rate:
            self._free -= 1

    def empty(self, now: float) -> None:
        """Let the schedule begin anew."""
        self._free = min(self._free, 0.0)
        self._now = now

    def _fill(self, now: float, rate: float) -> None:
        self._free = min(1 + _SLACK * rate, self._free + rate * (now - self._now))
        self._now = now


class Pace:
    """How fast calls go: a limit of what is in flight, and a schedule of what is sent.

    The limit is :class:`Knee`'s, the rate :class:`SendRate`'s, which there is once something was refused. What is in
    flight and what is sent may belong to several batches, or to single calls, in one event loop.

    Args:
        concurrency: How many in flight; ``"auto"`` finds out.
        maximum: How many at most, for ``"auto"``.
        rate: Requests per second at most.
        clock: Where time comes from.
        paces_retries: Whether a call's second attempt and later ones take places, too; otherwise they are charged.

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
        paces_retries: bool = False,
    ) -> None:
        maximum = check_count("maximum", maximum)
        self._knee = Knee(maximum, clock.monotonic()) if concurrency == "auto" else None
        self.limit = self._knee.limit if self._knee is not None else check_count("concurrency", concurrency)
        """How many may be in flight now."""
        self.in_flight = 0
        """How many are."""
        self.last_sent = -math.inf
        """When the last one was sent, by the clock."""
        self.ceiling = None if rate is None else check_rate("rate", rate)
        """Requests per second at most; None is no limit."""
        self.holds = ShopHolds()
        """The shops that are refused while others are accepted."""
        self.renewed = asyncio.Event()
        """Set when the schedule begins anew, so that a place that was reserved before counts no more."""
        self._clock = clock
        self._charges_retries = not paces_retries
        self._accepted = _Accepted(clock.monotonic())
        self._server: SendRate | None = None
        self._places = _Places(clock.monotonic())
        self._waited_until = -math.inf

    def begin(self) -> float:
        """One more is in flight; returns the time."""
        self.in_flight += 1
        now = self.last_sent = self._clock.monotonic()
        return now

    def end(self) -> None:
        """One less is."""
        self.in_flight -= 1

    @property
    def is_closed(self) -> bool:
        """Whether everything is refused, so that only probes are sent."""
        return self._server is not None and self._server.closed

    @property
    def is_limited(self) -> bool:
        """Whether a request may have to wait for its place."""
        return self.ceiling is not None or (self._server is not None and not self._server.is_unlimited())

    @property
    def rate(self) -> float | None:
        """Requests per second that may be sent now; None is no limit, 0 that only probes are sent."""
        rate = 0.0 if self.is_closed else self._rate(self._clock.monotonic())
        return None if rate == math.inf else rate

    @property
    def reason(self) -> str | None:
        """Why it is slower than it could be; None when nothing slows it down."""
        now = self._clock.monotonic()
        if now - self._waited_until < _SHOWN_FOR and (rate := self.rate) is not None:
            server = self._server
            if server is None or rate == self.ceiling:
                return _ASKED_FOR
            return f"{server.refusal}: the server asks for less"
        return None if self._knee is None else self._knee.reason(now)

    def reserve(self, *, others: bool = True) -> float:
        """Take the next place in the schedule; the seconds to wait until it, 0 for now.

        Args:
            others: Whether something of a shop that was not refused can be sent. While everything is refused, what was
                refused waits for as long as the server asked for: some limits begin anew when they are asked too early.
        """
        server = self._server
        if self.ceiling is None and (server is None or server.is_unlimited()):  # is_limited, without a call more
            return 0.0
        now = self._clock.monotonic()
        if server is not None and server.closed:
            delay = server.next_probe(now)
            delay = delay if others else max(delay, self.holds.asked_until - now)
            self._waited_until = now + delay
            return delay
        rate = self._rate(now)
        delay = max(0.0, self._places.take(now, rate))
        if rate != self.ceiling:
            delay = max(delay, self.last_sent + 1 / rate - _CLOSER - now)  # not too near to what was sent
        if delay > 0:
            self._waited_until = now + delay
        return delay

    def give_back(self) -> None:
        """Give the last place back, which is not used."""
        if self._server is not None and self._server.closed:
            self._server.give_probe_back()
        else:
            self._places.give_back()

    def observe(self, call: Call, attempt: Attempt, *, again: bool = False) -> None:
        """Learn from an attempt that has ended. An ``on_attempt`` hook.

        Args:
            call: The attempt's call.
            attempt: The attempt.
            again: Whether what it sends has failed before, in another call: another failure says something of that
                then, and nothing of the server, as that of a call's later attempts. What is throttled always counts.
        """
        now, sent = self._clock.monotonic(), call.started + attempt.started
        is_charged = attempt.number > 1 and self._charges_retries and attempt.sent is not False
        if is_charged and (rate := self._rate(now)) < math.inf:
            self._places.charge(now, rate)
        status = attempt.status
        sign = None if status == 200 else overload(attempt)
        if sign is None and status is not None and attempt.error is not None:
            return  # something else than the API answered: that tells nothing of the API
        throttled = sign is not None and attempt.throttled
        is_new = attempt.number == 1 and not again
        if status is not None:
            refusal = sign if throttled or (status == _UNAVAILABLE and is_new) else None
            if refusal is None:
                self.holds.last_accepted = now
                if self.holds.rows:
                    self.holds.accepted(call.shop.merchant)
                self._accepted.count += 1
            elif throttled and self.holds.refused(call.shop.merchant, now, attempt.retry_after):
                return
            self._accepted.mark(now)
            if (server := self._server) is None and refusal is not None:
                server = self._server = SendRate(self._accepted)
            if server is not None and server.answered(now, sent, refusal, attempt.retry_after, self.in_flight):
                self._places.empty(now)
                self.renewed.set()
        # What is throttled is a matter of the rate alone; other errors say nothing of the server.
        if self._knee is not None and not throttled and (is_new if sign is not None else status is not None):
            self._knee.answered(now, sent, attempt.elapsed, sign, self.in_flight)
            self.limit = self._knee.limit

    def _rate(self, now: float) -> float:
        rate = math.inf if self._server is None else self._server.at(now)
        return rate if self.ceiling is None else min(rate, self.ceiling)
