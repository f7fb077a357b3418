"""When the client tries again, how long it waits, and what the account says."""

import asyncio
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from support import TOKEN, ScriptedTransport, scripted
from tenacity import RetryCallState, retry_if_exception_type, wait_fixed, wait_none

from norce_order_async import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ClientClosedError,
    ClientStateError,
    ConflictError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    NotFoundError,
    OutcomeKind,
    PermissionDeniedError,
    RateLimitedError,
    ReadTimeout,
    RetryPolicy,
    ServerError,
    StatusError,
    Timeout,
    TLSError,
    TokenError,
    UnexpectedStatusError,
    create_order,
    delete_consent,
    get_order,
    patch_consent,
)
from norce_order_async.middleware import Handler
from norce_order_async.models import Order
from norce_order_async.transport import Request, Response

BASE_ERROR = b'{"code": "consent-not-found", "message": "gone"}'


async def failing(*script: Any, **settings: Any) -> tuple[CallError, ScriptedTransport, list[float]]:
    """The error that ends a DELETE, what was sent, and what was slept."""
    client, transport, clock = scripted(*script, **settings)
    with pytest.raises(CallError) as caught:
        await delete_consent(client, "o_123", "ci")
    return caught.value, transport, clock.slept


@pytest.mark.parametrize(
    "status",
    [301, 302, 307, 400, 402, 405, 406, 407, 409, 410, 412, 413, 422, 423, 501, 505, 506, 508, 510, 511],
)
async def test_a_final_status_is_not(status: int) -> None:
    error, transport, slept = await failing(status)
    assert isinstance(error, StatusError)
    assert (error.status, len(transport.requests), slept) == (status, 1, [])
    assert error.gave_up is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, UnexpectedStatusError), (400, BadRequestError), (401, AuthenticationError), (403, PermissionDeniedError),
        (404, NotFoundError), (409, ConflictError), (418, UnexpectedStatusError), (429, RateLimitedError),
        (500, ServerError), (599, ServerError),
    ],
)  # fmt: skip
async def test_each_status_has_its_error_with_the_api_s_own_words(status: int, kind: type[StatusError]) -> None:
    error, _, _ = await failing((status, {"x-a": "b"}, BASE_ERROR), retry=None)
    assert type(error) is kind
    assert isinstance(error, StatusError)
    assert (error.code, error.message, error.headers, error.body) == (
        "consent-not-found",
        "gone",
        {"x-a": "b"},
        BASE_ERROR,
    )
    assert "consent-not-found: gone" in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"code": true}', b"\xff\xfe", b"[" * 100_000]
)
async def test_an_error_body_may_be_anything(body: bytes) -> None:
    error, _, _ = await failing((502, {}, body), retry=None)
    assert isinstance(error, ServerError)
    assert (error.code, error.message, error.body) == (None, None, body)


async def test_the_error_keeps_every_attempt() -> None:
    error, _, slept = await failing(ConnectError("refused", sent=False), 503, ReadTimeout("slow", sent=True))
    assert [(a.number, a.sent, a.status, a.error) for a in error.attempts] == [
        (1, False, None, "ConnectError: refused"),
        (2, True, 503, None),
        (3, True, None, "ReadTimeout: slow"),
    ]
    assert [a.delay for a in error.attempts] == [*slept, None]
    assert isinstance(error, ReadTimeout)
    assert isinstance(error, TimeoutError)
    assert error.gave_up == "the limit is 3 attempts"
    assert error.elapsed == pytest.approx(sum(slept))
    assert error.operation == "RemoveCheckoutOrderConsent"
    assert "3 attempts" in str(error)


async def test_errors_pickle_with_all_they_know() -> None:
    for script in ([503], [ReadTimeout("slow", sent=True)]):
        error, _, _ = await failing(*script)
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)
        assert copy.__dict__ == error.__dict__
        assert TOKEN.encode() not in pickle.dumps(error)


