"""JSON that people write by hand, read strictly."""

import re
from collections import Counter
from decimal import Decimal
from json import JSONDecoder
from typing import cast

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.json import JSON, UNREADABLE, no_constant, read_problem

_POSITION = re.compile(r"(?: at)?: line 1 column (\d+) \(char \d+\)$")


def unique(members: list[tuple[str, JSON]], noun: str = "member") -> dict[str, JSON]:
    """An object of these members.

    Raises:
        InvalidRequestError: A name is there twice; the message calls it a ``noun``.
    """
    record = dict(members)
    if len(record) < len(members):
        twice = next(name for name, count in Counter(name for name, _ in members).items() if count > 1)
        raise InvalidRequestError(f"the {noun} {twice[:64]!r} is there twice")
    return record


_read = JSONDecoder(parse_float=Decimal, parse_constant=no_constant, object_pairs_hook=unique).decode


def decode_unique(text: bytes) -> JSON:
    """Read JSON in which no object has two members of the same name: one of them would be lost.

    Raises:
        InvalidRequestError: A member is there twice, or it isn't UTF-8, or isn't JSON.
    """
    try:
        return cast("JSON", _read(text.decode("utf-8-sig")))
    except InvalidRequestError:
        raise
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text: it holds the byte {error.object[error.start]:#04x}"
    except UNREADABLE as error:
        problem = "not JSON: " + _POSITION.sub(r" at character \1", read_problem(error))
    raise InvalidRequestError(problem)
