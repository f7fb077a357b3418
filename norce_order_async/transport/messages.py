"""What goes out and comes in: a request as bytes if it can be sent, and a response from its head and body."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from norce_order_async.core.http import Request, Response, show_headers
from norce_order_async.core.kinds import kind_of
from norce_order_async.transport.content_coding import unpack

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a response's body that are read by default: far more than several requests can put into an order."""
MAX_HEAD = 64 * 1024
"""Bytes that the head of a response may have."""
MAX_HEADERS = 1000
"""How many headers a response may have."""
PIECE = 64 * 1024
"""Bytes of a request that are written at once.

TLS takes a single piece as a whole, and reports nothing of it as unsent.
"""

Head = Sequence[bytes]
"""The name of a header, its value, the name of the next one, and so on, as they came.

In a single object: the collector of cycles looks at all those of the calls that are under way.
"""

_FOLD = re.compile(r"[ \t]*\r?\n[ \t]*")
_LINE_BREAK = "a header or the address holds a line break, which would begin another header"


def unsendable(url: str, headers: Mapping[str, str]) -> str | None:
    """Why a transport cannot send what it is given, which may come from a middleware; None when it can.

    It raises nothing: a traceback would show the headers.
    """
    try:
        text = "".join([url, *headers, *headers.values()])
        if not text.isascii():
            text.encode()
    except (TypeError, UnicodeEncodeError):
        return _not_text(headers)
    return _LINE_BREAK if "\n" in text or "\r" in text or "\0" in text else None


def _not_text(headers: Mapping[Any, Any]) -> str:
    """What it is that is not text, without a header's value."""
    for name, value in headers.items():
        if not _is_text(name):
            return f"a header's name is not text: {name!r}"
        if not _is_text(value):
            return f"the header {name!r} is not text, but {kind_of(value)}"
    return "the address is not text"


def _is_text(value: Any) -> bool:
    try:
        str.encode(value)
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def written(request: Request, host: str, target: str, *more: str) -> memoryview | str:
    """The bytes of a request, or why it cannot be sent: see :func:`unsendable`.

    It raises nothing, and what it returns is shown without its text: a traceback would show the headers.

    Args:
        request: The request.
        host: What the ``Host`` header says.
        target: The path and query, or the whole URL for a proxy.
        *more: Further lines of the head.
    """
    body = request.body
    try:
        lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}", *more]
        lines += map(": ".join, request.headers.items())
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        elif request.method != "GET":
            lines.append("Content-Length: 0")
        message = "\r\n".join(lines).encode()
    except (TypeError, UnicodeEncodeError):
        return _not_text(request.headers)
    text = "".join(lines)
    if "\n" in text or "\r" in text or "\0" in text:
        return _LINE_BREAK
    return memoryview(b"%b\r\n\r\n%b" % (message, body or b""))


class ResponseHeaders(Mapping[str, str]):
    """The headers of a response, their names in lower case; of several with one name the last counts.

    A value is decoded when it is looked at: nobody reads those of a response to a change that is made.

    Args:
        head: Names and values as they came.
    """

    __slots__ = ("_head", "_places")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._places = _places_of(tuple(head[::2]))

    def get(self, name: str, default: Any = None, /) -> Any:
        """One header."""
        place = self._places.get(name)
        return default if place is None else _text(self._head[place])

    def __getitem__(self, name: str) -> str:
        return _text(self._head[self._places[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return show_headers(self)

    def __reduce__(self) -> tuple[type["ResponseHeaders"], tuple[Head]]:
        return ResponseHeaders, (self._head,)


@lru_cache(32)  # a server sends the same names again and again
def _places_of(names: tuple[bytes, ...]) -> Mapping[str, int]:
    """Where in a head the value of each name stands, in lower case; of several the last."""
    return {_lower(name): 2 * number + 1 for number, name in enumerate(names)}


def _lower(name: bytes) -> str:
    return name.decode("latin-1").strip().lower()


def _text(value: bytes) -> str:
    text = value.decode("latin-1").strip(" \t\r\n")  # no other character is white space there
    return _FOLD.sub(" ", text) if "\n" in text else text


def make_response(request: Request, status: int, head: Head, body: bytes, limit: int) -> Response:
    """Make the response that a transport returns.

    A body that ``Content-Encoding`` says to be in gzip or deflate is unpacked; the header is left out then. One
    in another encoding or in several, or that cannot be unpacked, is returned as it came, with the header.

    Args:
        request: The request that it answers.
        status: The HTTP status.
        head: The headers.
        body: The whole body, or more than ``limit`` bytes of it.
        limit: How many bytes of the body are returned, packed and unpacked.
    """
    headers = ResponseHeaders(head)
    coding = headers.get("content-encoding")
    if coding is not None and 0 < len(body) <= limit:
        places = [place for place in range(0, len(head), 2) if _lower(head[place]) == "content-encoding"]
        if len(places) == 1 and (plain := unpack(coding, body, limit)) is not None:
            body, headers = plain, ResponseHeaders([*head[: places[0]], *head[places[0] + 2 :]])
    truncated = len(body) > limit
    return Response(request, status, headers, body[:limit] if truncated else body, truncated)


def is_measured(head: Head) -> bool:
    """Whether a head tells where the body ends; otherwise that is where the connection does."""
    headers = ResponseHeaders(head)
    coding: str | None = headers.get("transfer-encoding")
    if coding is None:
        return "content-length" in headers
    return coding.rpartition(",")[2].strip().lower() == "chunked"


def is_too_long(head: Head) -> bool:
    """Whether a head has more headers or bytes than it may."""
    count = len(head) // 2
    return count > MAX_HEADERS or 4 * count + sum(map(len, head)) > MAX_HEAD
