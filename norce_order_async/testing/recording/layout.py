"""JSON as a cassette has it: on many lines, for people, and with exactly its digits."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from norce_order_async.wire.json import encode_json


def compact(value: Any) -> bytes:
    """JSON of any size on one line.

    Raises:
        WireError: It cannot be written.
    """
    return encode_json(value, limit=sys.maxsize, escape_surrogates=True)


def laid_out(value: Any, start: str = "\n") -> str:
    """JSON of any size, each member and element on a line of its own that begins with ``start`` and two spaces.

    Raises:
        WireError: It cannot be written.
    """
    deeper = f"{start}  "
    if isinstance(value, Mapping) and value:
        members = cast("Mapping[str, Any]", value).items()
        rows = [f"{compact(name).decode()}: {laid_out(member, deeper)}" for name, member in members]
        return f"{{{deeper}{f',{deeper}'.join(rows)}{start}}}"
    if isinstance(value, list | tuple) and value:
        rows = [laid_out(element, deeper) for element in cast("Sequence[Any]", value)]
        return f"[{deeper}{f',{deeper}'.join(rows)}{start}]"
    return compact(value).decode()
