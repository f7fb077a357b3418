"""What is wrong with an order, as its validation says it."""

import json
from collections.abc import Mapping, Sequence, Set
from typing import ClassVar

import attrs

from norce_order_async.core.errors import CallError, DecodeError, InvalidRequestError
from norce_order_async.core.http import Response
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.codec import encode_shown, structure
from norce_order_async.wire.decoders import Receipt, decode_receipt
from norce_order_async.wire.error_body import json_in
from norce_order_async.wire.json import JSON, WireError
from norce_order_async.wire.models import ValidationError
from norce_order_async.wire.refusals import status_error, without_token

_SHOWN = 300


class ValidationFailedError(CallError):
    """The order was validated, and something is wrong with it.

    It is this that is raised: :class:`ValidationError` is a model, one of the problems.

    Attributes:
        status: The HTTP status: 200 and 400 are both known to come with problems.
        headers: The response's headers, their names in lower case.
        body: The raw body.
        problems: All that is wrong. A text that an adapter gives is in ``extra["message"]``.
    """

    def __init__(
        self,
        problems: Sequence[ValidationError] | str,
        known: object = None,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        if isinstance(problems, str):  # the text of an error that is rebuilt
            self.problems: tuple[ValidationError, ...] = ()
            super().__init__(problems, known)
            self.problems = tuple(map(_problem, self.problems))
        else:
            self.problems = tuple(problems)
            super().__init__(_summary(problems), known)

    def _members(self) -> Mapping[str, object]:
        return {**self.__dict__, "problems": list(map(_plain, self.problems))}


class NoProblems:
    """Decodes a validation: an empty body and an empty list say that nothing is wrong."""

    members: ClassVar[Set[str]] = frozenset({"errors"})

    def __call__(self, response: Response) -> Receipt:
        """Read the response.

        Raises:
            ValidationFailedError: Something is wrong with the order.
            DecodeError: The body is no list of problems.
        """
        if response.truncated:
            raise DecodeError("the answer's body is larger than the transport reads", response.body)
        problems = _read(response) if response.body.strip() else ()
        if problems is None:
            raise DecodeError("the answer's body is no list of problems", response.body)
        if problems:
            raise _failed(problems, response)
        return decode_receipt(response)


def refused_validation(response: Response) -> CallError:
    """The error of a validation that is not answered with a 2xx: its problems, where a 400 has them."""
    problems = _read(response) if response.status == 400 and not response.truncated else None
    return _failed(problems, response) if problems else status_error(response)


def _failed(problems: Sequence[ValidationError], response: Response) -> ValidationFailedError:
    return ValidationFailedError(problems, status=response.status, headers=dict(response.headers), body=response.body)


def _read(response: Response) -> Sequence[ValidationError] | None:
    """The problems in a body, a list or ``{"errors": [...]}``; None if it is neither."""
    try:
        value = json_in(without_token(response), response.headers.get("content-type", ""))
    except WireError:
        return None
    if isinstance(value, Mapping):
        value = value.get("errors")
    return [_problem(each) for each in value] if isinstance(value, list) else None


def _plain(problem: ValidationError) -> JSON:
    """A problem as JSON; one that nests too deeply to be written, without what only the wire knows of it."""
    try:
        text = encode_shown(problem)
    except InvalidRequestError:
        text = encode_shown(attrs.evolve(problem, extra={}, unread=()))
    plain: JSON = json.loads(text)
    return plain


def _problem(value: JSON) -> ValidationError:
    try:
        return structure(value, ValidationError)
    except WireError:
        return ValidationError(extra={"message": value} if not isinstance(value, Mapping) else dict(value))


def _summary(problems: Sequence[ValidationError]) -> str:
    told = "; ".join(filter(None, map(problem_text, problems)))
    count = counted(len(problems), "problem")
    return f"the order is not valid: {count}{': ' if told else ''}{printable(told[:_SHOWN])}"


def problem_text(problem: ValidationError) -> str:
    """A problem in words: its code, its text, and whose it is; empty where it says nothing."""
    text = problem.extra.get("message")
    said = ": ".join(filter(None, (problem.code, text if isinstance(text, str) else None)))
    return f"{said} ({problem.adapter_id})" if problem.adapter_id else said
