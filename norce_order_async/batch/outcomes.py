"""What became of one change."""

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.shown import shown_record
from norce_order_async.core.frozen import frozen
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.json import JSON


@frozen
class Outcome:
    """What became of one change.

    Attributes:
        number: Its place in the input, from 1, over all files.
        line: The line of its file, or its place in the iterator, from 1.
        change: The change; None for a line that could not be read.
        outcome: Its one outcome.
        file: The name of its file, when there are several.
        attempts: How many requests it took.
        started: When its last call began, in seconds since 1970-01-01 UTC; None when there was none.
        elapsed: Seconds from the start of its last call to the end.
        status: The HTTP status of the last answer, if there was one.
        request_id: What was sent as ``x-request-id``; None when nothing was.
        error: The class of the error that ended it; None without one. A change that is done has one when something
            failed after the API's yes: a middleware, or the reading of the answer's body.
        message: That error's text.
        source: The line as it was read, where it could not be understood.
        waited: Seconds that it waited because a request of an earlier change of its resource, whose answer never
            came, could still be carried out.
    """

    number: int
    line: int
    change: Change | None
    outcome: OutcomeKind
    file: str | None = None
    attempts: int = 0
    started: float | None = None
    elapsed: float = 0.0
    status: int | None = None
    request_id: str | None = None
    error: str | None = None
    message: str | None = None
    source: JSON = attrs.field(default=None, repr=shown_record)
    waited: float = 0.0
