"""Reading answers: receipts, models, and the API's errors."""

from collections.abc import Callable
from typing import TypeVar

import attrs

from norce_order_async.codec import structure
from norce_order_async.errors import DecodeError, StatusError
from norce_order_async.http import Response
from norce_order_async.outcome import OutcomeKind
from norce_order_async.wire import JSON, decode_json

T = TypeVar("T")


@attrs.frozen(slots=False)
class Receipt:
    """What became of a change that returns nothing else.

    Attributes:
        operation: The API's operationId.
        status: The HTTP status of the last answer.
        request_id: What was sent as ``x-request-id``, on every attempt.
        attempts: How many requests it took.
        elapsed: Seconds from the start of the call to its end.
        outcome: ``applied``, or ``applied_inferred`` (see :class:`OutcomeKind`).
    """

    operation: str
    status: int
    request_id: str
    attempts: int
    elapsed: float
    outcome: OutcomeKind

    @property
    def inferred(self) -> bool:
        """Whether success was concluded from a DELETE's 404 after an attempt whose answer was lost."""
        return self.outcome is OutcomeKind.APPLIED_INFERRED


def receipt(response: Response) -> Receipt:
    """Decode an operation that returns nothing: its body, if any, is not read."""
    call = response.request.call
    return Receipt(call.operation, response.status, call.request_id, len(call.attempts), call.elapsed, call.outcome)


def json_body(response: Response) -> JSON:
    """The JSON of an answer's body.

    Raises:
        DecodeError: It isn't JSON, or is larger than the transport reads.
    """
    if response.truncated:
        raise DecodeError("the answer's body is larger than the transport reads", response.body)
    try:
        return decode_json(response.body)
    except ValueError as error:
        raise DecodeError(f"the answer's body cannot be read: {error}", response.body) from error


def json_as(cls: type[T]) -> Callable[[Response], T]:
    """A decoder for operations that return JSON: a model, ``list[Model]``, ``str`` ...

    The decoder raises :class:`DecodeError` when the body is not JSON or doesn't fit.
    """

    def decode(response: Response) -> T:
        body = json_body(response)
        try:
            return structure(body, cls)
        except ValueError as error:
            raise DecodeError(f"the answer's body cannot be read: {error}", response.body) from error

    return decode


def base_error(response: Response) -> dict[str, str] | None:
    """The API's error body (``code`` and ``message``, each only if it is text); None when it isn't a JSON object."""
    try:
        body = json_body(response)
    except DecodeError:
        return None
    if not isinstance(body, dict):
        return None
    return {key: value for key in ("code", "message") if isinstance(value := body.get(key), str)}


def status_error(response: Response) -> StatusError:
    """The error that stands for an answer which is not a 2xx."""
    known = base_error(response) or {}
    return StatusError.class_for(response.status)(
        response.status, headers=dict(response.headers), body=response.body,
        code=known.get("code"), message=known.get("message"),
    )  # fmt: skip
