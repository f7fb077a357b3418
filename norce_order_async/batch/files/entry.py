"""What a line of a batch file says."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Literal

import attrs

from norce_order_async.batch.changes import Change, Order
from norce_order_async.batch.lines import parse_change
from norce_order_async.batch.shown import shown_record
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.wire.json import JSON

Format = Literal["jsonl", "csv", "json", "ids", "xlsx", "parquet"]
"""JSON Lines, CSV, one JSON array, a list of ids, an Excel workbook, Parquet."""

MAX_LINE = 2 * 1024 * 1024
"""Bytes; a longer line is a bad one. Attributes may take 1 MiB."""

Meaning = tuple[Change | None, str | None, JSON]
"""What a line says: a change, or a problem and what was read."""


@attrs.frozen(slots=False)  # as Change
class InputLine:
    """One line of a batch file.

    Attributes:
        line: Its number in the file, from 1.
        change: What it means; None for a bad line.
        problem: What is wrong with a bad line. A change beside it is not made.
        source: The line as it was read, for a bad one.
        file: The name of the file, when there are several.
        size: How long the line is, in bytes; in CSV, in characters.
        digest: A checksum of a line with a change, where the input can be read only once. With a journal that is of no
            files, one of the change is made where it lacks.
        request_id: What to send as ``x-request-id``; without it a random one is made.
        redelivered: Whether the change may have been applied before; see :class:`CallOptions`.
    """

    line: int
    change: Change | None = None
    problem: str | None = None
    source: JSON = attrs.field(default=None, repr=shown_record)
    file: str | None = None
    size: int = 0
    digest: int | None = None
    request_id: str | None = None
    redelivered: bool = False


_KINDS: dict[str, tuple[type, ...]] = {
    "line": (int,),
    "change": (Change, NoneType),
    "problem": (str, NoneType),
    "file": (str, NoneType),
    "size": (int,),
    "digest": (int, NoneType),
    "request_id": (str, NoneType),
    "redelivered": (bool,),
}
_LARGEST = 2**63 - 1
"""A journal holds no larger number."""


def check_entry(entry: InputLine) -> None:
    """Check an entry that a program has made.

    Raises:
        TypeError: A member of it is of another kind.
        ValueError: A number is larger than a journal can hold.
    """
    if (
        isinstance(entry.change, Change)
        and entry.problem is None
        and type(entry.line) is int
        and type(entry.size) is int
        and 0 <= entry.line <= _LARGEST >= entry.size >= 0
        and (entry.digest is None or (type(entry.digest) is int and 0 <= entry.digest <= _LARGEST))
        and (entry.request_id is None or type(entry.request_id) is str)
        and (entry.file is None or type(entry.file) is str)
        and type(entry.redelivered) is bool
    ):
        return  # the loop costs more, and names what is wrong
    for name, kinds in _KINDS.items():
        value = getattr(entry, name)
        if not isinstance(value, kinds):
            raise TypeError(f"{name} of an InputLine must be of type {kinds[0].__name__}, got {kind_of(value)}")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError(f"{name} of an InputLine must be at most 2**63 - 1, got {value}")


@attrs.frozen(kw_only=True, slots=False)
class Unread(InputLine):
    """A line that is taken for a change of this order; what it means is read by whoever makes it.

    Attributes:
        order: The merchant and channel, where the line names them, and the id of the order.
        content: The line as its format has it.
        meaning: What reads the content.
    """

    order: Order
    content: Any = attrs.field(repr=False)
    meaning: Callable[[int, Any], Meaning]


class ContentError(Exception):
    """What a file holds is not of its format; whoever opened the file says its name."""


class CutError(Exception):
    """What can be read only once ended inside this line."""


def record_meaning(record: Mapping[str, JSON]) -> Meaning:
    """What a record of members means."""
    try:
        return parse_change(record), None, None
    except InvalidRequestError as error:
        return None, str(error), record


def named_order(record: Mapping[str, object]) -> Order | None:
    """The merchant, channel and id of the order that a record names; None where they are not plain text."""
    merchant, channel, order_id = record.get("merchant"), record.get("channel"), record.get("order_id")
    if (
        not isinstance(order_id, str)
        or not (merchant is None or isinstance(merchant, str))
        or not (channel is None or isinstance(channel, str))
    ):
        return None
    return merchant, channel, order_id
