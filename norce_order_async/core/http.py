"""A request and a response as plain values: bytes in, bytes out, nothing of any HTTP library."""

from collections.abc import Mapping

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.frozen import frozen
from norce_order_async.core.kinds import exact
from norce_order_async.core.secretive import Secretive

_SHOWN_HEADERS = frozenset(
    {"accept", "content-length", "content-type", "date", "retry-after", "user-agent",
     "x-adapterid", "x-channel", "x-merchant", "x-request-id"}
)  # fmt: skip


def show_headers(headers: Mapping[str, str]) -> str:
    """Headers as a repr shows them: the values of those on a short allow-list only."""
    return repr({name: value if name.lower() in _SHOWN_HEADERS else "***" for name, value in headers.items()})


def _show_body(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} bytes>"


def merge_headers(headers: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """``headers`` with those of ``named`` in place of any that differ in case only."""
    replaced = {name.lower() for name in named}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(named)


@frozen
class Request(Secretive):
    """One request, ready for the wire.

    Its repr shows neither the body (consents are personal data) nor a header that isn't on a short allow-list.
    It does not pickle.

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
    headers: Mapping[str, str] = attrs.field(repr=show_headers)
    body: bytes | None = attrs.field(default=None, repr=_show_body)

    def __copy__(self) -> "Request":
        return replace_headers(self, self.headers)

    def with_headers(self, **headers: str) -> "Request":
        """A copy with these headers set; an underscore in a name stands for a hyphen."""
        named = {
            name.replace("_", "-"): exact(value) if isinstance(value, str) else value for name, value in headers.items()
        }
        return replace_headers(self, merge_headers(self.headers, named))


def without_twins(request: Request) -> Request:
    """A request with the last of those headers that differ in case only, and ``Authorization`` spelled so.

    No local variable holds a header's value, so that no traceback can show the token.
    """
    last = {name.lower(): name for name in request.headers}
    if len(last) == len(request.headers) and last.get("authorization") in (None, "Authorization"):
        return request
    return replace_headers(
        request,
        {"Authorization" if key == "authorization" else name: request.headers[name] for key, name in last.items()},
    )


def replace_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """A copy of a request with these headers and no others."""
    # attrs.evolve takes ten times as long, and most calls have a token source.
    return Request(request.call, request.method, request.url, headers, request.body)


@frozen
class Response:
    """One response, its body read. It does not pickle, as its request does not.

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
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=show_headers)
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
    headers: Mapping[str, str] = attrs.field(repr=show_headers)
    body: bytes = attrs.field(repr=_show_body)
    truncated: bool = False
