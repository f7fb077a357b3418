"""Finding out what became of a change whose answer was lost."""

import math

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.call import TimedAttempts
from norce_order_async.core.checks import check_bool, check_seconds
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.options import CallOptions, limits_of
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.settings import Timeout
from norce_order_async.core.shapes import check_client, described, has_method
from norce_order_async.endpoints.findings import Finding, Sight
from norce_order_async.endpoints.looks import Begun, Look, can_look, look_for
from norce_order_async.endpoints.requested import ApiChange, operation_of, requested, scoped_to
from norce_order_async.endpoints.resolution import Resolution, Verdict, shown_time
from norce_order_async.wire.decoders import Receipt

_BY_OUTCOME = {
    OutcomeKind.APPLIED: Resolution(Verdict.APPLIED, "the API said yes"),
    OutcomeKind.APPLIED_INFERRED: Resolution(Verdict.APPLIED, "a later attempt found nothing left"),
    OutcomeKind.REJECTED: Resolution(Verdict.NOT_APPLIED, "the API said no, and no attempt was left without an answer"),
    OutcomeKind.NOT_SENT: Resolution(Verdict.NOT_APPLIED, "nothing of it reached the server"),
}


def settle_of(timeout: Timeout) -> float:
    """As long as an attempt may take, in seconds; where there is no limit, as long as it may take by default."""
    return timeout.attempt if timeout.attempt < math.inf else Timeout().attempt


@attrs.frozen
class Window:
    """When a change may have been carried out.

    Attributes:
        begun: The wall time of its first attempt, as the clock said then; None where that is not known.
        started: The monotonic time of it.
        due: The monotonic time from which on nothing of it can be under way.
        accepted: Whether the API has taken it in, and works on it for nobody knows how long.
        redelivered: Whether an earlier call of it, of which nobody knows when it began, may have carried it out.
    """

    begun: float | None
    started: float
    due: float
    accepted: bool
    redelivered: bool = False

    def begun_by(self, clock: Clock) -> Begun | None:
        """When its first attempt began, as the clock said then and as it says now: it may have been set meanwhile."""
        if self.begun is None:
            return None
        return self.begun, clock.wall() - (clock.monotonic() - self.started)


async def resolve(
    client: OrderClient,
    change: ApiChange,
    error_or_receipt: CallError | Receipt,
    wait: bool = True,
    *,
    later: bool = False,
    settle: float | None = None,
    options: CallOptions | None = None,
) -> Resolution:
    """Find out what became of a change: read back what it was to change, and compare.

    ::

        try:
            await change.apply(client)
        except CallError as error:
            if error.outcome is OutcomeKind.UNKNOWN:
                print(await resolve(client, change, error))

    Only reads are sent, and none where the outcome says enough. ``applied`` means that what the change asks for stands
    and came to stand after the first attempt. ``not_applied`` is said only when no request of the change can be under
    way any more: a request that was given up may still be carried out, so that takes a settling time. Another writer
    may have changed the same since, or have made the same change; the evidence says when that is possible. Where the
    call was ``redelivered``, what was there before it may be the work of the earlier one.

    Args:
        client: What to read with; its clock is compared with that of the service, by the ``Date`` of an answer.
        change: What was to be changed.
        error_or_receipt: How the call ended.
        wait: Wait until nothing can be under way any more, if it has to be; False says ``cannot_tell`` instead.
        later: A later change of the same was made, or may have been: then nothing can be told.
        settle: Seconds for which a request may be carried out after it was given up; None is as long as an attempt may
            take with these options.
        options: What each read has otherwise than the client: give those that the change was made with.

    Raises:
        TypeError: ``change`` is no change, ``error_or_receipt`` is neither, the change holds something of the wrong
            type, or the options are no :class:`CallOptions`.
        InvalidRequestError: The change cannot be sent at all, or is of another operation than the error or receipt.
        ConfigurationError: ``settle`` is no number of seconds.
        ClientStateError: The client is closed.
    """
    _check_operation(change, error_or_receipt)
    check_bool("wait", wait)
    limits = limits_of(options, check_client(client).timeout)
    settle = check_seconds("settle", settle_of(limits) if settle is None else settle)
    if (known := _BY_OUTCOME.get(error_or_receipt.outcome)) is not None:
        return known
    if later:
        return _unclear("a later change of the same was made, or may have been")
    window, clock = window_of(error_or_receipt, settle, client.clock), client.clock
    while True:
        is_over = window.due <= clock.monotonic()
        try:
            told, is_final = await look_at(client, change, window, options)
        except CallError as error:
            told, is_final = not_read(error), is_over
        if is_final or not wait:
            return told
        while (left := window.due - clock.monotonic()) > 0:
            await clock.sleep(left)


