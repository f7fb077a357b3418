"""Requests and responses as they stand in a cassette: JSON, without secrets."""

import json
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs

from norce_order_async.core.http import Request, Response
from norce_order_async.testing.recording.layout import compact
from norce_order_async.testing.recording.scrubbing import Scrubber
from norce_order_async.wire.error_body import charset_of
from norce_order_async.wire.json import decode_json

_KEPT_HEADERS = ("allow", "content-encoding", "content-type", "date", "location", "retry-after", "x-request-id")
_URL = re.compile(r"(?:[^/?#]*:)?(?://[^/?#]*)?([^?#]*)\??([^#]*)")
"""Path and query of any text: what others send may be no URL."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_LEFT_OUT = {"text": "(left out of the cassette: it is no text, or JSON that nests too deeply)"}
_FORM = "application/x-www-form-urlencoded"


@attrs.frozen
class Asked:
    """What a request is found by, which is all that a cassette has of it.

    Attributes:
        method: The HTTP method.
        path: The path.
        query: Names and values, sorted.
        merchant: ``x-merchant``.
        channel: ``x-channel``.
        body: The body under the name of its kind: ``json``, ``form`` or ``text``; None without one.
    """

    method: str
    path: str
    query: list[list[Any]] = attrs.field(repr=False)
    merchant: str | None
    channel: str | None
    body: dict[str, Any] | None = attrs.field(repr=False)

    def outside_body(self) -> str:
        """The values that it is found by outside its body."""
        values = [value for _, value in self.query]
        return "\n".join([self.path, unquote(self.path), self.merchant or "", self.channel or "", *values])

    def without_secrets(self, scrubber: Scrubber, kept: str = "") -> "Asked":
        """The same without secrets; one of a body is none that stands outside the body, or in what is kept."""
        return Asked(**scrubber.hide(attrs.asdict(self), f"{self.outside_body()}\n{kept}"))


def asked_by(request: Request, scrubber: Scrubber) -> Asked:
    """What is kept of a request, before secrets are hidden that are known by their value."""
    # What is no text is refused by the transport that sends.
    headers = {name.lower(): value for name, value in request.headers.items() if type(name) is type(value) is str}
    for name, value in headers.items():
        scrubber.header(name, value)
    path, query = _split(request.url)
    body, content_type = request.body or b"", headers.get("content-type", "")
    if content_type.startswith(_FORM):
        content: dict[str, Any] | None = {"form": _pairs(body.decode("latin-1"), scrubber)}
    else:
        content = _content(body, content_type, scrubber)
    whose = headers.get("x-merchant"), headers.get("x-channel")
    return Asked(request.method, path, _pairs(query, scrubber), *whose, content)


def answer_of(response: Response, scrubber: Scrubber) -> dict[str, Any]:
    """What is kept of a response: its status, a few headers, and its body, unless that is not text."""
    headers = {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None}
    if "location" in headers:
        headers["location"] = _split(headers["location"])[0]
    body = _content(response.body, headers.get("content-type", ""), scrubber)
    return {"status": response.status, "headers": headers, "body": body, "truncated": response.truncated}


def replayed(answer: Mapping[str, Any], request: Request) -> Response:
    """The response that a cassette has."""
    headers: dict[str, str] = answer["headers"]
    return Response(request, answer["status"], headers, _bytes(answer), truncated=answer["truncated"])


def asked_in(content: Mapping[str, Any]) -> Asked:
    """What a cassette has of a request.

    Raises:
        KeyError: A member is missing.
        TypeError: It is no object, has another member, or one of another type.
    """
    for name in ("method", "path"):
        check_member(content, name, str)
    for name in ("merchant", "channel"):
        check_member(content, name, str | None)
    check_member(content, "query", list)
    check_member(content, "body", dict | None)
    for pair in content["query"]:
        match pair:
            case [str(), str()]:
                pass
            case _:
                raise TypeError("a query is a list of lists of a name and a value, both text")
    return Asked(**content)


def answer_in(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a cassette has of a response: one can be made of it.

    Raises:
        LookupError: Something is missing.
        TypeError: Something is of another type, or no status.
        AttributeError: The same.
        ValueError: Text that its charset does not have.
        RecursionError: The body nests too deeply.
    """
    if type(content["status"]) is not int or not 100 <= content["status"] <= 999:
        raise TypeError("a status is a number of 100 to 999")
    check_member(content, "truncated", bool)
    check_member(content, "headers", dict)
    check_member(content, "body", dict | None)
    headers = {name.lower(): value for name, value in content["headers"].items()}
    if not all(isinstance(value, str) for value in headers.values()):
        raise TypeError("a header is text")
    answer = {**content, "headers": headers}
    _bytes(answer)
    return answer


def check_member(content: Mapping[str, Any], name: str, kind: type | UnionType) -> None:
    """See that a member is of this kind.

    Raises:
        KeyError: It is missing.
        TypeError: It is of another type.
    """
    if not isinstance(content[name], kind):
        raise TypeError(f"the member {name!r} is of another type")


def _bytes(answer: Mapping[str, Any]) -> bytes:
    content = answer["body"]
    if content is None:
        return b""
    charset = charset_of(answer["headers"].get("content-type", "")) or "utf-8"
    if "json" not in content:
        check_member(content, "text", str)
        text: str = content["text"]
        return text.encode(charset)
    written = compact(content["json"]).decode()
    try:
        return written.encode(charset)
    except UnicodeEncodeError:
        return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], written).encode(charset)


def _split(url: str) -> tuple[str, str]:
    path, query = _URL.findall(url)[0]
    return path, query


def _pairs(text: str, scrubber: Scrubber) -> list[list[Any]]:
    """A query or a form, in an order that does not depend on how it was written."""
    pairs = parse_qsl(text, keep_blank_values=True)
    return sorted(([name, scrubber.parameter(name, value)] for name, value in pairs), key=str)


def _content(body: bytes, content_type: str, scrubber: Scrubber) -> dict[str, Any] | None:
    if not body:
        return None
    try:
        text = body.decode(charset_of(content_type) or "utf-8")
    except ValueError:
        return _LEFT_OUT  # compressed, say: nobody can see what stands in it
    try:
        content = decode_json(text.encode())
    except ValueError:
        return {"text": scrubber.text(text)}
    if (kept := scrubber.json(content)) is None:
        return _LEFT_OUT
    return {"json": decode_json(kept)}
