"""Date-times as they are written."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

_MINUTE = timedelta(minutes=1)


def time_text(value: datetime) -> str | None:
    """A date-time as RFC 3339 has it, in UTC where its offset has seconds; None if it has no time zone."""
    offset = value.utcoffset()
    if offset is None:
        return None
    with suppress(OverflowError):  # UTC has no such year
        if offset % _MINUTE:
            value = value.astimezone(UTC)
    return value.isoformat()