async def look_at(
    client: OrderClient, change: ApiChange, window: Window, options: CallOptions | None
) -> tuple[Resolution, bool]:
    """Read once what a change was to change; what that tells, and whether another look tells no more.

    Raises:
        CallError: It cannot be read.
        TypeError: The change holds something of the wrong type.
        InvalidRequestError: The change cannot be sent at all.
    """
    operation = operation_of(change)
    if operation is None or not can_look(operation):
        return _unclear("what it leaves has no mark to know it by"), True
    client, clock = scoped_to(client, change), client.clock
    if (sent := requested(change)) is None:
        return _unclear("it is not a single call"), True
    begun, left, at = window.begun_by(clock), window.due - clock.monotonic(), clock.wall()
    look = await look_for(client, operation, sent, begun, redelivered=window.redelivered, options=options)
    told = attrs.evolve(_judged(look, window, begun, left), looked_at=look.looked_at, at=at)
    return told, left <= 0 or window.accepted or look.finding.sight is not Sight.ABSENT


def _judged(look: Look, window: Window, begun: Begun | None, left: float) -> Resolution:
    finding = look.finding
    if finding.sight is Sight.UNCLEAR:
        return _unclear(finding.what)
    if finding.sight is Sight.STANDS:
        return _standing(finding, look, begun)
    if window.accepted:
        return _unclear(f"{finding.what}; the API has taken it in, and may not have finished it")
    if left > 0:
        return _unclear(f"{finding.what}; a request of it may still be carried out for {left:.0f} s")
    moved = look.is_after(look.modified, begun)
    is_seen = moved is False and not window.redelivered
    others = "" if is_seen else "; another writer may have changed that since"
    return Resolution(Verdict.NOT_APPLIED, f"{finding.what}, and no request of it can be under way any more{others}")


def _standing(finding: Finding, look: Look, begun: Begun | None) -> Resolution:
    if look.is_gone:
        return Resolution(Verdict.APPLIED, f"{finding.what}; whether it was there before cannot be seen")
    since = finding.since or look.modified
    if begun is None or since is None:
        return _unclear(f"{finding.what}; nothing says since when")
    first = f"the first attempt ({shown_time(begun[0])})"
    moved = look.is_after(since, begun)
    if moved is None:
        return _unclear(f"{finding.what}, and nothing certain says whether that came after {first}")
    if moved:
        what = "that came" if finding.since else "the order was changed"
        return Resolution(Verdict.APPLIED, f"{finding.what}, and {what} after {first}")
    return _unclear(f"{finding.what}, but may have been before {first}")


def not_read(error: BaseException) -> Resolution:
    """What is said of a change where it could not be read what became of it."""
    return _unclear(f"it could not be read: {type(error).__name__}")


def _unclear(evidence: str) -> Resolution:
    return Resolution(Verdict.CANNOT_TELL, evidence)


def window_of(ended: CallError | Receipt, settle: float, clock: Clock) -> Window:
    """When a change whose call ended so may have been carried out."""
    now, wall = clock.monotonic(), clock.wall()
    if isinstance(ended, Receipt):
        age = 0.0 if ended.at is None else wall - ended.at
        return Window(ended.at, now - age, now, ended.outcome is OutcomeKind.ACCEPTED)
    begun = ended.attempts[0].at if ended.attempts else None
    accepted = any(attempt.success is OutcomeKind.ACCEPTED for attempt in ended.attempts)
    since_start = ended.attempts.age if isinstance(ended.attempts, TimedAttempts) else None
    ages = [_age(attempt, since_start, wall) for attempt in ended.attempts]
    given_up = min(map(_given_up, ended.attempts, ages), default=0.0)
    # A wall time of another machine, or of before the clock was set, must not make it longer.
    due = now + settle - max(0.0, given_up)
    return Window(begun, now - (ages[0] or 0.0 if ages else 0.0), due, accepted, ended.redelivered)


def _age(attempt: Attempt, since_start: float | None, wall: float) -> float | None:
    """How long ago an attempt began, in seconds: by the wall clock where it was not timed by one of this process."""
    if since_start is not None:
        return since_start - attempt.started
    return None if attempt.at is None else wall - attempt.at


def _given_up(attempt: Attempt, age: float | None) -> float:
    """How long ago an attempt was given up, in seconds."""
    if not attempt.ambiguous:
        return math.inf if age is None else age  # an earlier call, if any, had ended before it
    return 0.0 if age is None else age - attempt.elapsed


def _check_operation(change: ApiChange, ended: CallError | Receipt) -> None:
    if not isinstance(ended, CallError | Receipt):
        raise TypeError(f"resolve takes a CallError or a Receipt, got {kind_of(ended)}")
    if not has_method(change, "apply"):
        raise TypeError(f"change must be a change, such as DeleteConsent(...), got {described(change)}")
    operation = operation_of(change)
    if operation is not None and ended.operation not in ("", operation):
        raise InvalidRequestError(f"the change is a {operation}, and the error or receipt is of {ended.operation}")
