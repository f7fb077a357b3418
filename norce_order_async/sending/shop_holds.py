"""The shops that are refused while others are accepted: their requests wait."""

import math

import attrs

_HELD_AFTER = 5
_SHORTEST_HOLD, _LONGEST_HOLD = 1.0, 30.0
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
    second until that is answered. When one is accepted, the shop is held no more.

    Attributes:
        last_accepted: When an answer came last that refuses nothing, of whatever shop.
        rows: The merchants whose last answers were refusals.
        asked_until: When the waits of up to a minute are over that the server asked for.
    """

    def __init__(self) -> None:
        self.last_accepted = self.asked_until = -math.inf
        self.rows: dict[str, _Row] = {}

    def accepted(self, merchant: str) -> None:
        """End the row of a shop: an answer refuses nothing."""
        self.rows.pop(merchant, None)

    def refused(self, merchant: str, now: float, retry_after: float | None) -> bool:
        """Note a refusal; whether it is of a shop that is held, and so says nothing of the rate."""
        row = self.rows.setdefault(merchant, _Row(now))
        row.count += 1
        asked = retry_after or 0.0
        if asked <= _LONGEST_ASKED:
            self.asked_until = max(self.asked_until, now + asked)
        if not self._is_held(row):
            return False
        if asked <= _LONGEST_ASKED:
            row.until = max(row.until, now + max(asked, _pause(row, now)))
        return True

    def wait(self, merchant: str | None, now: float) -> float:
        """Seconds that a request of a shop has to wait; after 0 the next one waits for a second."""
        row = self.rows.get(merchant or "")
        if row is None or not self._is_held(row) or row.until == -math.inf:
            return 0.0
        if (left := row.until - now) > 0:
            return left
        row.until = now + _SHORTEST_HOLD
        return 0.0

    def holds(self, merchant: str | None) -> bool:
        """Whether a shop is held."""
        row = self.rows.get(merchant or "")
        return row is not None and self._is_held(row)

    def _is_held(self, row: _Row) -> bool:
        return row.count >= _HELD_AFTER and self.last_accepted > row.since


def _pause(row: _Row, now: float) -> float:
    return min(_LONGEST_HOLD, max(_SHORTEST_HOLD, (now - row.since) / 4))
