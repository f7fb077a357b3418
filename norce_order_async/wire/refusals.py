"""Responses that are no success of the API: its errors, and a 2xx that it did not give."""

import re
from functools import lru_cache

from norce_order_async.core.errors import NotTheApiError, StatusError
from norce_order_async.core.http import Response
from norce_order_async.core.statuses import RETRYABLE_STATUSES
from norce_order_async.core.wording import excerpt, printable
from norce_order_async.wire.error_body import ErrorBody, charset_of, decoded, is_error_shaped, read_error

_MARKUP = frozenset({"text/html", "text/xml", "application/xml"})
_PROBLEM = "application/problem+json"
_BLANK = b"\xef\xbb\xbf \t\r\n"
_IS_MARKUP = "it is HTML or XML"
_IS_ERROR = "its body is shaped like an error"
_START = 64
_JSON_STARTS = (b"{", b"[")
_LEAST = 16
"""Characters of a token that is hidden in what is told of an answer: a shorter one may be any word."""


def not_the_api(response: Response) -> NotTheApiError | None:
    """The error that a 2xx is when it is no response of the API; None when it may be one.

    HTML and XML are none, by type or by their first byte, nor are problem details by their type, nor is JSON that is
    shaped like an error and has no member of the expected result.
    """
    body, members = response.body, response.request.call.members
    problem = _problem_of(response.headers.get("content-type", ""))
    if problem is None:
        if _starts_as_markup(body):
            problem = _IS_MARKUP
        elif members is not None and is_error_shaped(body, members):
            problem = _IS_ERROR
        else:
            return None
    text = f"HTTP {response.status}, but {problem}: {excerpt(without_token(response))}"
    return NotTheApiError(text, status=response.status, headers=response.headers, body=body)


def is_foreign(error: Exception) -> bool:
    """Whether something else than the API answered.

    That is a 2xx which is none of its, HTML or XML, and a 404 with a body that says nothing in the form of an error. A
    status that passes, such as 503, is the gateway's word for the API, also with a page of HTML.
    """
    if not isinstance(error, StatusError):
        return isinstance(error, NotTheApiError)
    if error.status in RETRYABLE_STATUSES:
        return False
    if error.status == 404 and error.body and not (error.code or error.message):
        return True
    return _problem_of(error.headers.get("content-type", "")) is _IS_MARKUP or _starts_as_markup(error.body)


def _starts_as_markup(body: bytes) -> bool:
    return body[:1] not in _JSON_STARTS and body[:_START].lstrip(_BLANK)[:1] == b"<"


def is_json(content_type: str) -> bool:
    """Whether a head with this ``Content-Type`` may be of the API's yes: JSON, but not problem details."""
    kind = _media_type(content_type)
    return kind == "application/json" or (kind.endswith("+json") and kind != _PROBLEM)


@lru_cache(64)
def _problem_of(content_type: str) -> str | None:
    kind = _media_type(content_type)
    if kind in _MARKUP or kind.endswith("+xml"):
        return _IS_MARKUP
    return _IS_ERROR if kind == _PROBLEM else None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def status_error(response: Response) -> StatusError:
    """The error that stands for a response which is not a 2xx."""
    content_type = response.headers.get("content-type", "")
    body = without_token(response)
    known = read_error(body, content_type) or ErrorBody()
    text = packed(response) or decoded(body, content_type)
    return StatusError.class_for(response.status)(
        response.status, headers=dict(response.headers), body=response.body, code=known.code,
        message=known.message, text=None if known.code or known.message else text,
    )  # fmt: skip


def without_token(response: Response) -> bytes:
    """A response's body, without the token that was sent should it repeat it, also as JSON may write it."""
    token = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
    if len(token) < _LEAST:
        return response.body
    content_type = response.headers.get("content-type", "")
    written = "".join(
        each if each.isalnum() else rf"(?:\\?{re.escape(each)}|\\u(?i:{ord(each):04x}))" for each in token
    )
    text, found = re.subn(written, "***", decoded(response.body, content_type))
    return text.encode(charset_of(content_type) or "utf-8", "replace") if found else response.body


def packed(response: Response) -> str | None:
    """What is said of a body whose encoding nobody asked for and no transport has undone; None for any other."""
    coding = response.headers.get("content-encoding", "")
    if coding.lower() in ("", "identity"):
        coding = "gzip" if response.body.startswith(b"\x1f\x8b") else ""
    return f"its encoding is {printable(coding[:40])}, which nobody asked for" if coding else None
