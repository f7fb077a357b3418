"""JSON as the sandbox writes it: of any size."""

import sys

from norce_order_async.wire.fastjson import MAX_DEPTH
from norce_order_async.wire.json import JSON, WireError, encode_json

_MAX_DEPTH = MAX_DEPTH - 4
"""Levels of what is stored: an order is so far down in a page of orders."""


def write(content: JSON) -> bytes:
    """Write JSON.

    Raises:
        WireError: It cannot be written.
    """
    return encode_json(content, limit=sys.maxsize)


def check_can_be_stored(content: JSON) -> None:
    """See that JSON can be written again, several levels down in a page of orders.

    Raises:
        WireError: It cannot.
    """
    try:
        write([[[[content]]]])
    except WireError as error:
        reason = error.args[0]
    else:
        return
    raise WireError(f"nested deeper than {_MAX_DEPTH} levels" if reason.startswith("nested deeper") else reason)
