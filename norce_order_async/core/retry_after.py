"""How long a server asks to wait."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from norce_order_async.core.clock import Clock

_DELAY_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
)
"""The three forms of a date in HTTP: the usual one, RFC 850's, and asctime's."""
_LONGEST = 1e9 - 1
"""Seconds; those of settings are below 1e9, too."""


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """The seconds that ``Retry-After`` asks to wait: digits, or one of the three HTTP dates.

    Digits may have a fraction, which is rounded up. A date is taken relative to the response's own ``Date`` header,
    without which the clock's time stands in. More than 999,999,999 seconds count as so many, and anything else as
    absent.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if _DELAY_SECONDS.fullmatch(value.strip()):
        return float(math.ceil(min(float(value), _LONGEST)))
    at = http_date(value)
    if at is None:
        return None
    now = http_date(headers.get("date", "")) or datetime.fromtimestamp(clock.wall(), UTC)
    return min(max(0.0, (at - now).total_seconds()), _LONGEST)


def http_date(value: str) -> datetime | None:
    """The moment that a date in HTTP names; None for any other text."""
    if not _HTTP_DATE.fullmatch(value):
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
