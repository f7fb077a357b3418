"""Date-times as they are read and written."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

_MINUTE = timedelta(minutes=1)


def read_time(text: str) -> datetime | None:
    """The date-time that a text of the wire is; one without a zone is in UTC. None for any other text."""
    try:
        # RFC 3339 allows small letters. A leap second has no datetime: the next second is another time.
        time = datetime.fromisoformat(text.upper() if text.endswith("z") else text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def time_text(value: datetime) -> str | None:
    """A date-time as RFC 3339 has it, in UTC where its offset has seconds; None if it has no time zone."""
    offset = value.utcoffset()
    if offset is None:
        return None
    with suppress(OverflowError):  # UTC has no such year
        if offset % _MINUTE:
            value = value.astimezone(UTC)
    return value.isoformat()
