"""For web apps: what a visitor is answered when a call fails."""

import math
import re
from http import HTTPStatus
from typing import Final

from norce_order_async.core.errors import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ClientClosedError,
    ClientStateError,
    ConfigurationError,
    ConflictError,
    ConnectTimeout,
    DeadlineExceeded,
    InvalidRequestError,
    NorceOrderError,
    NotFoundError,
    PermissionDeniedError,
    PoolTimeout,
    RateLimitedError,
    ReadTimeout,
    ServerError,
    TokenError,
)
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.wording import printable
from norce_order_async.endpoints.waiting import WaitTimeout
from norce_order_async.receiving.errors import CallbackError
from norce_order_async.wire.json import JSON
from norce_order_async.wire.problems import ValidationFailedError

_CODE = re.compile(r"[\w.:-]{1,64}", re.ASCII)
"""A code of a problem that is a name and no text."""
_MOST_SHOWN: Final = 300  # characters
_LONGEST_WAIT: Final = 86_400  # seconds

_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}

_BROKEN = "The order service did not answer as it should."
_LATE = "The order service did not answer in time."
_NOT_NOW = "This server cannot carry out the request now."
_NOT_LET_IN = "This server has no access to the order service."

_ANSWERS: Final[dict[type[NorceOrderError], tuple[int, str]]] = {
    NorceOrderError: (500, "This server could not carry out the request."),
    ConfigurationError: (500, "This server is not set up as it should be."),
    InvalidRequestError: (400, "A value of the request cannot be sent."),
    CallbackError: (400, "The request is no callback of the order service."),
    ClientStateError: (503, _NOT_NOW),
    ClientClosedError: (503, _NOT_NOW),
    CallError: (502, _BROKEN),
    DeadlineExceeded: (504, _LATE),
    WaitTimeout: (504, "The order was not as wanted in time."),
    ConnectTimeout: (504, _LATE),
    ReadTimeout: (504, _LATE),
    PoolTimeout: (503, "Too many requests are under way."),
    TokenError: (502, _NOT_LET_IN),
    AuthenticationError: (502, _NOT_LET_IN),
    PermissionDeniedError: (502, _NOT_LET_IN),
    ValidationFailedError: (422, "The order is not valid."),
    BadRequestError: (400, "The order service does not accept the request."),
    NotFoundError: (404, "There is no such order, or nothing of that id in it."),
    ConflictError: (409, "The request clashes with what is stored."),
    RateLimitedError: (429, "There are too many requests."),
}
"""The HTTP status and the text for an error: those of the nearest of its classes."""

_PASSED_ON: Final = {503: "The order service is not available.", 504: _LATE}
"""The statuses of a failed server that mean the same to the visitor."""


def problem_details(error: NorceOrderError) -> tuple[int, dict[str, str], dict[str, JSON]]:
    """What to answer a visitor whose request failed with this error, as problem details (RFC 9457).

    ::

        status, headers, body = problem_details(error)

    The body has ``type``, ``title``, ``status``, ``detail``, the call's ``outcome``, and its ``request_id`` where a
    call was made. It has the text of an :class:`InvalidRequestError`, which tells of the argument alone, and the codes
    of the ``problems`` of a :class:`ValidationFailedError`. It has nothing else of what the API said, because that may
    be personal data or tell of other systems.

    Args:
        error: Any error of this package.

    Returns:
        The HTTP status, the headers (``Content-Type``, and with 429 and 503 ``Retry-After`` in whole seconds, at most a
        day, where the API asked to wait), and the body as JSON values.

    Raises:
        TypeError: It is no error of this package.
    """
    if not isinstance(error, NorceOrderError):
        raise TypeError(f"error must be a NorceOrderError, got {kind_of(error)}")
    status, detail = next(_ANSWERS[cls] for cls in type(error).__mro__ if cls in _ANSWERS)
    if isinstance(error, ServerError) and error.status in _PASSED_ON:
        status, detail = error.status, _PASSED_ON[error.status]
    elif isinstance(error, CallbackError):
        status = error.status
    body: dict[str, JSON] = {
        "type": "about:blank",
        "title": _PHRASES.get(status, "Client Error"),  # of a CallbackError with a status that has none
        "status": status,
        "detail": printable(str(error))[:_MOST_SHOWN] if isinstance(error, InvalidRequestError) else detail,
        "outcome": error.outcome.value,
    }
    headers = {"Content-Type": "application/problem+json"}
    if isinstance(error, CallError):
        if error.request_id:
            body["request_id"] = error.request_id
        if status in (429, 503) and error.retry_after is not None and not math.isnan(error.retry_after):
            headers["Retry-After"] = str(math.ceil(min(max(error.retry_after, 0), _LONGEST_WAIT)))
    if isinstance(error, ValidationFailedError):
        codes = [problem.code for problem in error.problems]
        body["problems"] = [{"code": code} for code in codes if code and _CODE.fullmatch(code)]
    return status, headers, body
