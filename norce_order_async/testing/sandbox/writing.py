"""JSON as the sandbox writes it: of any size."""

import sys

from norce_order_async.wire.json import JSON, encode_json


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
    write([[[[content]]]])
