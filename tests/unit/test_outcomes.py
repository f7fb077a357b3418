"""What a call amounts to when what came is not what one hopes for; it is true, on the error and in the sums."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from support import Hanging, in_clean_up, scripted

from norce_order_async import (
    Attempt,
    CallError,
    CallOptions,
    ClientClosedError,
    ClientStateError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    NotTheApiError,
    OrderClient,
    OutcomeKind,
    RetryBudget,
    RetryPolicy,
    StatusError,
    Timeout,
    UnexpectedStatusError,
    ValidationFailedError,
    create_consent,
    create_order,
    delete_consent,
    get_order,
    patch_consent,
    validate,
)
from norce_order_async.core.errors import NorceOrderError, TransportError
from norce_order_async.middleware import Call, Handler
from norce_order_async.models import Consent, Order
from norce_order_async.operations import Operation, Repeat, decode_receipt
from norce_order_async.testing.clock import FakeClock
from norce_order_async.testing.conformance.base import settle
from norce_order_async.transport import Request, Response

ERROR = b'{"code": "order-not-found", "message": "Order with id:o_1 not found."}'
GONE = b'{"code": "consent-not-found", "message": "gone"}'
LOST = ConnectionLost("cut", sent=True)


def only(client: OrderClient) -> OutcomeKind:
    """The outcome of the one call that the client has made."""
    (outcome,) = client.stats().outcomes
    return outcome


# A 2xx of the API stays what it means


async def late(request: Request, call_next: Handler) -> Response:
    response = await call_next(request)
    await asyncio.sleep(60)
    return response


async def raising(request: Request, call_next: Handler) -> Response:
    await call_next(request)
    raise ConnectionLost("made up", sent=True)


async def refusing(request: Request, call_next: Handler) -> Response:
    return Response((await call_next(request)).request, 409)


async def breaking(request: Request, call_next: Handler) -> Response:
    await call_next(request)
    raise ZeroDivisionError


@pytest.mark.parametrize("where", ["call_middlewares", "attempt_middlewares"])
@pytest.mark.parametrize(
    ("middleware", "error"),
    [
        (late, DeadlineExceeded),
        (raising, ConnectionLost),
        (refusing, StatusError),
        (breaking, ZeroDivisionError),
    ],
)
@pytest.mark.parametrize(("status", "outcome"), [(200, OutcomeKind.APPLIED), (202, OutcomeKind.ACCEPTED)])
async def test_what_happens_after_the_api_s_yes_does_not_change_it(
    middleware: Any, error: type[Exception], where: str, status: int, outcome: OutcomeKind
) -> None:
    client, _, _ = scripted(status, timeout=Timeout(total=0.05), retry=None, **{where: [middleware]})
    with pytest.raises(error) as caught:
        await create_consent(client, "o_1", Consent(id="ci"))
    if isinstance(caught.value, CallError):
        assert caught.value.outcome is outcome
    assert only(client) is outcome


async def test_a_hook_that_raises_a_cancellation_cancels_nobody() -> None:
    def hook(*_: object) -> None:
        raise asyncio.CancelledError

    client, _, _ = scripted(200, on_attempt=[hook], on_call=[hook])
    assert (await delete_consent(client, "o_1", "ci")).outcome is OutcomeKind.APPLIED


async def test_a_call_that_is_cancelled_after_the_yes_is_applied() -> None:
    client, _, _ = scripted(200, call_middlewares=[late])
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(20)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert only(client) is OutcomeKind.APPLIED


# What the API did not say


PAGE = b"<!doctype html><title>Sign in</title>"
FOREIGN: list[tuple[dict[str, str], bytes]] = [
    ({"content-type": "text/html; charset=utf-8"}, b"sign in"),
    ({"content-type": "application/xhtml+xml"}, b""),
    ({"content-type": "Application/XML"}, b"x"),
    ({}, PAGE),
    ({"content-type": "application/json"}, b"\xef\xbb\xbf\r\n " + PAGE),
    ({}, ERROR),
    ({"content-type": "application/problem+json"}, b'{"title": "Bad Gateway", "status": 502}'),
    ({"content-type": "application/problem+json"}, b'{"status": 502, "detail": "no answer"}'),
    ({}, b'{"type": "about:blank", "title": "x", "detail": "y"}'),
]


@pytest.mark.parametrize(("headers", "body"), [pair for pair in FOREIGN if pair[1]])
@pytest.mark.parametrize(
    "call",
    [partial(delete_consent, order_id="o_1", consent_id="ci"), partial(create_order, order=Order()),
     partial(get_order, order_id="o_1")],
)  # fmt: skip
async def test_a_2xx_that_the_api_did_not_give_is_unknown_and_shows_its_beginning(
    call: Callable[[OrderClient], Any], headers: dict[str, str], body: bytes
) -> None:
    client, transport, _ = scripted((200, headers, body), budget=(budget := RetryBudget()))
    budget.left = 100
    with pytest.raises(NotTheApiError) as caught:
        await call(client)
    error = caught.value
    assert (error.outcome, error.status, error.body, only(client)) == (OutcomeKind.UNKNOWN, 200, body, "unknown")
    assert body[-10:].decode().strip() in str(error)
    assert (len(transport.requests), error.attempts[0].status) == (1, 200)
    assert str(error.attempts[0].error).startswith("NotTheApiError: HTTP 200, but ")
    assert budget.left == 100


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"content-type": "application/json"}, b"{}"),
        ({}, b"null"),
        ({}, b"OK"),
        ({"content-type": "text/plain"}, b"done"),
        ({}, b'{"code": 1, "message": "no text as code"}'),
        ({}, b'{"title": "only a title"}'),
        ({}, b'{"message":'),
    ],
)
async def test_any_other_body_is_a_yes_and_is_told_of_once(
    headers: dict[str, str], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client, _, _ = scripted((200, headers, body))
    for _ in range(3):
        assert (await patch_consent(client, "o_1", "ci", checked=True)).outcome is OutcomeKind.APPLIED
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == bool(body)
    if body:
        assert f"{len(body)} bytes of {headers.get('content-type', 'no type')}" in told[0]
        assert body.decode() not in told[0]


async def test_a_result_that_has_a_member_of_its_own_is_one() -> None:
    client, _, _ = scripted((200, {}, b'{"id": "o_1", "code": "x", "message": "y"}'))
    assert (await get_order(client, "o_1")).id == "o_1"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": ""}', b'{"reference": "r"}'])
async def test_a_read_without_an_id_is_no_order(body: bytes) -> None:
    client, _, _ = scripted((200, {}, body))
    with pytest.raises(DecodeError):
        await get_order(client, "o_1")


async def test_another_order_is_an_error_that_carries_it_and_case_does_not_count() -> None:
    client, _, _ = scripted((200, {}, b'{"id": "O_1"}'), (200, {}, b'{"id": "o_2", "reference": "r"}'))
    assert (await get_order(client, "o_1")).id == "O_1"
    with pytest.raises(DecodeError, match="another order, o_2") as caught:
        await get_order(client, "o_1")
    assert caught.value.result == Order(id="o_2", reference="r")


@pytest.mark.parametrize(
    ("content_type", "outcome"),
    [
        ("application/json", "applied"),
        ("application/vnd.orders+json; charset=utf-8", "applied"),
        ("application/problem+json; charset=utf-8", "unknown"),
        ("text/html", "unknown"),
    ],
)
async def test_a_cut_2xx_is_a_yes_only_where_its_head_says_json(content_type: str, outcome: str) -> None:
    cut = ConnectionLost("cut", sent=True, status=200, content_type=content_type)
    client, _, _ = scripted(cut, retry=None)
    if outcome == "applied":
        await patch_consent(client, "o_1", "ci", checked=True)
    else:
        with pytest.raises(ConnectionLost):
            await patch_consent(client, "o_1", "ci", checked=True)
    assert only(client) == outcome


# What is no "no"


@pytest.mark.parametrize("status", [101, 103, 301, 304, 399, 600, 999, 42])
async def test_only_a_4xx_is_a_no(status: int) -> None:
    client, _, _ = scripted(status)
    with pytest.raises(UnexpectedStatusError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.outcome, only(client)) == (OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN)


DELETE_ORDER = Operation(
    "DeleteCheckoutOrder", "DELETE", "/api/v0/checkout/orders/{order_id}", Repeat.SAFE, decode_receipt
)  # fmt: skip


async def test_a_404_of_the_order_after_a_lost_answer_is_done_where_that_was_deleted() -> None:
    client, _, _ = scripted(LOST, (404, {}, ERROR))
    assert (await client.execute(DELETE_ORDER, order_id="o_1")).inferred


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "no Route matched with those values"}',
        b'{"type": "about:blank", "title": "Not Found", "status": 404}',
        b'[{"message": "Not Found"}]',
        ERROR,
    ],
)
async def test_a_404_of_the_order_or_without_a_code_as_of_a_gateway_tells_nothing_of_the_consent(body: bytes) -> None:
    client, _, _ = scripted(LOST, (404, {}, body))
    with pytest.raises(NotFoundError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is OutcomeKind.UNKNOWN


async def test_a_message_delivered_again_whose_order_does_not_exist_is_unknown() -> None:
    client, _, _ = scripted((404, {}, ERROR))
    with pytest.raises(NotFoundError) as caught:
        await delete_consent(client, "o_1", "ci", options=CallOptions(redelivered=True))
    assert caught.value.outcome is OutcomeKind.UNKNOWN


async def test_202_is_accepted_and_returned() -> None:
    client, transport, _ = scripted(202)
    done = await patch_consent(client, "o_1", "ci", checked=True)
    assert (done.outcome, done.outcome.done, done.outcome.failed) == (OutcomeKind.ACCEPTED, False, False)
    assert (only(client), len(transport.requests)) == (OutcomeKind.ACCEPTED, 1)


# What is tried again, and what it costs


@pytest.mark.parametrize(
    "status", [500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529, 530, 599, 408, 425, 429]
)
async def test_a_failure_that_passes_is_tried_again(status: int) -> None:
    client, transport, _ = scripted(status, 200)
    assert (await delete_consent(client, "o_1", "ci")).attempts == len(transport.requests) == 2


async def test_never_stays_never_also_for_a_429() -> None:
    execute = Operation("Execute", "POST", "/api/v0/execute", Repeat.NEVER, decode_receipt)
    client, transport, _ = scripted(429)
    with pytest.raises(StatusError):
        await client.execute(execute)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("last", [200, 202, (404, {}, GONE)])
async def test_whatever_ends_done_or_accepted_pays_its_retry_back(last: Any) -> None:
    client, _, _ = scripted(LOST, last, budget=(budget := RetryBudget()))
    await delete_consent(client, "o_1", "ci")
    assert budget.left == budget.capacity


# Calls that are cut


async def cut(call: Any, *, cancel: bool) -> BaseException:
    task = asyncio.create_task(call)
    await settle(20)
    if cancel:
        task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    assert error is not None
    return error


@pytest.mark.parametrize("cancel", [True, False])
@pytest.mark.parametrize("reads", [True, False])
async def test_a_call_that_is_cut_after_its_request_went_out_leaves_a_trace(
    cancel: bool, reads: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ended: list[tuple[Call, BaseException | None]] = []
    seen: list[str | None] = []

    def note(call: Call, error: BaseException | None) -> None:
        ended.append((call, error))

    def see(_: Call, attempt: Attempt) -> None:
        seen.append(attempt.error)

    transport = Hanging()
    client, _, _ = scripted(
        transport=transport,
        timeout=Timeout(total=5 if cancel else 0.02),
        on_call=[note],
        on_attempt=[see],
    )
    call = get_order(client, "o_1") if reads else delete_consent(client, "o_1", "ci")
    error = await cut(call, cancel=cancel)
    (told,) = [record for record in caplog.records if "after its request went out" in record.getMessage()]
    assert told.levelno == (logging.DEBUG if reads else logging.WARNING)
    request_id = transport.requests[0].call.request_id
    assert (told.request_id, told.outcome) == (request_id, "unknown")  # type: ignore[attr-defined]  # pyright: ignore
    assert request_id in told.getMessage()
    assert "outcome unknown" in told.getMessage()
    assert (" of 5 s left: " if cancel else "met its deadline of 0.02 s after its") in told.getMessage()
    assert told.total == (5 if cancel else 0.02)  # type: ignore[attr-defined]  # pyright: ignore
    ((account, reason),) = ended
    assert (account.outcome, len(account.attempts), type(reason)) == (OutcomeKind.UNKNOWN, 1, type(error))
    word = "CancelledError" if cancel else "DeadlineExceeded"
    assert seen == [account.attempts[0].error] == [word]
    assert only(client) is OutcomeKind.UNKNOWN


async def test_it_is_told_at_debug_where_its_caller_tells_of_it(caplog: pytest.LogCaptureFixture) -> None:
    client, _, _ = scripted(transport=Hanging())
    call = delete_consent(client, "o_1", "ci", options=CallOptions(log_cut=False))
    await cut(call, cancel=True)
    assert not caplog.records


async def test_each_call_s_end_reaches_the_hooks_of_the_client_and_the_call() -> None:
    ended: list[tuple[str, OutcomeKind, type[BaseException] | None]] = []

    def note(call: Call, error: BaseException | None) -> None:
        ended.append((call.operation, call.outcome, None if error is None else type(error)))

    client, _, _ = scripted(200, (404, {}, ERROR), (200, {}, b"{}"), on_call=[note])
    await delete_consent(client, "o_1", "ci", options=CallOptions(on_call=note))
    with pytest.raises(NotFoundError):
        await get_order(client, "o_1")
    with pytest.raises(DecodeError):
        await get_order(client, "o_1")
    assert ended == [
        ("RemoveCheckoutOrderConsent", OutcomeKind.APPLIED, None),
        ("RemoveCheckoutOrderConsent", OutcomeKind.APPLIED, None),
        ("GetCheckoutOrder", OutcomeKind.REJECTED, NotFoundError),
        ("GetCheckoutOrder", OutcomeKind.APPLIED, DecodeError),
    ]


# Errors


async def test_every_error_has_an_outcome() -> None:
    client, _, _ = scripted()
    with pytest.raises(InvalidRequestError) as bad:
        await delete_consent(client, "a/b", "ci")
    assert bad.value.outcome is OutcomeKind.NOT_SENT
    await client.aclose()
    with pytest.raises(NorceOrderError) as closed:
        await delete_consent(client, "o_1", "ci")
    assert closed.value.outcome is OutcomeKind.NOT_SENT


async def test_an_argument_that_an_attempt_refuses_is_counted_as_what_it_is() -> None:
    def refuse(request: Request) -> Response:
        raise InvalidRequestError("a header holds a line break")

    client, _, _ = scripted(refuse)
    with pytest.raises(InvalidRequestError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.outcome, only(client)) == (OutcomeKind.NOT_SENT, OutcomeKind.NOT_SENT)
    client, _, _ = scripted(LOST, refuse)
    with pytest.raises(InvalidRequestError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.outcome, only(client)) == (OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN)


@pytest.mark.parametrize("error", [ClientStateError("the transport was closed"), InvalidRequestError("no header")])
async def test_a_transport_that_was_closed_after_it_sent_has_sent(error: NorceOrderError) -> None:
    def fail(request: Request) -> Response:
        request.call.mark_sent()
        raise error

    client, _, _ = scripted(fail)
    with pytest.raises(NorceOrderError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.outcome, only(client)) == (OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN)


@pytest.mark.parametrize("raw", [AttributeError("x"), asyncio.CancelledError(), OSError(5, "x"), KeyError("Bearer x")])
@pytest.mark.parametrize("sent", [True, False])
async def test_what_a_transport_raises_that_is_not_ours_becomes_ours(
    raw: BaseException, sent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Request) -> Response:
        request.call.mark_sent(sent)
        raise raw

    client, _, _ = scripted(fail, retry=RetryPolicy(max_attempts=2))
    with pytest.raises(TransportError, match=type(raw).__name__) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome == ("unknown" if sent else "not_sent")
    assert (caught.value.__cause__, caught.value.__context__, len(caught.value.attempts)) == (None, None, 2)
    faults = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(faults) == 2
    assert f"the transport failed: {type(raw).__name__} in support.py:" in faults[0]
    assert f"test_outcomes.py:{fail.__code__.co_firstlineno + 2}" in faults[0]
    assert "Bearer x" not in caplog.text


async def test_a_clock_that_fails_once_a_slot_is_free_takes_no_slot() -> None:
    class Failing(FakeClock):
        fails = False

        def monotonic(self) -> float:
            if self.fails:
                self.fails = False
                raise OSError
            return super().monotonic()

    def fail_next(*_: object) -> None:
        clock.fails = client.stats().calls == 1

    clock = Failing()
    client, _, _ = scripted(200, clock=clock, limit=1, on_call=[fail_next])
    calls = [asyncio.create_task(delete_consent(client, f"o_{number}", "ci")) for number in range(2)]
    await asyncio.wait(calls)
    assert [type(call.exception()) for call in calls] == [type(None), OSError]
    assert client.stats().slots_used == 0
    assert (await delete_consent(client, "o_1", "ci")).outcome is OutcomeKind.APPLIED


async def test_a_transport_that_is_cancelled_by_itself_has_failed_in_a_clean_up_too() -> None:
    def fail(request: Request) -> Response:
        raise asyncio.CancelledError

    client, _, _ = scripted(fail, retry=RetryPolicy(max_attempts=2))
    with pytest.raises(TransportError, match="the transport failed with CancelledError") as caught:
        await in_clean_up(lambda: delete_consent(client, "o_1", "ci"))
    assert len(caught.value.attempts) == 2


@pytest.mark.parametrize("own_task", [False, True])
async def test_a_cancellation_goes_through_in_a_clean_up_too(own_task: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Also that of a task in which a middleware makes the attempt."""

    async def apart(request: Request, call_next: Handler) -> Response:
        attempt = asyncio.ensure_future(call_next(request))
        await transport.sent.wait()
        attempt.cancel()
        return await attempt

    async def call() -> None:
        if own_task:
            await delete_consent(client, "o_1", "ci")
        else:
            me = asyncio.current_task()
            assert me is not None
            asyncio.get_running_loop().call_later(0.01, me.cancel)
            await delete_consent(client, "o_1", "ci")

    transport = Hanging()
    client, _, _ = scripted(transport=transport, attempt_middlewares=[apart] if own_task else [])
    with pytest.raises(asyncio.CancelledError):
        await in_clean_up(call)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("content_type", "body", "code", "message"),
    [
        ("application/problem+json", b'{"title": "No", "detail": "Wrong state"}', None, "No: Wrong state"),
        ("", b'{"title": "Bad", "errors": {"text": ["is long", "x"]}}', None, "Bad: text: is long: text: x"),
        ("", b'[{"code": "a", "message": "b"}, {"code": "c", "adapterId": "d"}]', None, "a: b; c"),
        ("", b'{"errors": [{"code": "a", "message": "b"}]}', None, "a: b"),
        ("", b'{"code": 7, "message": "n"}', "7", "n"),
        ("application/json; charset=iso-8859-1", b'{"message": "H\xe4r"}', None, "H\xe4r"),
        ("application/json; charset=no-such", b'{"message": "x"}', None, "x"),
        ("application/json; charset=windows-1252", b'{"message": "sm\xf6r \x81"}', None, "sm\xf6r \ufffd"),
        ("application/json; charset=ascii", b'{"message": "sm\xc3\xb6r"}', None, "sm\xf6r"),
        ("application/json", b'{"code": "c", "message": "H\xe4r"}', "c", "H\ufffdr"),
    ],
)  # fmt: skip
async def test_what_an_error_body_says(content_type: str, body: bytes, code: str | None, message: str) -> None:
    client, _, _ = scripted((400, {"content-type": content_type}, body))
    with pytest.raises(StatusError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.code, caught.value.message) == (code, message)
    assert message in str(caught.value)


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "rot13", "unicode_escape", "iso-8859-12", "x"])
@pytest.mark.parametrize("status", [200, 400])
async def test_a_charset_that_decodes_nothing_breaks_nothing(status: int, charset: str) -> None:
    client, _, _ = scripted((status, {"content-type": f"text/plain; charset={charset}"}, b"\\N \xff"))
    with pytest.raises(DecodeError if status == 200 else StatusError, match=r"HTTP 400 |cannot be read"):
        await get_order(client, "o_1")


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape"])
@pytest.mark.parametrize("status", [200, 400])
async def test_problems_in_a_charset_of_no_text_are_read_as_utf_8(status: int, charset: str) -> None:
    body = b'[{"code": "+2AA- \\ud800"}]'
    client, _, _ = scripted((status, {"content-type": f"application/json; charset={charset}"}, body))
    with pytest.raises(ValidationFailedError) as caught:
        await validate(client, "o_1")
    assert [problem.code for problem in caught.value.problems] == ["+2AA- \ud800"]


