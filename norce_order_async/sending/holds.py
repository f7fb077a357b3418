"""Shops that are asked to wait: what is sent of them waits, and says nothing of the rate while others are accepted."""

import math

import attrs

_AFTER = 5
_SHORTEST, _LONGEST = 1.0, 30.0
_LONGEST_ASKED = 60.0
"""Seconds; where a shop is asked to wait for longer, what is refused waits by itself, or ends."""


@attrs.define
class _Row:
    """Refusals of a shop in a row.

    Attributes:
        since: When the first came.
        count: How many there were.
        until: When the next request may be sent, while the shop is held.
    """

    since: float
    count: int = 0
    until: float = -math.inf


class ShopHolds:
    """Tells whose requests wait. A shop is held when five in a row were refused while another shop was accepted.

    One request of it is sent when the server's wait is over, or now and then, at longer and longer intervals, and one a
    second until that is answered. When one is accepted, the shop is held no more. While everything is refused, those
    that were refused wait until the waits that the server asked for are over: it may be one limit for all of them.

    Attributes:
        last_accepted: When an answer came last that refuses nothing, of whatever shop.
        rows: The merchants whose last answers were refusals.
    """

    def __init__(self) -> None:
        self.last_accepted = self._asked_until = -math.inf
        self.rows: dict[str, _Row] = {}

    def accepted(self, merchant: str, now: float) -> None:
        """Note an answer that refuses nothing."""
        self.last_accepted = now
        if self.rows:
            self.rows.pop(merchant, None)

    def refused(self, merchant: str, now: float, retry_after: float | None) -> bool:
        """Note a refusal; whether it is of a shop that is held, and so says nothing of the rate."""
        row = self.rows.setdefault(merchant, _Row(now))
        row.count += 1
        asked = retry_after or 0.0
        if asked <= _LONGEST_ASKED:
            self._asked_until = max(self._asked_until, now + asked)
        if not self._is_held(row):
            return False
        if asked <= _LONGEST_ASKED:
            row.until = max(row.until, now + max(asked, _pause(row, now)))
        return True

    def wait(self, merchant: str | None, now: float, *, all_refused: bool) -> float:
        """Seconds that a request of a shop has to wait; after 0 the next one of a shop that is held waits for a second.

        Args:
            merchant: The shop.
            now: The time.
            all_refused: Whether those of all shops are refused.
        """
        row = self.rows.get(merchant or "")
        if row is None:
            return 0.0
        if all_refused and self._asked_until > now:
            return self._asked_until - now
        if not self._is_held(row) or row.until == -math.inf:
            return 0.0
        if (left := row.until - now) > 0:
            return left
        row.until = now + _SHORTEST
        return 0.0

    def _is_held(self, row: _Row) -> bool:
        return row.count >= _AFTER and self.last_accepted > row.since


def _pause(row: _Row, now: float) -> float:
    return min(_LONGEST, max(_SHORTEST, (now - row.since) / 4))