OUTCOMES: list[tuple[list[Any], str]] = [
    ([(404, {}, BASE_ERROR)], "rejected"),
    ([400], "rejected"),
    ([ConnectError("refused", sent=False)], "not_sent"),
    ([ConnectError("refused", sent=False), 400], "rejected"),
    ([429, ConnectError("refused", sent=False)], "rejected"),
    ([500], "unknown"),
    ([ConnectionLost("cut", sent=True)], "unknown"),
    ([ConnectionLost("cut", sent=None)], "unknown"),
    ([ConnectionLost("cut", sent=True), 400], "unknown"),
    ([502, 403], "unknown"),
    ([ConnectionLost("cut", sent=True), (404, {}, b"<html>")], "unknown"),
    ([ConnectionLost("cut", sent=True), (404, {}, b"{}")], "unknown"),
]


@pytest.mark.parametrize(("script", "outcome"), OUTCOMES)
async def test_the_outcome_is_true(script: list[Any], outcome: str) -> None:
    error, _, _ = await failing(*script)
    assert error.outcome == outcome


@pytest.mark.parametrize("lost", [ConnectionLost("cut", sent=True), 502])
async def test_a_deletion_that_finds_nothing_after_a_lost_answer_is_done(lost: Any) -> None:
    client, _, _ = scripted(lost, (404, {}, BASE_ERROR))
    done = await delete_consent(client, "o_123", "ci")
    assert (done.status, done.attempts, done.inferred) == (404, 2, True)
    assert done.outcome is OutcomeKind.APPLIED_INFERRED


async def test_a_patch_that_finds_nothing_after_a_lost_answer_stays_unknown() -> None:
    client, _, _ = scripted(ConnectionLost("cut", sent=True), (404, {}, BASE_ERROR))
    with pytest.raises(NotFoundError) as caught:
        await patch_consent(client, "o_123", "ci", checked=True)
    assert caught.value.outcome is OutcomeKind.UNKNOWN


