"""The sandbox's brain: it takes requests and gives answers as plain values, without network or event loop.

It keeps to the published contract. Where that is silent it had to choose, and a service that does otherwise is not
wrong. Not published, the sandbox:

==============================================  ===================================================================
a path that the contract lacks                  404 ``unknown-path``
another method on a known path                  405 ``method-not-allowed``, with ``Allow``
the token missing or unknown                    401 ``unauthorized``
``x-merchant`` or ``x-channel`` without text    400 ``bad-request``
an operation that the sandbox lacks             501 ``not-in-sandbox``
a body where none is taken                      not looked at
a body of more than 2 MiB                       413 ``too-large``
no body where one is needed                     400 ``bad-request``
another type than ``application/json``          400 ``bad-request``; a charset beside it is not looked at
not JSON, a lone surrogate, 63 levels deep      400 ``bad-request``
a breach of the contract                        400 ``bad-request``, with the path to the bad value
null, ``1.0`` for an integer, ``Person``        400 ``bad-request``: breaches; only published enum values are taken
a consent that the order lacks                  PATCH and DELETE: 404 ``consent-not-found``
a new consent without an id                     400 ``bad-request``
a new consent with the id of another            409 ``order-conflict``
PATCH consent with another ``id`` in its body   400 ``bad-request``
PATCH consent without ``checked``               400 ``bad-request``
DELETE of a ``required`` consent                done
attributes: null                                stored as null
attributes: nested objects and arrays           replaced, not merged
attributes: ``{}``                              200, changes nothing
a change outside state ``checkout``             done
setting what is set already                     200; ``lastModified`` stays
a new order's read-only members, its ``state``  without effect: the API writes them
``x-adapterid``, hooks, notifications           taken in, without effect: nothing is ever called
==============================================  ===================================================================

Checks are made in this order. Every answer has ``Date``, and ``x-request-id`` if the request had one.
"""

import copy
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

from norce_order_async.checks import check_token
from norce_order_async.errors import ConfigurationError
from norce_order_async.testing.contract import ContractOperation, load_contract
from norce_order_async.testing.exchange import Answer, Arrival, Received
from norce_order_async.testing.faults import Fault, FaultKind, Faults
from norce_order_async.testing.handlers import HANDLERS, Ask, Refused, Store, WireOrder
from norce_order_async.wire import JSON, WireError, decode_json, encode_json

if TYPE_CHECKING:
    from norce_order_async.client import OrderClient

SANDBOX_TOKEN: Final = "sandbox-token"
"""The bearer token that a sandbox takes unless it is given others."""

MAX_BODY: Final = 2 * 1024 * 1024
"""How many bytes a request's body may have."""


