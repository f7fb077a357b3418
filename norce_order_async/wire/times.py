"""Date-times as they are read and written."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

ZONED = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
"""A date-time with a zone as RFC 3339 writes it, and without its seconds, which some programs leave out."""
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
    try:
        offset = value.utcoffset()
    except ValueError:  # NaT of pandas, which stands for no date-time
        offset = None
    if offset is None:
        return None
    with suppress(OverflowError):  # UTC has no such year
        if offset % _MINUTE:
            value = value.astimezone(UTC)
    return value.isoformat()