async def test_what_a_call_that_is_handed_in_again_says_is_of_its_last_round() -> None:
    async def twice(request: Request, call_next: Handler) -> Response:
        await call_next(request)
        return await call_next(request)

    client, transport, _ = scripted(503, 503, 409, call_middlewares=[twice], retry=RetryPolicy(max_attempts=2))
    with pytest.raises(ConflictError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (len(transport.requests), caught.value.gave_up) == (3, None)


async def test_a_limit_of_one_attempt_is_one_attempt() -> None:
    client, _, _ = scripted(503, retry=RetryPolicy(max_attempts=1))
    with pytest.raises(CallError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.gave_up == "the limit is 1 attempt"


async def test_a_creation_is_only_repeated_while_nothing_was_sent() -> None:
    client, transport, _ = scripted(ConnectError("refused", sent=False), (201, {}, b'"o_1"'))
    assert await create_order(client, Order()) == "o_1"
    assert len(transport.requests) == 2
    client, transport, _ = scripted(429, (201, {}, b'"o_1"'))
    assert await create_order(client, Order()) == "o_1"
    assert len(transport.requests) == 2
    for failure in (503, 530, ConnectionLost("cut", sent=True), ConnectionLost("cut", sent=None)):
        client, transport, _ = scripted(failure)
        with pytest.raises(CallError) as caught:
            await create_order(client, Order())
        assert len(transport.requests) == 1
        assert caught.value.gave_up == "sending this operation again could do it twice"


async def test_a_refused_certificate_is_final() -> None:
    error, transport, _ = await failing(TLSError("self-signed", sent=False))
    assert len(transport.requests) == 1
    assert error.outcome is OutcomeKind.NOT_SENT


async def test_back_off_is_full_jitter() -> None:
    policy = RetryPolicy(max_attempts=12)
    waits: list[list[float]] = []
    for _ in range(200):
        _, _, slept = await failing(502, retry=policy, timeout=Timeout(total=10_000))
        waits.append(slept)
    for n, column in enumerate(zip(*waits, strict=True)):
        widest = min(20.0, 0.2 * 2**n)
        assert max(column) <= widest
        assert max(column) > 0.9 * widest
        assert min(column) < 0.1 * widest


async def test_a_throttled_client_starts_with_a_wider_back_off() -> None:
    for answer in (429, (503, {"retry-after": "1"}, b"")):
        firsts = [(await failing(answer, retry=RetryPolicy(max_attempts=2)))[2][0] for _ in range(50)]
        assert max(firsts) > 0.5


def http_dates(at: datetime) -> list[str]:
    return [
        format_datetime(at, usegmt=True),
        at.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        at.strftime("%a %b %e %H:%M:%S %Y"),
    ]


async def test_retry_after_is_never_undercut() -> None:
    now = datetime(2026, 1, 12, 8, 21, 29, tzinfo=UTC)
    asks = [({"retry-after": "7"}, 7.0), ({"retry-after": "6.2"}, 7.0), ({"retry-after": " 7.0 "}, 7.0)]
    asks += [
        ({"retry-after": date, "date": format_datetime(now, usegmt=True)}, 7.0)
        for date in http_dates(now + timedelta(seconds=7))
    ]
    asks += [({"retry-after": date}, 7.0) for date in http_dates(datetime.fromtimestamp(1_768_204_889.0 + 7, UTC))]
    for headers, seconds in asks:
        error, _, slept = await failing((429, headers, b""), retry=RetryPolicy(max_attempts=2))
        assert error.attempts[0].retry_after == pytest.approx(seconds)
        assert slept[0] >= seconds
        assert slept[0] <= seconds + 0.8


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "soon",
        "",
        "7 s",
        "\u0667",
        "Mon, 99 Foo 2026 00:00:00 GMT",
        "1e3",
        "Mon, 01 Jan 2030 00:00:00 +999999999999999999",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "1 Jan 2030 00:00 +0200",
    ],
)
async def test_a_retry_after_that_is_none_is_ignored(value: str) -> None:
    error, _, slept = await failing((429, {"retry-after": value}, b""), retry=RetryPolicy(max_attempts=2))
    assert error.retry_after is None
    assert slept[0] <= 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3600", 3600),
        ("9" * 300, 999_999_999),
        ("9" * 5000, 999_999_999),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 999_999_999),
    ],
    ids=["hour", "huge", "infinite", "date"],
)
async def test_a_server_that_asks_for_too_long_ends_the_call_at_once(value: str, seconds: int) -> None:
    error, transport, slept = await failing((429, {"retry-after": value}, b""))
    assert (len(transport.requests), slept) == (1, [])
    assert error.retry_after == seconds
    assert error.gave_up == f"the server asks to wait {seconds} s"


async def test_nothing_sleeps_past_the_deadline() -> None:
    error, transport, slept = await failing((429, {"retry-after": "20"}, b""), timeout=Timeout(total=30))
    assert isinstance(error, RateLimitedError)
    assert len(transport.requests) == 2
    assert sum(slept) < 30
    assert error.gave_up is not None
    assert "deadline" in error.gave_up


async def test_an_attempt_gets_no_limit_of_its_own_where_the_deadline_is_nearer() -> None:
    client, transport, _ = scripted(
        503, 200, timeout=Timeout(total=10, attempt=8), retry=RetryPolicy(wait=wait_fixed(7))
    )
    await delete_consent(client, "o_123", "ci")
    assert transport.timeouts == [8.0, None]  # what is left of the total is the deadline's


async def test_the_deadline_covers_everything_that_a_call_does() -> None:
    class Stuck:
        async def get(self, *, rejected: str | None = None) -> str:
            await asyncio.Event().wait()
            return TOKEN

    client, transport, _ = scripted(auth=Stuck(), timeout=Timeout(total=0.02))
    with pytest.raises(DeadlineExceeded, match=r"not ended within 0\.02 s") as caught:
        await delete_consent(client, "o_123", "ci")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert transport.requests == []


async def test_a_timeout_of_the_caller_is_the_caller_s() -> None:
    client, _, _ = scripted(lambda request: pytest.fail("not reached"))

    async def hang(request: Any, *, timeout: float | None) -> Any:
        await asyncio.Event().wait()

    client._core.transport.send = hang  # type: ignore[method-assign]  # pyright: ignore
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await delete_consent(client, "o_123", "ci")
    assert not isinstance(caught.value, CallError)


