"""What comes into the sandbox and what goes out, as values."""

from collections.abc import Mapping

import attrs

from norce_order_async.testing.contract import ContractOperation, Resource
from norce_order_async.testing.faults import Mishap


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
class Answer:
    """What a door sends back, if the mishap lets it.

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


@attrs.frozen
class Received:
    """A request as it arrived, and what became of it.

    Attributes:
        method: The HTTP method.
        target: Path and query, from ``/api/`` on.
        headers: The headers, their names in lower case; the token is among them.
        body: The body's bytes; empty if a server cut the connection before it read them.
        operation: The operationId that it was taken for; None without one.
        status: The HTTP status made for it; 0 if the connection was cut before.
        applied: Whether it was carried out, whether or not the caller got to know.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    operation: str | None
    status: int
    applied: bool
