"""The emulated service: it takes requests and gives answers as plain values, without network or event loop.

It keeps to the published contract. Where that is silent it had to choose; docs/sandbox.md has a table of what it chose.
"""

import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from itertools import takewhile
from typing import Final, TypeVar
from urllib.parse import quote

import attrs

from norce_order_async.core.checks import check_token, one_or_several
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.logger import lines_of, logger
from norce_order_async.testing.contract import load_contract
from norce_order_async.testing.sandbox.callbacks import Callbacks
from norce_order_async.testing.sandbox.changes import Changes
from norce_order_async.testing.sandbox.checks import check_request
from norce_order_async.testing.sandbox.exchange import (
    AdapterCall,
    AdapterExchange,
    AdapterReply,
    Arrival,
    Ask,
    Created,
    Exchange,
    ReceivedRequest,
    Refused,
    Result,
    SandboxResponse,
    Steps,
)
from norce_order_async.testing.sandbox.faults import NOT_OVER_SOCKETS, Fault, FaultKind
from norce_order_async.testing.sandbox.handlers import HANDLERS
from norce_order_async.testing.sandbox.listing import FILTERS
from norce_order_async.testing.sandbox.mishaps import Faults
from norce_order_async.testing.sandbox.remembered import Remembered
from norce_order_async.testing.sandbox.store import Store
from norce_order_async.testing.sandbox.validating import validate
from norce_order_async.testing.sandbox.writing import write
from norce_order_async.wire.json import JSON

_BEFORE_API: Final = re.compile(r".*(?=/api/v\d)|.*?(?=/api/)")
"""What a base URL puts in front of the API's own path; it may have ``/api/`` too."""
_logger = logger.child("testing.sandbox.service")
Noted = TypeVar("Noted", ReceivedRequest, AdapterExchange)

SANDBOX_TOKEN: Final = "sandbox-token"
"""The bearer token that a sandbox takes unless it is given others."""