async def test_a_charset_that_is_slow_to_decode_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encodings.punycode.punycode_decode", None)  # it takes seconds for a body like this
    client, _, _ = scripted((404, {"content-type": "text/plain; charset=punycode"}, b"-" + b"a" * 1000))
    with pytest.raises(NotFoundError, match="-aaa"):
        await get_order(client, "o_1")


@pytest.mark.parametrize("charset", ["UTF-16", "utf_16le", "utf-32", "ISO-8859-15", "windows-1252", "cp1252", "latin1"])
async def test_the_charsets_of_text_are_known(charset: str) -> None:
    body = '{"message": "Här"}'.encode(charset)
    client, _, _ = scripted((404, {"content-type": f"application/json; charset={charset}"}, body))
    with pytest.raises(NotFoundError, match="Här"):
        await get_order(client, "o_1")


async def test_an_error_s_text_in_a_named_charset_is_shown_in_it() -> None:
    client, _, _ = scripted((400, {"content-type": "text/plain; charset=latin-1"}, "Här".encode("latin-1")))
    with pytest.raises(StatusError, match="HTTP 400 Här"):
        await delete_consent(client, "o_1", "ci")


@pytest.mark.parametrize(
    "answer",
    [503, 404, (200, {}, PAGE), (200, {}, b"{"), LOST, ConnectionLost("cut", sent=False), "raw", "closed", "deadline"],
    ids=str,
)
async def test_a_call_that_fails_leaves_no_reference_cycle(answer: Any) -> None:
    def fail(request: Request) -> Response:
        raise {"raw": ZeroDivisionError(), "closed": ClientStateError("x")}.get(answer, DeadlineExceeded("late"))

    client, _, _ = scripted(fail if isinstance(answer, str) else answer)
    for _ in range(3):
        with suppress(CallError):
            await get_order(client, "o_1")
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with suppress(CallError):
                await get_order(client, "o_1")
        assert gc.collect() < 10
    finally:
        gc.enable()


