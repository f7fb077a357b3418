"""What an integrator answers to hooks and validations, as status and body."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import attrs

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.receiving.patches import operations
from norce_order_async.wire.codec import encode_shown, one_level
from norce_order_async.wire.json import JSON, WireError
from norce_order_async.wire.json_text import to_dict
from norce_order_async.wire.models import Order
from norce_order_async.wire.read_only import read_only_change

_ABSENT = object()


@attrs.frozen
class Reply:
    """What a hook or a validation is answered.

    Attributes:
        status: The HTTP status, from 200 to 599.
        body: The body, bytes or a bytearray: JSON, or empty. With the statuses 204 and 304 there is none.
        allow: The methods that there are, where the status is 405.
        kind: ``hooks`` or ``validations``, where a function such as :func:`allow` has made it for these. It does not
            count when replies are compared.

    Raises:
        TypeError: ``status`` is no int, or ``body`` is neither bytes nor a bytearray.
        InvalidRequestError: ``status`` is another one, or has no body and ``body`` is one.
    """

    status: int
    body: bytes = attrs.field(default=b"", repr=False)
    allow: Sequence[str] = attrs.field(default=(), repr=False)
    kind: Literal["hooks", "validations"] | None = attrs.field(default=None, repr=False, eq=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        status, body = cast("object", self.status), cast("object", self.body)
        if not isinstance(status, int):
            raise TypeError(f"status must be an int, got {kind_of(status)}")
        if not isinstance(body, bytes | bytearray):
            raise TypeError(f"body must be bytes, got {kind_of(body)}")
        if not 200 <= status <= 599:
            raise InvalidRequestError(f"status must be from 200 to 599, got {status}")
        if body and status in (204, 304):
            raise InvalidRequestError(f"an answer with the status {status} has no body")

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that describe the body, and ``allow``; their names are in lower case."""
        kind = {"content-type": "application/json"} if self.body else {}
        methods = {"allow": ", ".join(self.allow)} if self.allow else {}
        return {**kind, "content-length": str(len(self.body)), **methods}


def allow() -> Reply:
    """Let the change of a hook pass: 200 with a patch without operations."""
    return Reply(200, b"[]", kind="hooks")


def refuse(code: str, message: str, *, status: int = 400) -> Reply:
    """Refuse the change of a hook. What its caller then gets is not published.

    Args:
        code: What is wrong, for programs.
        message: The same, for people.
        status: 400, or 404, which is published too.

    Raises:
        InvalidRequestError: The code is empty, or the status is another one.
    """
    if status not in (400, 404):
        raise InvalidRequestError(f"a hook is refused with 400 or 404, not {status!r}")
    return Reply(status, encode_shown(_problem(code, message)), kind="hooks")


def change(before: Order, after: Order) -> Reply:
    """Let the change of a hook pass, and change the order further: 200 with a patch.

    ::

        return change(call.order, attrs.evolve(call.order, consents=()))

    A member that becomes None is removed. A dict of what was read, such as ``attributes``, is to be copied and not
    changed in place: ``before`` has it too, so nothing would differ.

    The parts that a hook may change are named by the ``target`` of its registration; what happens to others is not
    published.

    Raises:
        InvalidRequestError: The two differ in what only the service writes, such as ``id``, a payment's ``id`` or the
            state's ``transitions``; or what differs holds what is no JSON, or has lost the place of what could not be
            read.
    """
    try:
        old, new = _members(before), _members(after)
    except WireError as error:
        problem = str(error)
    else:
        # Not the whole orders: one that nests deeper than can be written may be changed elsewhere.
        left = to_dict({name: value for name, value in old.items() if new.get(name, _ABSENT) is not value})
        right = to_dict({name: value for name, value in new.items() if old.get(name, _ABSENT) is not value})
        if (member := read_only_change(left, right)) is not None:
            raise InvalidRequestError(f"{member} differs: only the service writes it")
        return Reply(200, encode_shown(list(operations(left, right))), kind="hooks")
    raise InvalidRequestError(problem)


def _members(order: Order) -> Mapping[str, object]:
    return cast("Mapping[str, object]", one_level(order))


def valid() -> Reply:
    """Nothing is wrong with the order of a validation: 200 without a body."""
    return Reply(200, kind="validations")


def invalid(code: str, message: str, *, adapter_id: str | None = None) -> Reply:
    """Something is wrong with the order of a validation: 400 with a list of one problem.

    Args:
        code: What is wrong, for programs.
        message: The same, for people.
        adapter_id: Whose check it was; left out unless given.

    Raises:
        InvalidRequestError: The code is empty.
    """
    members = _problem(code, message)
    if adapter_id is not None:
        members["adapterId"] = adapter_id
    return Reply(400, encode_shown([members]), kind="validations")


def problem(status: int, code: str, message: str) -> Reply:
    """An answer with a ``BaseError``."""
    return Reply(status, encode_shown(_problem(code, message)))


def _problem(code: Any, message: Any) -> dict[str, JSON]:
    for name, text in (("code", code), ("message", message)):
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a str, got {kind_of(text)}")
    if not code:
        raise InvalidRequestError("code is empty")
    return {"code": code, "message": message}