class OrderService:
    """What :class:`Sandbox` is to its transport and its server: requests in, answers out.

    Either calls :meth:`begin`, reads the body, calls :meth:`start`, and, while there is no answer, makes the calls of
    the exchange and hands their replies to :meth:`resume`. Nothing is locked while calls are made.
    """

    def __init__(
        self,
        *,
        tokens: Iterable[str] = (SANDBOX_TOKEN,),
        seed: int = 0,
        strict: bool = False,
        wall: Callable[[], float] = time.time,
        remember: int = 1000,
        callbacks: Callbacks | None = None,
        ignored_filters: Collection[str] = (),
    ) -> None:
        self._contract = load_contract()
        self._tokens = tuple(map(check_token, one_or_several("tokens", tokens)))
        if not self._tokens:
            raise ConfigurationError("a sandbox without tokens takes no requests")
        self._ignored = frozenset(one_or_several("ignored_filters", ignored_filters))
        if unknown := self._ignored - set(FILTERS):
            raise ConfigurationError(f"there is no filter {min(unknown)!r} to ignore: one of {', '.join(FILTERS)}")
        if not isinstance(callbacks, Callbacks | None):
            raise ConfigurationError(f"callbacks must be Callbacks, got {kind_of(callbacks)}")
        if not isinstance(remember, int) or remember < 0:
            raise ConfigurationError(f"remember must be a whole number of requests, or 0, got {remember!r}")
        self._strict = strict
        self._wall = wall
        # A stream for each, as two that draw the same make the same ids.
        self._store = Store(random.Random(f"{seed} ids"), wall)
        self._lock = threading.Lock()
        self._seeds = random.Random(seed)
        self.faults = Faults(self._contract.names, random.Random(f"{seed} faults"))
        self.requests: deque[ReceivedRequest] = Remembered(maxlen=remember)
        self.count = 0
        self.has_callbacks = callbacks is not None
        self.callbacks = Callbacks() if callbacks is None else callbacks
        self.called: deque[AdapterExchange] = Remembered(maxlen=remember)
        self._noted = 0
        self._changes = Changes(self._store, self.callbacks)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> SandboxResponse:
        """Take one request and make its answer, as if every adapter agreed.

        Args:
            method: The HTTP method, in capitals.
            target: Path and query, percent-encoded; what is in front of ``/api/`` is cut off.
            headers: The headers, in any case.
            body: The body's bytes.
        """
        exchange = self.start(self.begin(method, target, headers), body)
        while exchange.answer is None:
            self.resume(exchange, [AdapterReply(200)] * len(exchange.calls))
        return exchange.answer

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Arrival:
        """Take a request without its body, which is to be read only if the faults let it."""
        path, mark, query = target.partition("?")
        before = _BEFORE_API.match(path)
        path = path[before.end() :] if before else path
        resource, ids = self._contract.find(path)
        operation = resource.operations.get(method) if resource else None
        # Spaces around a value are none of it: a server gets it without them.
        lowered = {name.lower(): value.strip(" \t") for name, value in headers.items()}
        with self._lock:
            name = operation.name if operation else None
            mishap = self.faults.draw(name, ids.get("order_id"), lowered.get("x-merchant"))
        return Arrival(method, path + mark + query, lowered, resource, operation, ids, mishap)

    def start(self, arrival: Arrival, body: bytes) -> Exchange:
        """Carry a request out as far as it goes without calls to adapters."""
        exchange = self._exchange(arrival, body)
        fault = arrival.mishap.fault
        with self._lock:
            if fault is not None and not fault.carries_out:
                self._conclude(exchange, *_instead(fault), applied=False)
            else:
                self._advance(exchange, None)
        return exchange

    def resume(self, exchange: Exchange, replies: Sequence[AdapterReply]) -> None:
        """Go on with a request, with the replies to its calls."""
        with self._lock:
            self._advance(exchange, replies)

    def drop(self, exchange: Exchange) -> None:
        """End a request that nobody waits for any longer; one that is not stored yet never is. Either is noted."""
        with self._lock:
            exchange.steps.close()
            if exchange.answer is None:
                self._conclude(exchange, 0, {}, b"", applied=False)

    def forget(self, arrival: Arrival, body: bytes) -> None:
        """Note a request that is never carried out."""
        self.drop(self._exchange(arrival, body))

    def note_call(self, call: AdapterCall, reply: AdapterReply, elapsed: float) -> None:
        """Note a call to an adapter."""
        with self._lock:
            self.called.append(AdapterExchange(call, reply, elapsed, self._wall(), self._next_number()))

    def noted_after(self, number: int) -> list[ReceivedRequest | AdapterExchange]:
        """What was noted after this number and is still remembered, oldest first."""
        with self._lock:
            noted: list[ReceivedRequest | AdapterExchange] = [
                *_after(self.requests, number),
                *_after(self.called, number),
            ]
        return sorted(noted, key=lambda one: one.number)

    @contextmanager
    def held(self) -> Generator[Store]:
        """The stored orders, while no request is carried out."""
        with self._lock:
            yield self._store

    @property
    def tokens(self) -> tuple[str, ...]:
        """The bearer tokens that it takes."""
        return self._tokens

    @property
    def operations(self) -> frozenset[str]:
        """The operationIds of the API."""
        return self._contract.names

    def _next_number(self) -> int:
        self._noted += 1
        return self._noted

    def _exchange(self, arrival: Arrival, body: bytes) -> Exchange:
        headers = {"date": formatdate(self._wall(), usegmt=True)}
        if "x-request-id" in arrival.headers:
            headers["x-request-id"] = arrival.headers["x-request-id"]
        notices: list[AdapterCall] = []
        return Exchange(arrival, body, headers, self._steps(arrival, body, notices), notices)

    def _steps(self, arrival: Arrival, body: bytes, notices: list[AdapterCall]) -> Steps:
        name, ask = check_request(arrival, body, tokens=self._tokens, strict=self._strict)
        if self._ignored:
            query = {member: value for member, value in ask.query.items() if member not in self._ignored}
            ask = attrs.evolve(ask, query=query)
        if name == "Validate":
            return (yield from validate(self._store, ask, self.callbacks))
        handler = HANDLERS[name]
        if arrival.method != "GET" and name != "DeleteCheckoutOrder" and self._is_watched(ask):
            return (yield from self._changes.make(handler, ask, arrival.headers.get("x-adapterid"), notices))
        return handler(self._store, ask)

    def _is_watched(self, ask: Ask) -> bool:
        """Whether somebody is to be called about changes of the order."""
        order = self._store.get(ask.merchant, ask.channel, ask.ids.get("order_id", ""))
        return order is not None and bool(order.get("hooks") or order.get("notifications"))

    def _advance(self, exchange: Exchange, replies: Sequence[AdapterReply] | None) -> None:
        try:
            self._step(exchange, replies)
        except Refused as refused:
            self._conclude(exchange, refused.status, refused.headers, write(refused.body), applied=False)
        except Exception as error:  # whatever a test put into an order
            arrival, what = exchange.arrival, type(error).__name__  # not its text, which may hold a value
            name = arrival.operation.name if arrival.operation else arrival.method
            _logger.error("%s failed: %s in %s", name, what, lines_of(error))
            message = self._flaw(arrival) or f"The sandbox met {what}."
            failed: JSON = {"code": "sandbox-failed", "message": message}
            self._conclude(exchange, 500, {}, write(failed), applied=False)

    def _step(self, exchange: Exchange, replies: Sequence[AdapterReply] | None) -> None:
        try:
            exchange.calls = exchange.steps.send(replies)  # type: ignore[arg-type]  # the first one is None
        except StopIteration as end:
            operation = exchange.arrival.operation
            assert operation is not None
            headers, content = _rendered(exchange.arrival, end.value)
            self._conclude(exchange, operation.success, headers, content, applied=True)

    def _flaw(self, arrival: Arrival) -> str | None:
        """What breaks the contract in the order that a request is about, or in one of those that it lists."""
        merchant, channel = (arrival.headers.get(name, "") for name in ("x-merchant", "x-channel"))
        order_id = arrival.ids.get("order_id")
        one = None if order_id is None else self._store.get(merchant, channel, order_id)
        for order in self._store.orders_of(merchant, channel) if one is None else (one,):
            if (violation := self._contract.order.violation(order)) is not None:
                return f"Order with id:{order['id']} breaks the contract: {violation}"
        return None

    def _conclude(
        self, exchange: Exchange, status: int, headers: Mapping[str, str], content: bytes, *, applied: bool
    ) -> None:
        """Make the answer, and note the request."""
        arrival = exchange.arrival
        name = arrival.operation.name if arrival.operation else None
        all_headers = {**exchange.headers, **headers}
        if content:
            all_headers.setdefault("content-type", "application/json")
        self.count += 1
        self.requests.append(
            ReceivedRequest(
                arrival.method,
                arrival.target,
                arrival.headers,
                exchange.body,
                name,
                status,
                applied,
                arrival.mishap,
                time.perf_counter() - exchange.begun,
                self._wall(),
                self._next_number(),
            )
        )
        exchange.answer = SandboxResponse(status, all_headers, content, name, arrival.mishap)


def _after(noted: Sequence[Noted], number: int) -> Iterable[Noted]:
    return takewhile(lambda one: one.number > number, reversed(noted))


def _rendered(arrival: Arrival, result: Result) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a success."""
    if isinstance(result, Created):
        path = arrival.target.partition("?")[0]
        return {"location": f"{path}/{quote(result.id, safe='')}"}, write({"id": result.id})
    return {}, b"" if result is None else write(result)


def _instead(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body that a fault puts in place of the service's own."""
    if fault.kind is FaultKind.DROP_BEFORE:
        return 0, {}, b""
    if fault.kind is FaultKind.REFUSE:
        return 501, {}, write({"code": "sandbox-fault", "message": f"{NOT_OVER_SOCKETS}."})
    headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    if fault.body is not None:
        return fault.code, {**headers, "content-type": "text/plain"}, fault.body
    if fault.code < 400:
        return fault.code, headers, b""
    return fault.code, headers, write({"code": "sandbox-fault", "message": "A fault that was switched on."})
