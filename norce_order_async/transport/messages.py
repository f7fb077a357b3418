"""What goes out and comes in: a request as bytes if it can be sent, and a response from its head and body."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import attrs

from norce_order_async.core.http import Request, Response, show_headers
from norce_order_async.transport.content_coding import unpack

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a response's body that are read by default: far more than several requests can put into an order."""
MAX_HEAD = 64 * 1024
"""Bytes that the head of a response may have."""
MAX_HEADERS = 1000
"""How many headers a response may have."""

Head = Sequence[tuple[bytes, bytes]]
"""Names and values of headers, as they came."""

_name = itemgetter(0)
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]*")
_NOT_TEXT = "a header is not text"
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
        return _NOT_TEXT
    return _LINE_BREAK if "\n" in text or "\r" in text or "\0" in text else None


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
        return _NOT_TEXT
    text = "".join(lines)
    if "\n" in text or "\r" in text or "\0" in text:
        return _LINE_BREAK
    return memoryview(b"%b\r\n\r\n%b" % (message, body or b""))


@attrs.define(eq=False, repr=False, weakref_slot=False)
class ResponseHeaders(Mapping[str, str]):
    """The headers of a response, their names in lower case; of several with one name the last counts.

    They are decoded when they are first looked at: nobody reads those of a response to a change that is made.

    Args:
        head: Names and values as they came.
    """

    _head: Head
    _headers: dict[str, str] | None = attrs.field(default=None, init=False)

    def _read(self) -> dict[str, str]:
        if self._headers is None:
            self._headers = {name.decode("latin-1").strip().lower(): _text(value) for name, value in self._head}
        return self._headers

    def get(self, name: str, default: Any = None, /) -> Any:
        """One header; a single one is looked for without decoding them all."""
        if self._headers is None:
            wanted, length = name.encode(), len(name)
            for found, value in reversed(self._head):
                if len(found) >= length and found.strip().lower() == wanted:
                    return _text(value)
            return default
        return self._headers.get(name, default)

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return show_headers(self)


def _text(value: bytes) -> str:
    text = value.decode("latin-1").strip()
    return _FOLD.sub(" ", text) if "\n" in text else text


def make_response(request: Request, status: int, head: Head, body: bytes, limit: int) -> Response:
    """Make the response that a transport returns.

    A body that ``Content-Encoding`` says to be in gzip or deflate is unpacked; the header is left out then. One
    in another encoding, or that cannot be unpacked, is returned as it came, with the header.

    Args:
        request: The request that it answers.
        status: The HTTP status.
        head: The headers.
        body: The whole body, or more than ``limit`` bytes of it.
        limit: How many bytes of the body are returned, packed and unpacked.
    """
    if body and len(body) <= limit and b"content-encoding" in b"".join(map(_name, head)).lower():  # hardly ever
        coding = value_of(b"content-encoding", head)
        if coding is not None and (plain := unpack(coding, body, limit)) is not None:
            body = plain
            head = [(name, value) for name, value in head if name.strip().lower() != b"content-encoding"]
    truncated = len(body) > limit
    return Response(request, status, ResponseHeaders(head), body[:limit] if truncated else body, truncated)


def value_of(wanted: bytes, head: Head) -> str | None:
    """The value of a header, its name in lower case; None if there is none."""
    length = len(wanted)
    for name, value in head:
        if len(name) >= length and name.strip().lower() == wanted:
            return value.decode("latin-1").strip()
    return None


def is_measured(head: Head) -> bool:
    """Whether a head tells where the body ends; otherwise that is where the connection does."""
    return any(name.strip().lower() in (b"content-length", b"transfer-encoding") for name, _ in head)


def is_too_long(head: Head) -> bool:
    """Whether a head has more headers or bytes than it may."""
    return len(head) > MAX_HEADERS or sum(map(len, chain.from_iterable(head)), 4 * len(head)) > MAX_HEAD
