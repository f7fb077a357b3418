"""Checks that are always on: what clients say of their calls, against what the wire and the server saw of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
from simulation.loop import Host

from norce_order_async import DeadlineExceeded, OutcomeKind
from norce_order_async.core.call import Repeat
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.shop import Shop
from norce_order_async.middleware import Call
from norce_order_async.testing import ReceivedRequest
from norce_order_async.transport import Request, Response

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.stream import Stream
    from simulation.world import World

_REMEMBERED = 7_200.0
"""Seconds for which a request id is remembered: longer than any call, and than anything is on its way."""
_LATE = 0.05
"""Seconds by which a timer may be late."""
_RETRIES = 250
"""More retries than a budget pays for while no call of its shop succeeds."""
_LOOK_EVERY = 250
"""Calls between two looks at what is kept."""
_MARK = b"x-request-id: "
NOTHING_DONE = (OutcomeKind.NOT_SENT, OutcomeKind.REJECTED)


@attrs.define(eq=False)
class _Known:
    """What is known of one request id, whichever processes it was in.

    Attributes:
        since: When the latest call with it began.
        is_once: Whether it may be carried out once only.
        written: How often a request with it was on the wire.
        method: Of the latest one that came to the server.
        status: What that was answered with.
        not_before: When the server wants the next one.
        outcome: In what its latest call has ended.
    """

    since: float
    is_once: bool = False
    written: int = 0
    received: int = 0
    applied: int = 0
    method: str = ""
    status: int = 0
    not_before: float = 0.0
    outcome: OutcomeKind | None = None


@attrs.define(eq=False)
class _UnderWay:
    """What one process has done in a call that has not ended."""

    call: Call
    written: int = 0
    sent: int = 0
    not_before: float = 0.0


@attrs.define(eq=False)
class _Doing:
    """What one process does now: its calls by their ids, and how often it has tried again without a success."""

    calls: dict[str, _UnderWay] = attrs.Factory(dict[str, _UnderWay])
    retries: WeakKeyDictionary[Shop, int] = attrs.Factory(WeakKeyDictionary[Shop, int])


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
        self.on_ended: Callable[[], object] | None = None
        """Called when a call has ended."""
        self.on_look: Callable[[], object] | None = None
        """Called after each so many calls, to look at what is kept."""
        self.ended = 0
        self._known: dict[str, _Known] = {}
        self._begun: deque[tuple[float, str]] = deque()
        self._doing: dict[Host, _Doing] = {}
        world.network.on_write = self.written
        world.on_over = self.process_over

    def violation(self, what: str) -> None:
        """Write down what must not be."""
        self._world.note("check", f"VIOLATION {what}")
        self.violations.append(f"{self._world.now:.6f} {what}")

    # The server's side

    def received(self, request: ReceivedRequest) -> None:
        """The server has decided on a request."""
        self.requests += 1
        request_id = request.headers.get("x-request-id", "")
        seen = self._of(request_id)
        seen.received += 1
        seen.applied += request.applied
        seen.method, seen.status = request.method, request.status
        self._world.note("server", f"{request.method} {request.target} {request_id[:8]} is {request.status}")
        if self.on_received is not None:
            self.on_received(request)
        if seen.received > seen.written:
            self.violation(f"{request_id} came {seen.received} times, and was sent {seen.written} times")
        if request.applied and seen.outcome in NOTHING_DONE and request.method != "GET":
            self.violation(f"{request_id} was {seen.outcome}, and is applied later")
        if request.applied and seen.is_once and seen.applied > 1:
            self.violation(f"{request_id} may be done once, and was applied {seen.applied} times")

    def answered(self, request_id: str, headers: Mapping[str, str]) -> None:
        """The server answers a request."""
        if (asked := headers.get("retry-after", "")).isdigit():
            self._of(request_id).not_before = self._world.now + int(asked)

    def _of(self, request_id: str) -> _Known:
        seen = self._known.get(request_id)
        if seen is None:
            seen = self._known[request_id] = _Known(self._world.now)
            self._begun.append((seen.since, request_id))
        return seen

    # The wire

    def written(self, stream: "Stream", data: bytes) -> None:
        """A client has written something."""
        start = data.find(_MARK)
        if start < 0:
            return
        request_id = data[start + len(_MARK) : data.index(b"\r\n", start)].decode()
        self._world.note(stream.name, f"sends {data[: data.index(b' ')].decode()} {request_id[:8]}")
        if self.on_written is not None:
            self.on_written(request_id)
        self._of(request_id).written += 1
        mine = self._calls_of(stream.loop.host).get(request_id)
        if mine is None:
            self.violation(f"{request_id} is sent after its call has ended")
            return
        mine.written += 1
        if self._world.now < mine.not_before:
            self.violation(f"{request_id} is sent {mine.not_before - self._world.now:.3f} s before Retry-After")
        if (late := self._late(stream.loop.host, mine.call)) > _LATE:
            self.violation(f"{request_id} is sent {late:.3f} s after its deadline")

    # The client's side, as an observer of its calls. What a process had under way when it was killed never ends, and
    # says nothing of its outcome; what it had sent by then is judged as it is written, and as the server decides on it.

    def process_over(self, process: "Process") -> None:
        """A process has ended, or was killed."""
        self._doing.pop(process.host, None)

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return sum(len(doing.calls) for doing in self._doing.values())

    def _calls_of(self, host: Host) -> dict[str, _UnderWay]:
        return self._doing.setdefault(host, _Doing()).calls

    def _late(self, host: Host, call: Call) -> float:
        """Seconds since the deadline of a call, without those in which its process stood still."""
        now = self._world.now
        return now - call.started - call.timeout.total - host.stalled(call.started, now)

    def call_started(self, request: Request) -> None:
        """A call begins."""
        host, call = here(), request.call
        if host.is_dead:
            return
        self._calls_of(host)[call.request_id] = _UnderWay(call)
        seen = self._of(call.request_id)  # a batch calls again with it
        seen.outcome, seen.is_once = None, call.repeat is not Repeat.SAFE
        if seen.since != self._world.now:
            seen.since = self._world.now
            self._begun.append((seen.since, call.request_id))
        self._forget()

    def attempt_started(self, request: Request, attempt: Attempt) -> Mapping[str, str] | None:
        """An attempt begins."""
        call, host = request.call, here()
        if attempt.number > 1 and call.attempts[-2].delay is not None and not host.is_dead:
            retries = self._doing[host].retries
            retries[call.shop] = retries.get(call.shop, 0) + 1
            if retries[call.shop] == _RETRIES:
                self.violation(f"{_RETRIES} retries are made while no call succeeds")
        return None

    def attempt_ended(self, call: Call, attempt: Attempt) -> None:
        """An attempt ends."""
        host = here()
        if host.is_dead:
            return
        mine = self._doing[host].calls[call.request_id]
        mine.sent += attempt.sent is not False
        if attempt.status in (429, 503):
            mine.not_before = self._of(call.request_id).not_before

    def call_ended(self, call: Call, response: Response | None, error: BaseException | None) -> None:
        """A call ends."""
        host = here()
        if host.is_dead:
            return
        mine, theirs = self._doing[host].calls.pop(call.request_id), self._of(call.request_id)
        outcome = theirs.outcome = call.outcome
        self.calls[outcome] = self.calls.get(outcome, 0) + 1
        told = type(error).__name__ if error is not None else ""
        self._world.note(
            host.name, f"{call.operation} {call.request_id[:8]} is {outcome} after {len(call.attempts)} {told}"
        )
        self._check_outcome(call, mine, theirs)
        self._check_time(host, call, error)
        if not outcome.failed:
            self._doing[host].retries.pop(call.shop, None)
        self.ended += 1
        if self.on_look is not None and self.ended % _LOOK_EVERY == 0:
            self.on_look()
        if self.on_ended is not None:
            self.on_ended()

    def _check_outcome(self, call: Call, mine: _UnderWay, theirs: _Known) -> None:
        request_id, outcome = call.request_id, call.outcome
        if mine.written != mine.sent:
            self.violation(f"{request_id} has {mine.sent} attempts that were sent, and {mine.written} on the wire")
        if outcome is OutcomeKind.APPLIED_INFERRED:
            self._check_inferred(call, theirs)
        elif outcome.done and not theirs.applied:
            self.violation(f"{request_id} is {outcome}, and the server has not applied it")
        if outcome in NOTHING_DONE and theirs.applied:
            self.violation(f"{request_id} is {outcome}, and the server has applied it")
        if outcome is OutcomeKind.NOT_SENT and mine.written:
            self.violation(f"{request_id} is {outcome}, and was sent")

    def _check_inferred(self, call: Call, theirs: _Known) -> None:
        """What is inferred is gone, by the server's latest word, and was sent before that.

        Whether that request of ours removed it, or another call did, no client can know: 404 says the same of both.
        """
        if theirs.method != "DELETE" or theirs.status != 404:
            self.violation(f"{call.request_id} is {call.outcome}, and the server said {theirs.status} last")
        if theirs.written < 2 and not call.redelivered:
            self.violation(f"{call.request_id} is {call.outcome}, and was sent {theirs.written} times")

    def _check_time(self, host: Host, call: Call, error: BaseException | None) -> None:
        late = self._late(host, call)
        if late > _LATE:
            self.violation(f"{call.request_id} has outlived its deadline by {late:.3f} s")
        if isinstance(error, DeadlineExceeded) and self._world.now < call.deadline - _LATE:
            self.violation(
                f"{call.request_id} is out of time {call.deadline - self._world.now:.3f} s before its deadline"
            )

    def _forget(self) -> None:
        while self._begun and self._begun[0][0] < self._world.now - _REMEMBERED:
            since, request_id = self._begun.popleft()
            if self._known[request_id].since == since:
                del self._known[request_id]


def here() -> Host:
    """The host of the process whose loop runs."""
    loop: Any = asyncio.get_running_loop()
    host: Host = loop.host
    return host
