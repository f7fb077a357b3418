"""Deliberate defects, each with the workload that should show it."""

import attrs


@attrs.frozen
class Mutant:
    """A defect: a text of the package and what stands in its place.

    Attributes:
        name: Of the defect.
        what: What is wrong then, in words.
        file: The module, as a path in the package.
        before: The text as it is; it stands there once.
        after: What replaces it.
        workload: Which one should show it.
        transport: Over which transport.
    """

    name: str
    what: str
    file: str
    before: str
    after: str
    workload: str
    transport: str = "httptools"


MUTANTS = (
    Mutant(
        "ambiguity-off",
        "no call ends in `unknown`",
        "core/outcome.py",
        "    if redelivered or any(attempt.ambiguous for attempt in attempts):\n",
        "    if redelivered:\n",
        "worker",
    ),
    Mutant(
        "refusal-clears",
        "a refusal clears earlier attempts that may have been applied",
        "core/outcome.py",
        "any(attempt.ambiguous for attempt in attempts)",
        "any(attempt.ambiguous for attempt in attempts[-1:])",
        "worker",
    ),
    Mutant(
        "lost-is-unsent",
        "a connection that is lost under a request counts as one that never had it",
        "transport/http11.py",
        "self._fail_with(ConnectionLost(reason, sent=True, status=self.status))",
        "self._fail_with(ConnectionLost(reason, sent=False, status=self.status))",
        "worker",
    ),
    Mutant(
        "missing-is-done",
        "a DELETE that finds nothing at its first attempt counts as done",
        "wire/operation.py",
        "return OutcomeKind.APPLIED_INFERRED if ambiguous else None",
        "return OutcomeKind.APPLIED_INFERRED",
        "worker",
    ),
    Mutant(
        "repeats-all",
        "what may be sent once only is sent again",
        "middleware/retry.py",
        "if call.repeat is Repeat.NEVER or (call.repeat is Repeat.IF_UNSENT and not attempt.unserved):",
        "if call.repeat is Repeat.NEVER and attempt.unserved:",
        "worker",
    ),
    Mutant(
        "new-request-id",
        "each attempt has another request id",
        "middleware/retry.py",
        "                    last = await attempt(request)\n",
        "                    fresh = {**request.headers, 'x-request-id': call.random.randbytes(16).hex()}\n"
        "                    last = await attempt(Request(call, request.method, request.url, fresh, request.body)"
        " if made else request)\n",
        "worker",
    ),
    Mutant(
        "resent-below",
        "aiohttp sends some requests again by itself",
        "transport/aiohttp.py",
        "middlewares=() if request.method in _NEVER_RESENT else _ONCE,",
        "middlewares=(),",
        "worker",
        "aiohttp",
    ),
    Mutant(
        "retry-after-ignored",
        "a retry comes before the time that the server asked for",
        "middleware/policy.py",
        "return not_before(attempt.retry_after, delay, random)",
        "return delay",
        "worker",
    ),
    Mutant(
        "budget-off",
        "an empty retry budget stops no retry",
        "core/budget.py",
        "        if cost > self.left:\n            return None\n",
        "",
        "rush",
    ),
    Mutant(
        "deadline-skips-waits",
        "the deadline does not cover the wait for a slot, a token or the next attempt",
        "sending/calls.py",
        "        if not self._expired:\n            self.call.timed_out = True\n",
        "        if not self._expired and not self.call.waiting:\n            self.call.timed_out = True\n",
        "web-app",
    ),
    Mutant(
        "wall-clock-deadline",
        "the deadline goes by the wall clock",
        "sending/attempt.py",
        "            left = timeout.total - started\n",
        "            left = (call.at or 0.0) + timeout.total - self.clock.wall()\n",
        "batch",
    ),
    Mutant(
        "cancel-swallowed",
        "a cancelled attempt counts as one that failed",
        "sending/failures.py",
        "(isinstance(error, asyncio.CancelledError) and not lifecycle.is_cancelled(call))",
        "(isinstance(error, asyncio.CancelledError) and bool(lifecycle))",
        "web-app",
    ),
    Mutant(
        "slot-lost",
        "a slot that is given at the moment of a cancellation is not given back",
        "sending/limiter.py",
        "                self.release(turns, -math.inf, now)  # it came together with the cancellation\n",
        "                pass\n",
        "web-app",
    ),
    Mutant(
        "limit-left",
        "the time limit of a call goes on after its end",
        "loops/time_limit.py",
        "        self._all.running.pop(self, None)\n",
        "",
        "worker",
    ),
    Mutant(
        "unread-reused",
        "a connection whose response was not read takes the next request",
        "transport/httptools.py",
        "        if not connection.leave(self.limits) or self._closed:\n",
        "        connection.leave(self.limits)\n        if connection.stream is None or self._closed:\n",
        "web-app",
    ),
    Mutant(
        "dead-connection",
        "a kept connection is not looked at before it is used",
        "transport/httptools.py",
        "if not (too_old or connection.has_unread()):",
        "if not too_old:",
        "worker",
    ),
    Mutant(
        "half-closed",
        "the server's end of a connection is not taken for its end",
        "transport/http11.py",
        "    # Called by the parser\n",
        "    def eof_received(self) -> bool:\n        return True\n\n    # Called by the parser\n",
        "worker",
    ),
    Mutant(
        "refused-token-kept",
        "after a 401 no other token is asked for",
        "middleware/auth.py",
        "        if response.status != 401:\n            return response\n",
        "        if response.status != 401 or request.call.tokens is not None:\n            return response\n",
        "worker",
    ),
    Mutant(
        "order-not-kept",
        "a change does not wait for the one before it of the same resource",
        "batch/engine/schedule.py",
        "        if item.blockers:\n            self._blocked",
        "        if item.blockers > 1:\n            self._blocked",
        "batch",
    ),
    Mutant(
        "settling-off",
        "a change does not wait for a late copy of the one before it",
        "batch/engine/sending.py",
        "(item.lost_at or 0.0) + self._settle)",
        "(item.lost_at or 0.0))",
        "batch",
    ),
    Mutant(
        "journal-late",
        "a change is written down when it may have been sent already",
        "batch/engine/sending.py",
        "            if not taken.is_marked and self._marker.is_needed:\n"
        "                self._marker.taken.append(taken)\n"
        "                break\n",
        "            if not taken.is_marked and self._marker.is_needed:\n"
        "                taken.is_marked = True\n"
        "                asyncio.get_running_loop().call_later(0.01, self._accountant._write, [taken])\n",
        "batch",
    ),
    Mutant(
        "resume-skips-open",
        "a batch that is continued leaves out what was under way",
        "batch/journal/records.py",
        "(state.outcome is None if only",
        "(False if only",
        "batch",
    ),
    Mutant(
        "resume-repeats",
        "a batch that is continued makes again what was done",
        "batch/journal/records.py",
        "(state.outcome is None if only",
        "(True if only",
        "batch",
    ),
    Mutant(
        "resume-forgets",
        "a batch that is continued takes what was under way for never sent",
        "batch/engine/feeding.py",
        "                item.maybe_applied |= state.may_stand\n",
        "",
        "batch",
    ),
)
