"""Reading the responses of the API that succeed: receipts and models."""

from collections.abc import Set
from typing import Generic, TypeVar

import attrs

from norce_order_async.core.call import Call
from norce_order_async.core.errors import DecodeError
from norce_order_async.core.frozen import frozen
from norce_order_async.core.http import Response
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.codec import structure, wire_members
from norce_order_async.wire.json import JSON, decode_json
from norce_order_async.wire.refusals import packed

T = TypeVar("T")


@frozen
class Receipt:
    """What became of a change that returns nothing else.

    Attributes:
        operation: The API's operationId.
        status: The HTTP status of the last response.
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
    at: float | None = attrs.field(default=None, repr=False)

    @property
    def inferred(self) -> bool:
        """Whether success was concluded from a DELETE's 404 after an attempt whose response was lost."""
        return self.outcome is OutcomeKind.APPLIED_INFERRED


def decode_receipt(response: Response) -> Receipt:
    """Decode an operation that returns nothing: its body, if any, is not read."""
    return receipt_of(response.request.call, response.status)


def receipt_of(call: Call, status: int) -> Receipt:
    """The receipt of a call that has ended in success with this status."""
    return Receipt(call.operation, status, call.request_id, len(call.attempts), call.elapsed, call.outcome, call.at)


def json_body(response: Response) -> JSON:
    """The JSON of a response's body.

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


@attrs.frozen
class JsonAs(Generic[T]):
    """Reads JSON as a model, ``list[Model]``, ``str`` ...

    Attributes:
        cls: What to read it as.
        members: The members that the wire's object may have; none when it is no object.
    """

    cls: type[T]
    members: Set[str] = attrs.field(
        default=attrs.Factory(lambda self: wire_members(self.cls), takes_self=True), init=False
    )

    def __call__(self, response: Response) -> T:
        """Read a response's body.

        Raises:
            DecodeError: It is not JSON, or doesn't fit.
        """
        body = json_body(response)
        try:
            return structure(body, self.cls)
        except ValueError as error:
            raise DecodeError(f"the answer's body cannot be read: {error}", response.body) from error


def json_decoder(cls: type[T]) -> JsonAs[T]:
    """A decoder for operations that return JSON: a model, ``list[Model]``, ``str`` ...

    The decoder raises :class:`DecodeError` when the body is not JSON or doesn't fit.
    """
    return JsonAs(cls)
