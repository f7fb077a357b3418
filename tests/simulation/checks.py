"""Checks that are always on: what clients say of their calls, against what the wire and the server saw of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from norce_order_async import DeadlineExceeded, OutcomeKind
from norce_order_async.core.call import Repeat
from norce_order_async.core.outcome import Attempt
from norce_order_async.middleware import Call
from norce_order_async.testing import ReceivedRequest
from norce_order_async.transport import Request, Response

if TYPE_CHECKING:
    from simulation.stream import Stream
    from simulation.world import World

_REMEMBERED = 7_200.0
"""Seconds for which the end of a call is remembered: longer than anything is on its way."""
_LATE = 0.05
"""Seconds by which a timer may be late."""
_RETRIES = 250
"""More retries than a budget pays for while no call of its shop succeeds."""
_MARK = b"x-request-id: "
_NOTHING_DONE = (OutcomeKind.NOT_SENT, OutcomeKind.REJECTED)


@attrs.define(eq=False)
class _OnTheServer:
    """What the server saw of one request id."""

    received: int = 0
    applied: int = 0
    missing: int = 0
    not_before: float = 0.0
    outcome: OutcomeKind | None = None


@attrs.define(eq=False)
class _OnTheClient:
    """What one process did with one request id."""

    written: int = 0
    written_before: int = 0
    sent: int = 0
    not_before: float = 0.0
    is_under_way: bool = False


class Watch:
    """Sees everything, and writes down what must not be.

    Attributes:
        violations: What was seen that must not be, in words.
        calls: How many calls have ended, by outcome.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.violations: list[str] = []
        self.calls: dict[str, int] = {}
        self.requests = 0
        self.on_received: Callable[[ReceivedRequest], object] | None = None
        """Told of every request that the server has decided on."""
        self.on_written: Callable[[str], object] | None = None
        """Told of the request id of every request that is written."""
        self._server: dict[str, _OnTheServer] = {}
        self._clients: dict[tuple[Any, str], _OnTheClient] = {}
        self._ended: deque[tuple[float, tuple[Any, str]]] = deque()
        self._retries: dict[tuple[Any, Any], int] = {}
        world.network.on_write = self.written

    def violation(self, what: str) -> None:
        """Write down what must not be."""
        self._world.note("check", f"VIOLATION {what}")
        self.violations.append(f"{self._world.now:.6f} {what}")

    # The server's side

    def received(self, request: ReceivedRequest) -> None:
        """The server has decided on a request."""
        self.requests += 1
        request_id = request.headers.get("x-request-id", "")
        seen = self._server.setdefault(request_id, _OnTheServer())
        seen.received += 1
        seen.applied += request.applied
        seen.missing += request.status == 404
        self._world.note("server", f"{request.method} {request.target} {request_id[:8]} is {request.status}")
        if self.on_received is not None:
            self.on_received(request)
        if request.applied and seen.outcome in _NOTHING_DONE and request.method != "GET":
            self.violation(f"{request_id} was {seen.outcome}, and is applied later")

    def answered(self, request_id: str, headers: Mapping[str, str]) -> None:
        """The server answers a request."""
        if (asked := headers.get("retry-after", "")).isdigit():
            self._server.setdefault(request_id, _OnTheServer()).not_before = self._world.now + int(asked)

    # The wire

    def written(self, stream: "Stream", data: bytes) -> None:
        """A client has written something."""
        start = data.find(_MARK)
        if start < 0:
            return
        request_id = data[start + len(_MARK) : data.index(b"\r\n", start)].decode()
        seen = self._clients.get((stream.loop.host, request_id))
        self._world.note(stream.name, f"sends {data[: data.index(b' ')].decode()} {request_id[:8]}")
        if self.on_written is not None:
            self.on_written(request_id)
        if seen is None or not seen.is_under_way:
            self.violation(f"{request_id} is sent after its call has ended")
            return
        seen.written += 1
        if self._world.now < seen.not_before:
            self.violation(f"{request_id} is sent {seen.not_before - self._world.now:.3f} s before Retry-After")

    # The client's side, as an observer of its calls

    def _here(self, call: Call) -> tuple[Any, str]:
        loop: Any = asyncio.get_running_loop()
        return loop.host, call.request_id

    def call_started(self, request: Request) -> None:
        """A call begins."""
        seen = self._clients.setdefault(self._here(request.call), _OnTheClient())
        seen.is_under_way = True
        seen.written_before = seen.written
        self._server.setdefault(request.call.request_id, _OnTheServer()).outcome = None  # a batch calls again with it

    def attempt_started(self, request: Request, attempt: Attempt) -> Mapping[str, str] | None:
        """An attempt begins."""
        call = request.call
        if attempt.number > 1 and call.attempts[-2].delay is not None:
            shop = (self._here(call)[0], call.shop)
            self._retries[shop] = self._retries.get(shop, 0) + 1
            if self._retries[shop] == _RETRIES:
                self.violation(f"{_RETRIES} retries are made while no call succeeds")
        return None

    def attempt_ended(self, call: Call, attempt: Attempt) -> None:
        """An attempt ends."""
        seen = self._clients[self._here(call)]
        if self._here(call)[0].is_dead:
            return
        seen.sent += attempt.sent is not False
        if attempt.status in (429, 503):
            seen.not_before = self._server[call.request_id].not_before

    def call_ended(self, call: Call, response: Response | None, error: BaseException | None) -> None:
        """A call ends."""
        world, key = self._world, self._here(call)
        host, request_id = key
        if host.is_dead:
            return
        mine, theirs = self._clients[key], self._server.setdefault(call.request_id, _OnTheServer())
        mine.is_under_way = False
        outcome, tries = call.outcome, len(call.attempts)
        self.calls[outcome] = self.calls.get(outcome, 0) + 1
        told = type(error).__name__ if error is not None else ""
        world.note(host.name, f"{call.operation} {request_id[:8]} is {outcome} after {tries} {told}")
        if mine.written != mine.sent:
            self.violation(f"{request_id} has {mine.sent} attempts that were sent, and {mine.written} on the wire")
        if theirs.received > mine.written and not call.redelivered:
            self.violation(f"{request_id} came {theirs.received} times, and was sent {mine.written} times")
        is_gone = theirs.missing and (mine.written > 1 or call.redelivered)
        if outcome.done and not theirs.applied and not (outcome is OutcomeKind.APPLIED_INFERRED and is_gone):
            self.violation(f"{request_id} is {outcome}, and the server has not applied it")
        if outcome in _NOTHING_DONE and theirs.applied:
            self.violation(f"{request_id} is {outcome}, and the server has applied it")
        if outcome is OutcomeKind.NOT_SENT and mine.written > mine.written_before:
            self.violation(f"{request_id} is {outcome}, and was sent")
        if call.repeat is not Repeat.SAFE and theirs.applied > 1:
            self.violation(f"{request_id} may be done once, and was applied {theirs.applied} times")
        late = world.now - call.started - call.timeout.total - host.stalled(call.started, world.now)
        if late > _LATE:
            self.violation(f"{request_id} has outlived its deadline by {late:.3f} s")
        if isinstance(error, DeadlineExceeded) and world.now - call.started < call.timeout.total - _LATE:
            self.violation(f"{request_id} is out of time {call.deadline - world.now:.3f} s before its deadline")
        if not outcome.failed:
            self._retries.pop((host, call.shop), None)
        theirs.outcome = outcome
        self._ended.append((world.now, key))
        self._forget()

    def _forget(self) -> None:
        while self._ended and self._ended[0][0] < self._world.now - _REMEMBERED:
            _, key = self._ended.popleft()
            self._clients.pop(key, None)
            self._server.pop(key[1], None)
