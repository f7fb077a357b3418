"""What a line of a batch file says."""

from collections.abc import Mapping
from typing import Literal

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.lines import parse_change
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.json import JSON

Format = Literal["jsonl", "csv"]

MAX_LINE = 2 * 1024 * 1024
"""Bytes; a longer line is a bad one. Attributes may take 1 MiB."""

Meaning = tuple[Change | None, str | None, JSON]
"""What a line says: a change, or a problem and what was read."""


@attrs.frozen
class Entry:
    """One line of a batch file.

    Attributes:
        line: Its number in the file, from 1.
        change: What it means; None for a bad line.
        problem: What is wrong with a bad line.
        source: The line as it was read, for a bad one.
        file: The name of the file, when there are several.
        size: How long the line is, in bytes; in CSV, in characters.
        digest: A checksum of a line with a change, where the input can be read only once.
        request_id: What to send as ``x-request-id``; without it a random one is made.
        redelivered: Whether the change may have been applied before; see :class:`CallOptions`.
    """

    line: int
    change: Change | None = None
    problem: str | None = None
    source: JSON = None
    file: str | None = None
    size: int = 0
    digest: int | None = None
    request_id: str | None = None
    redelivered: bool = False


class CutError(Exception):
    """What can be read only once ended inside this line."""


def record_meaning(record: Mapping[str, JSON]) -> Meaning:
    """What a record of members means."""
    try:
        return parse_change(record), None, None
    except InvalidRequestError as error:
        return None, str(error), record