# Closing


async def test_closing_ends_at_once_what_waits_for_a_slot_or_a_token() -> None:
    class Source:
        def __init__(self) -> None:
            self.given = 0

        async def get(self, *, rejected: str | None = None) -> str:
            self.given += 1
            if self.given > 3:
                await asyncio.Event().wait()
            return "token"

    transport = Hanging()
    client, _, _ = scripted(transport=transport, limit=2, auth=Source())
    calls = [asyncio.create_task(delete_consent(client, f"o_{n}", "ci")) for n in range(6)]
    await settle(20)
    closing = asyncio.create_task(client.aclose(grace=60))
    await asyncio.wait(calls[2:])
    for call in calls[2:]:
        error = call.exception()
        assert isinstance(error, ClientClosedError)
        assert error.outcome is OutcomeKind.NOT_SENT
    assert not any(call.done() for call in calls[:2])
    await client.aclose(grace=0)
    await closing
    for call in calls[:2]:
        error = call.exception()
        assert isinstance(error, ClientClosedError)
        assert error.outcome is OutcomeKind.UNKNOWN
    assert len(transport.requests) == 2


async def test_who_closes_meanwhile_joins_and_the_shortest_grace_counts() -> None:
    transport = Hanging()
    client, _, _ = scripted(transport=transport)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(20)
    closings = [asyncio.create_task(client.aclose(grace=grace)) for grace in (600, 0.01, 600)]
    await asyncio.gather(*closings)
    assert transport.closed == 1
    assert isinstance(call.exception(), ClientClosedError)
    await client.aclose()


async def test_a_closing_that_is_cancelled_has_no_patience_left() -> None:
    transport = Hanging()
    client, _, _ = scripted(transport=transport)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await settle(20)
    closing = asyncio.create_task(client.aclose(grace=600))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(ClientClosedError):
        await call
    assert closing.cancelled()
    await client.aclose()
    assert transport.closed == 1


async def test_a_token_source_that_does_not_close_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.sending.lifecycle._TIME_TO_END", 0.01)

    class Source:
        async def get(self, *, rejected: str | None = None) -> str:
            return "token"

        async def aclose(self) -> None:
            await asyncio.Event().wait()

    client, transport, _ = scripted(auth=Source())
    await delete_consent(client, "o_1", "ci")
    await client.aclose(grace=0.01)
    assert transport.closed == 1


async def test_a_token_source_that_fails_to_close_does_not_keep_the_transport_open() -> None:
    class Source:
        async def get(self, *, rejected: str | None = None) -> str:
            return "token"

        async def aclose(self) -> None:
            raise ZeroDivisionError

    client, transport, _ = scripted(auth=Source())
    with pytest.raises(ZeroDivisionError):
        await client.aclose()
    assert transport.closed == 1
