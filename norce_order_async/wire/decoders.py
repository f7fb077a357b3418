"""Reading answers: receipts, models, and the API's errors."""

from collections.abc import Callable, Set
from functools import lru_cache
from typing import Any, Generic, TypeVar

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.errors import DecodeError, NotTheApiError, StatusError, excerpt, printable
from norce_order_async.core.http import Response
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.error_body import ErrorBody, decoded, is_error_shaped, read_error
from norce_order_async.wire.json import JSON, decode_json

T = TypeVar("T")
_MARKUP = frozenset({"text/html", "text/xml", "application/xml"})
_PROBLEM = "application/problem+json"
_BLANK = b"\xef\xbb\xbf \t\r\n"
_START = 64


@attrs.frozen(slots=False)
class Receipt:
    """What became of a change that returns nothing else.

    Attributes:
        operation: The API's operationId.
        status: The HTTP status of the last answer.
        request_id: What was sent as ``x-request-id``, on every attempt.
        attempts: How many requests it took.
        elapsed: Seconds from the start of the call to its end.
        outcome: ``applied``, ``accepted``, or ``applied_inferred`` (see :class:`OutcomeKind`).
        at: When the call began, in seconds since 1970-01-01 UTC by the client's clock; None where that is not known.
    """

    operation: str
    status: int
    request_id: str
    attempts: int
    elapsed: float
    outcome: OutcomeKind
    at: float | None = None

    @property
    def inferred(self) -> bool:
        """Whether success was concluded from a DELETE's 404 after an attempt whose answer was lost."""
        return self.outcome is OutcomeKind.APPLIED_INFERRED


def receipt(response: Response) -> Receipt:
    """Decode an operation that returns nothing: its body, if any, is not read."""
    return receipt_of(response.request.call, response.status)


def receipt_of(call: Call, status: int) -> Receipt:
    """The receipt of a call that has ended in success with this status."""
    return Receipt(call.operation, status, call.request_id, len(call.attempts), call.elapsed, call.outcome, call.at)


def json_body(response: Response) -> JSON:
    """The JSON of an answer's body.

    Raises:
        DecodeError: It isn't JSON, or is larger than the transport reads.
    """
    if not response.body:
        raise DecodeError("the answer's body is empty")
    if response.truncated:
        raise DecodeError("the answer's body is larger than the transport reads", response.body)
    try:
        return decode_json(response.body)
    except ValueError as error:
        reason = packed(response) or str(error)
        raise DecodeError(f"the answer's body cannot be read: {reason}", response.body) from error


def packed(response: Response) -> str | None:
    """What is said of a body whose encoding nobody asked for and no transport has undone; None for any other."""
    coding = response.headers.get("content-encoding", "")
    if coding.lower() in ("", "identity"):
        coding = "gzip" if response.body.startswith(b"\x1f\x8b") else ""
    return f"its encoding is {printable(coding[:40])}, which nobody asked for" if coding else None


@attrs.frozen
class JsonAs(Generic[T]):
    """Reads JSON as a model, ``list[Model]``, ``str`` ...

    Attributes:
        cls: What to read it as.
        members: The members that the wire's object may have; none when it is no object.
    """

    cls: type[T]
    members: Set[str] = attrs.field(init=False, factory=frozenset[str])

    def __attrs_post_init__(self) -> None:
        from norce_order_async.wire.codec import members_of  # heavy, so only when there is something to read

        object.__setattr__(self, "members", members_of(self.cls))

    def __call__(self, response: Response) -> T:
        """Read an answer's body.

        Raises:
            DecodeError: It is not JSON, or doesn't fit.
        """
        from norce_order_async.wire.codec import structure

        body = json_body(response)
        try:
            return structure(body, self.cls)
        except ValueError as error:
            raise DecodeError(f"the answer's body cannot be read: {error}", response.body) from error


def json_as(cls: type[T]) -> JsonAs[T]:
    """A decoder for operations that return JSON: a model, ``list[Model]``, ``str`` ...

    The decoder raises :class:`DecodeError` when the body is not JSON or doesn't fit.
    """
    return JsonAs(cls)


def expected_members(decode: Callable[[Response], Any]) -> Set[str] | None:
    """The members of the object that a decoder reads; None when that is not known."""
    return frozenset() if decode is receipt else getattr(decode, "members", None)


def not_the_api(response: Response) -> NotTheApiError | None:
    """The error that a 2xx is when it is no answer of the API; None when it may be one.

    HTML and XML are none, by type or by their first byte, nor are problem details by their type, nor is JSON that is
    shaped like an error and has no member of the expected result.
    """
    body, members = response.body, response.request.call.members
    kind = _media_type(response.headers.get("content-type", ""))
    if kind in _MARKUP or kind.endswith("+xml") or body[:_START].lstrip(_BLANK)[:1] == b"<":
        problem = "it is HTML or XML"
    elif kind == _PROBLEM or (members is not None and is_error_shaped(body, members)):
        problem = "its body is shaped like an error"
    else:
        return None
    text = f"HTTP {response.status}, but {problem}: {excerpt(body)}"
    return NotTheApiError(text, status=response.status, headers=response.headers, body=body)


def is_json(content_type: str) -> bool:
    """Whether a head with this ``Content-Type`` may be of the API's yes: JSON, but not problem details."""
    kind = _media_type(content_type)
    return kind == "application/json" or (kind.endswith("+json") and kind != _PROBLEM)


@lru_cache(64)
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def status_error(response: Response) -> StatusError:
    """The error that stands for an answer which is not a 2xx."""
    content_type = response.headers.get("content-type", "")
    known = read_error(response.body, content_type) or ErrorBody()
    text = packed(response) or decoded(response.body, content_type)
    return StatusError.class_for(response.status)(
        response.status, headers=dict(response.headers), body=response.body, code=known.code,
        message=known.message, text=None if known.code or known.message else text,
    )  # fmt: skip
