"""What a look at the server says of a change whose outcome is unknown."""

from datetime import UTC, datetime
from enum import StrEnum

import attrs


class Verdict(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    """What the change asks for stands on the server, and came to stand after it was first sent."""
    NOT_APPLIED = "not_applied"
    """It does not stand, and no request of the change can be under way any more."""
    CANNOT_TELL = "cannot_tell"
    """What can be seen allows both."""


@attrs.frozen
class Resolution:
    """What became of a change, and how that is known.

    Attributes:
        verdict: What became of it.
        evidence: One sentence or two, with ids and times and never with values.
        looked_at: What was read, such as ``GetCheckoutOrder o_1``; None where nothing had to be.
        at: When it was read, in seconds since 1970-01-01 UTC.
    """

    verdict: Verdict
    evidence: str
    looked_at: str | None = None
    at: float | None = None

    def __str__(self) -> str:
        if self.looked_at is None or self.at is None:
            return f"{self.verdict}: {self.evidence}"
        return f"{self.verdict}: {self.evidence} [{self.looked_at} at {shown_time(self.at)}]"


def shown_time(at: float) -> str:
    """A wall time as people read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