class Sandbox:
    """An order API to try things on: it keeps orders in memory and never touches a network.

    ::

        sandbox = Sandbox()
        sandbox.add_order("o_123", consents=["ci_newsletter"])
        sandbox.faults.add(Fault.drop_after(times=1))
        async with sandbox.client() as client:
            await patch_consent(client, "o_123", "ci_newsletter", checked=True)

    Its doors are :meth:`client`, :class:`SandboxTransport` and :class:`SandboxServer`; one sandbox may have several,
    also in several threads.

    Args:
        tokens: The bearer tokens that it takes.
        seed: Two sandboxes of the same seed make the same ids and strike the same requests with faults.
        wall: Seconds since 1970-01-01 UTC.
        remember: How many requests ``requests`` keeps.

    Attributes:
        faults: What goes wrong, and when.
        requests: The latest requests, oldest first.
        count: How many requests there were in all.

    Raises:
        ConfigurationError: jsonschema is not installed (the extra ``sandbox`` has it), or a token that cannot be one.
    """

    def __init__(
        self,
        *,
        tokens: Iterable[str] = (SANDBOX_TOKEN,),
        seed: int = 0,
        wall: Callable[[], float] = time.time,
        remember: int = 1000,
    ) -> None:
        self._contract = load_contract()
        self._tokens = tuple(check_token(token) for token in ((tokens,) if isinstance(tokens, str) else tokens))
        if not self._tokens:
            raise ConfigurationError("a sandbox without tokens takes no requests")
        self._wall = wall
        self._store = Store(random.Random(seed), wall)
        self._lock = threading.Lock()
        self.faults = Faults(self._contract.names, random.Random(seed))
        self.requests: deque[Received] = deque(maxlen=remember)
        self.count = 0

    def add_order(
        self,
        order_id: str,
        *,
        merchant: str = "norce",
        channel: str = "1",
        consents: Iterable[str | Mapping[str, JSON]] = (),
        attributes: Mapping[str, JSON] | None = None,
        **members: JSON,
    ) -> None:
        """Put an order in, in place of one that has this id already.

        Args:
            order_id: Its id.
            merchant: Whose it is.
            channel: Of which channel.
            consents: As on the wire, or just ids for consents that are not checked.
            attributes: Its attributes.
            **members: Other members, as on the wire (``lastModified=...``); they are not checked.
        """
        listed: list[JSON] = [{"id": one, "checked": False} if isinstance(one, str) else one for one in consents]
        own: Any = decode_json(_write({"consents": listed, "attributes": attributes or {}, **members}))
        with self._lock:
            self._store.put(merchant, channel, order_id, own)

    def order(self, order_id: str, *, merchant: str = "norce", channel: str = "1") -> WireOrder | None:
        """A copy of an order as it is on the wire, numbers as int and Decimal; None if there is none."""
        with self._lock:
            return copy.deepcopy(self._store.get(merchant, channel, order_id))

    def client(self, *, merchant: str = "norce", channel: str = "1", **overrides: Any) -> "OrderClient":
        """A client that talks to this sandbox in process; ``overrides`` are arguments of :class:`OrderClient`."""
        from norce_order_async.client import OrderClient
        from norce_order_async.testing.transport import SandboxTransport

        settings: dict[str, Any] = {"auth": self._tokens[0], "transport": SandboxTransport(self)}
        if "environment" not in overrides:
            settings["base_url"] = "http://localhost/checkout/order"
        return OrderClient(merchant=merchant, channel=channel, **settings | overrides)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Take one request and make its answer; one that a fault carries out late is carried out at once.

        Args:
            method: The HTTP method, in capitals.
            target: Path and query, percent-encoded; what is in front of ``/api/`` is cut off.
            headers: The headers, in any case.
            body: The body's bytes.
        """
        return self.finish(self.begin(method, target, headers), body)

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Arrival:
        """The first half of :meth:`handle`, for a door that reads the body only if the faults let it."""
        path, mark, query = target.partition("?")
        path = path[max(path.find("/api/"), 0) :]
        resource, ids = self._contract.find(path)
        operation = resource.operations.get(method) if resource else None
        with self._lock:
            mishap = self.faults.draw(operation.name if operation else None)
        lowered = {name.lower(): value for name, value in headers.items()}
        return Arrival(method, path + mark + query, lowered, resource, operation, ids, mishap)

    def finish(self, arrival: Arrival, body: bytes) -> Answer:
        """The second half of :meth:`handle`."""
        headers = {"date": formatdate(self._wall(), usegmt=True)}
        if "x-request-id" in arrival.headers:
            headers["x-request-id"] = arrival.headers["x-request-id"]
        name = arrival.operation.name if arrival.operation else None
        fault = arrival.mishap.fault
        applied = False
        with self._lock:
            try:
                if fault is not None and not fault.carries_out:
                    status, content = _instead(fault, headers)
                else:
                    status, content = self._carry_out(arrival, body)
                    applied = True
            except Refused as refused:
                status, content = refused.status, _error(refused.code, str(refused))
                headers |= refused.headers
            self.count += 1
            self.requests.append(Received(arrival.method, arrival.target, arrival.headers, body, name, status, applied))
        if content:
            headers.setdefault("content-type", "application/json")
        return Answer(status, headers, content, name, arrival.mishap)

    def _carry_out(self, arrival: Arrival, body: bytes) -> tuple[int, bytes]:
        """Check a request and do what it asks for; the status and body to answer."""
        operation, headers = arrival.operation, arrival.headers
        if arrival.resource is None:
            raise Refused(404, "unknown-path", "The API has no such path.")
        if operation is None:
            allowed = ", ".join(arrival.resource.operations)
            raise Refused(405, "method-not-allowed", f"This path takes {allowed}.", allow=allowed)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self._tokens:
            raise Refused(401, "unauthorized", "The bearer token is missing or unknown.", www_authenticate="Bearer")
        for name in ("x-merchant", "x-channel"):
            value = headers.get(name, "")
            if not value or not value.isprintable():
                raise Refused(400, "bad-request", f"The header {name} is missing, empty or not text.")
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise Refused(501, "not-in-sandbox", f"The sandbox does not implement {operation.name}.")
        content = _read(operation, headers.get("content-type", ""), body) if operation.takes_body else None
        result = handler(self._store, Ask(headers["x-merchant"], headers["x-channel"], arrival.ids, content))
        return operation.success, b"" if result is None else _write(result)


def _read(operation: ContractOperation, media_type: str, body: bytes) -> JSON:
    """The body of a request, checked."""
    if len(body) > MAX_BODY:
        raise Refused(413, "too-large", f"The body is larger than {MAX_BODY} bytes.")
    if not body:
        if operation.needs_body:
            raise Refused(400, "bad-request", "The body is missing.")
        return None
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(400, "bad-request", "The header content-type is not application/json.")
    try:
        content = decode_json(body)
        # What is stored has to be written again, two levels down in an order.
        _write([[content]])
    except WireError as error:
        raise Refused(400, "bad-request", f"$: {error.args[0]}") from None
    if violation := operation.violation(content):
        raise Refused(400, "bad-request", violation)
    return content


def _instead(fault: Fault, headers: dict[str, str]) -> tuple[int, bytes]:
    """The status and body that a fault puts in place of the sandbox's own."""
    if fault.kind is FaultKind.DROP_BEFORE:
        return 0, b""
    if fault.retry_after is not None:
        headers["retry-after"] = fault.retry_after
    if fault.body is not None:
        headers["content-type"] = "text/plain"
        return fault.code, fault.body
    return fault.code, _error("sandbox-fault", "A fault that was switched on.") if fault.code >= 400 else b""


def _error(code: str, message: str) -> bytes:
    return _write({"code": code, "message": message})


def _write(content: JSON) -> bytes:
    return encode_json(content, limit=sys.maxsize)