async def test_strategies_of_tenacity_can_be_mixed_in() -> None:
    policy = RetryPolicy(max_attempts=4, wait=wait_none(), retry=retry_if_exception_type(ConnectionLost))
    _, transport, slept = await failing(ConnectionLost("cut", sent=True), retry=policy)
    assert (len(transport.requests), slept) == (4, [0, 0, 0])
    _, transport, _ = await failing(503, retry=policy)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("seconds", [-3.0, float("nan"), float("-inf")])
async def test_a_wait_that_is_no_time_is_none(seconds: float) -> None:
    def wait(state: RetryCallState) -> float:
        return seconds

    chosen: Any = wait
    _, transport, slept = await failing(503, retry=RetryPolicy(max_attempts=3, wait=chosen))
    assert (len(transport.requests), slept) == (3, [0, 0])


async def later(state: RetryCallState) -> float:
    return 0.0


def begun(state: RetryCallState) -> Any:
    """Gives what is to be awaited."""
    return later(state)


def none(state: RetryCallState) -> None:
    """Gives no seconds."""


def words(state: RetryCallState) -> str:
    return "soon"


def endless(state: RetryCallState) -> int:
    """Gives more than a float can hold."""
    return 10**400


@pytest.mark.parametrize(
    ("name", "strategy", "says"),
    [
        ("retry", begun, "retry must be a plain function, but returns a coroutine to be awaited"),
        ("wait", begun, "wait must be a plain function, but returns a coroutine to be awaited"),
        ("wait", none, "wait must return seconds, got NoneType"),
        ("wait", words, "wait must return seconds, got str"),
        ("wait", endless, "wait must return seconds, got int"),
    ],
)
async def test_a_strategy_that_returns_something_else_is_named(name: str, strategy: Any, says: str) -> None:
    client, transport, _ = scripted(503, retry=RetryPolicy(**{name: strategy}))
    with pytest.raises(TypeError, match=says):
        await delete_consent(client, "o_123", "ci")
    assert len(transport.requests) == 1


async def test_concurrent_calls_do_not_share_their_state() -> None:
    policy, timeout = RetryPolicy(max_attempts=300), Timeout(total=10_000)
    client, _, _ = scripted(*([503, 200] * 100), retry=policy, timeout=timeout, budget=None)
    receipts = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(100)))
    assert sum(receipt.attempts for receipt in receipts) == 200


async def test_a_body_that_is_not_what_was_asked_for() -> None:
    client, _, _ = scripted((200, {}, b"[<html>" + b"x" * 5000))
    with pytest.raises(DecodeError) as caught:
        await get_order(client, "o_123")
    assert caught.value.body.startswith("[<html>")
    assert len(caught.value.body) == 1000
    assert caught.value.outcome is OutcomeKind.APPLIED


async def test_a_body_that_was_cut_is_only_missed_where_it_is_needed() -> None:
    def cut(request: Request) -> Response:
        return Response(request, 200, body=b'{"id": "o_1"}', truncated=True)

    client, _, _ = scripted(cut)
    assert (await patch_consent(client, "o_123", "ci", checked=True)).outcome is OutcomeKind.APPLIED
    for call in (get_order(client, "o_123"), create_order(client, Order())):
        with pytest.raises(DecodeError, match="larger than the transport reads") as caught:
            await call
        assert caught.value.outcome is OutcomeKind.APPLIED


