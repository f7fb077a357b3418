"""What comes into the sandbox and what goes out, as values."""

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from norce_order_async.core.wording import beginning
from norce_order_async.testing.contract import ContractOperation, Resource
from norce_order_async.testing.sandbox.mishaps import Mishap
from norce_order_async.wire.json import JSON


class Refused(Exception):
    """The sandbox says no: an HTTP status, the ``code`` and ``message`` of a ``BaseError``, and further headers.

    Args:
        body: The JSON to answer in place of the ``BaseError``.
    """

    def __init__(self, status: int, code: str, message: str, *, body: JSON = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: JSON = {"code": code, "message": message} if body is None else body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@attrs.frozen(eq=False)
class Arrival:
    """A request whose body has not been read yet.

    Attributes:
        method: The HTTP method.
        target: Path and query, from ``/api/`` on.
        headers: The headers, their names in lower case.
        resource: What the path leads to; None if the contract has no such path.
        operation: What the method does to it; None if the contract has no such method there.
        ids: The ids in the path.
        mishap: What goes wrong with it.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    resource: Resource | None
    operation: ContractOperation | None
    ids: Mapping[str, str]
    mishap: Mishap


@attrs.frozen
class Ask:
    """One request that may be carried out: its headers are in order, its query and body keep to the contract.

    Attributes:
        merchant: Whose orders it is about.
        channel: Of which channel.
        ids: The ids in the path.
        query: The members of the query.
        body: The JSON of the body; None without one.
    """

    merchant: str
    channel: str
    ids: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any

    @property
    def members(self) -> dict[str, Any]:
        """The members of a body that is an object; none without a body."""
        members: dict[str, Any] = {} if self.body is None else self.body
        return members


@attrs.frozen
class Created:
    """The result of an operation that made something with an id."""

    id: str


@attrs.frozen
class AdapterCall:
    """A request to an adapter.

    Attributes:
        url: The address to POST to, as registered. It may hold a secret.
        body: The JSON to send.
        kind: ``hook``, ``validation`` or ``notification``.
        part_id: The id of the registration.
        adapter_id: Whose it is; None if it does not say.
        order_id: Which order it is about.
        headers: What is sent besides the headers of the body.
    """

    url: str = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    kind: str = "hook"
    part_id: str = ""
    adapter_id: str | None = None
    order_id: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.kind} {beginning(self.part_id)} of {beginning(str(self.adapter_id or 'nobody'))}"


class NotAllowedError(Exception):
    """The sandbox may not call there."""


class NoAnswerError(Exception):
    """What an adapter gave is no answer; the text says why, without values."""


@attrs.frozen
class AdapterReply:
    """What an adapter said to a call.

    Attributes:
        status: The HTTP status; 0 without an answer.
        body: The JSON of the answer; None for an empty one.
        problem: Why the call failed or was not made: there is no answer, or none that can be read, or its status is no
            answer to such a call. None for an adapter that agrees or refuses.
        skipped: Whether nobody was called, because nobody may be called there.
    """

    status: int
    body: JSON = attrs.field(default=None, repr=False)
    problem: str | None = None
    skipped: bool = False


@attrs.frozen
class AdapterExchange:
    """A call to an adapter, and what became of it.

    Attributes:
        call: The call.
        reply: What the adapter said.
        elapsed: How long that took, in seconds.
        at: When it was over, in seconds since 1970-01-01 UTC.
        number: Its place among all requests and calls of the sandbox.
    """

    call: AdapterCall
    reply: AdapterReply
    elapsed: float
    at: float
    number: int


Result: TypeAlias = JSON | Created
"""What an operation answers: JSON, None for an empty body, or the id of what it made."""

Steps: TypeAlias = Generator[Sequence[AdapterCall], Sequence[AdapterReply], Result]
"""An operation that yields the calls it has to wait for, and goes on with their replies."""


@attrs.frozen
class SandboxResponse:
    """What is sent back, if the mishap lets it.

    Attributes:
        status: The HTTP status; 0 when the connection is to be cut before one is made.
        headers: The headers, their names in lower case.
        body: The body's bytes.
        operation: The operationId that the request was taken for; None without one.
        mishap: What goes wrong on the way back.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    operation: str | None
    mishap: Mishap


@attrs.define(eq=False)
class Exchange:
    """A request on its way to its answer.

    Attributes:
        arrival: The request.
        body: Its body.
        headers: What every answer to it has.
        steps: What is left to do for it.
        calls: The calls that are made before it goes on.
        notices: The calls that are made after it.
        answer: Its answer, once it is made.
        begun: When it began, as ``time.perf_counter()`` tells.
    """

    arrival: Arrival
    body: bytes = attrs.field(repr=False)
    headers: Mapping[str, str]
    steps: Steps
    notices: list[AdapterCall]
    calls: Sequence[AdapterCall] = ()
    answer: SandboxResponse | None = None
    begun: float = attrs.field(factory=time.perf_counter)


@attrs.frozen
class ReceivedRequest:
    """A request as it arrived, and what became of it.

    Attributes:
        method: The HTTP method.
        target: Path and query, from ``/api/`` on.
        headers: The headers, their names in lower case; the token is among them.
        body: The body's bytes; empty if a server cut the connection before it read them.
        operation: The operationId that it was taken for; None without one.
        status: The HTTP status made for it; 0 if the connection was cut, or the caller gone, before.
        applied: Whether it was carried out, whether or not the caller got to know.
        mishap: What went wrong with it.
        elapsed: How long its answer took to make, in seconds; what a fault adds is not in it.
        at: When that was over, in seconds since 1970-01-01 UTC.
        number: Its place among all requests and calls of the sandbox.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    operation: str | None
    status: int
    applied: bool
    mishap: Mishap
    elapsed: float
    at: float
    number: int
