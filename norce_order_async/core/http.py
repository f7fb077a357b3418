"""A request and a response as plain values: bytes in, bytes out, nothing of any HTTP library."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from norce_order_async.core.call import Call

_FOLD = re.compile(r"[ \t]*\r?\n[ \t]*")
_SHOWN_HEADERS = frozenset(
    {"accept", "content-length", "content-type", "date", "retry-after", "user-agent",
     "x-adapterid", "x-channel", "x-merchant", "x-request-id"}
)  # fmt: skip


def _show_headers(headers: Mapping[str, str]) -> str:
    return repr({name: value if name.lower() in _SHOWN_HEADERS else "***" for name, value in headers.items()})


def _show_body(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} bytes>"


def merge_headers(headers: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """``headers`` with those of ``named`` in place of any that differ in case only."""
    replaced = {name.lower() for name in named}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(named)


class ResponseHeaders(Mapping[str, str]):
    """The headers of a response, their names in lower case; of several with one name the last counts.

    They are decoded when they are first looked at: nobody reads those of a response to a change that is made.

    Args:
        head: Names and values as they came.
    """

    __slots__ = ("_head", "_headers")

    def __init__(self, head: Sequence[tuple[bytes, bytes]]) -> None:
        self._head = head
        self._headers: dict[str, str] | None = None

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
        return _show_headers(self)


def _text(value: bytes) -> str:
    text = value.decode("latin-1").strip()
    return _FOLD.sub(" ", text) if "\n" in text else text


@attrs.frozen(slots=False)
class Request:
    """One request, ready for the wire.

    Its repr shows neither the body (consents are personal data) nor a header that isn't on a short allow-list.

    Attributes:
        call: The call that this request is an attempt of.
        method: The HTTP method, in capitals.
        url: The absolute URL, percent-encoded; to be sent as it stands.
        headers: All headers except those that follow from the connection and the body's length.
        body: The body's bytes; None for no body.
    """

    call: Call = attrs.field(repr=False)
    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=_show_headers)
    body: bytes | None = attrs.field(default=None, repr=_show_body)

    def with_headers(self, **headers: str) -> "Request":
        """A copy with these headers set; an underscore in a name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return attrs.evolve(self, headers=merge_headers(self.headers, named))


@attrs.frozen(slots=False)
class Response:
    """One response, its body read.

    Attributes:
        request: The request that it answers.
        status: The HTTP status.
        headers: The headers, their names in lower case.
        body: The body's bytes.
        truncated: Whether ``body`` is not the whole of it: it is larger than the transport reads, or was cut off on the
            way where the operation needs none.
    """

    request: Request = attrs.field(repr=False)
    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_show_headers)
    body: bytes = attrs.field(default=b"", repr=_show_body)
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return self.status // 100 == 2


@attrs.frozen
class RawResponse:
    """A response as it came, without its request, which holds the token.

    Attributes:
        status: The HTTP status.
        headers: The headers, their names in lower case.
        body: The body's bytes.
        truncated: Whether ``body`` is not the whole of it.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=_show_headers)
    body: bytes = attrs.field(repr=_show_body)
    truncated: bool = False