class Tokens:
    """Tokens that are handed out one after another, each when the one before was refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked: list[str | None] = []

    async def get(self, *, rejected: str | None = None) -> str:
        self.asked.append(rejected)
        if rejected is not None and rejected == self.tokens[0] and len(self.tokens) > 1:
            del self.tokens[0]
        return self.tokens[0]


async def test_a_refused_token_is_replaced_once() -> None:
    tokens = Tokens("old", "new")
    client, transport, _ = scripted(401, 200, auth=tokens)
    done = await delete_consent(client, "o_123", "ci")
    assert [request.headers["Authorization"] for request in transport.requests] == ["Bearer old", "Bearer new"]
    assert done.attempts == 2
    assert tokens.asked == [None, "old"]


async def test_without_another_token_the_401_stands() -> None:
    for tokens, requests in ((Tokens("only"), 1), (Tokens("old", "new"), 2)):
        client, transport, _ = scripted(401, auth=tokens)
        with pytest.raises(AuthenticationError):
            await delete_consent(client, "o_123", "ci")
        assert len(transport.requests) == requests
    error, transport, _ = await failing(401)
    assert isinstance(error, AuthenticationError)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("token", ["a\r\nb", "", None])
async def test_a_source_that_fails_is_an_auth_error(token: Any) -> None:
    client, transport, _ = scripted(auth=Tokens(token))
    with pytest.raises(TokenError, match="token source") as caught:
        await delete_consent(client, "o_123", "ci")
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert transport.requests == []


async def test_a_middleware_that_fails_without_an_attempt_has_the_last_word() -> None:
    calls = 0

    async def circuit_breaker(request: Request, call_next: Handler, /) -> Response:
        nonlocal calls
        calls += 1
        raise ConnectError("the circuit is open", sent=False)

    error, transport, slept = await failing(200, attempt_middlewares=[circuit_breaker])
    assert isinstance(error, ConnectError)
    assert (calls, transport.requests, slept, error.attempts) == (1, [], [], ())
    assert error.outcome is OutcomeKind.NOT_SENT


async def test_a_transport_that_is_closed_ends_the_call_with_what_it_knows() -> None:
    for script, outcome in (
        ((ConnectionLost("cut", sent=True), closed_transport), OutcomeKind.UNKNOWN),
        ((429, closed_transport), OutcomeKind.REJECTED),
        ((closed_transport,), OutcomeKind.NOT_SENT),
    ):
        client, _, _ = scripted(*script)
        with pytest.raises(ClientClosedError) as caught:
            await delete_consent(client, "o_123", "ci")
        assert caught.value.outcome is outcome


def closed_transport(request: Request) -> Response:
    raise ClientStateError("the transport is closed")


async def test_the_account_of_an_attempt_has_its_time() -> None:
    class Slow(ScriptedTransport):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            clock.now += 2
            return await super().send(request, timeout=timeout)

    client, _, clock = scripted(transport=Slow(400))
    with pytest.raises(BadRequestError) as caught:
        await delete_consent(client, "o_123", "ci")
    assert (caught.value.attempts[0].elapsed, caught.value.elapsed) == (2, 2)


async def test_an_attempt_does_not_begin_after_the_deadline() -> None:
    async def dawdle(request: Request, call_next: Handler, /) -> Response:
        clock.now += 31
        return await call_next(request)

    client, transport, clock = scripted(attempt_middlewares=[dawdle])
    with pytest.raises(DeadlineExceeded) as caught:
        await delete_consent(client, "o_123", "ci")
    assert transport.requests == []
    assert caught.value.outcome is OutcomeKind.NOT_SENT


async def test_a_timeout_of_a_middleware_is_not_taken_for_the_deadline() -> None:
    async def impatient(request: Request, call_next: Handler, /) -> Response:
        raise TimeoutError("mine")

    client, _, _ = scripted(call_middlewares=[impatient])
    with pytest.raises(TimeoutError, match="mine") as caught:
        await delete_consent(client, "o_123", "ci")
    assert not isinstance(caught.value, CallError)


async def test_what_a_server_says_cannot_forge_lines_of_a_terminal() -> None:
    error, _, _ = await failing((400, {}, b'{"message": "a\\nb \\u001b[2J \\ud83d' + b"x" * 5000 + b'"}'))
    assert str(error).isprintable()
    assert len(str(error)) < 600


async def test_waits_at_the_same_time_pass_together_on_a_fake_clock() -> None:
    waits = [(429, {"retry-after": "2"}, b"")] * 20
    client, transport, clock = scripted(*waits, *[200] * 20, timeout=Timeout(total=5))
    await asyncio.gather(*(delete_consent(client, f"o_{number}", "ci") for number in range(20)))
    assert (len(transport.requests), len(clock.slept)) == (40, 20)
    assert clock.monotonic() == max(clock.slept)
