"""What a middleware passes on and returns: which header wins, what is refused, and whose call a response is of."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
from support import TOKEN, ScriptedTransport, scripted

from norce_order_async import (
    AuthenticationError,
    CallError,
    CallOptions,
    ClientStateError,
    ConnectError,
    ConnectionLost,
    InvalidRequestError,
    OutcomeKind,
    RetryPolicy,
    ServerError,
    Tracing,
    delete_consent,
    get_order,
    patch_consent,
)
from norce_order_async.middleware import Call, Handler, Middleware
from norce_order_async.transport import Request, Response

PLACES = ["call_middlewares", "attempt_middlewares"]


@pytest.mark.parametrize("retry", [None, RetryPolicy()])
@pytest.mark.parametrize("where", PLACES)
async def test_a_middleware_that_returns_no_response_is_told_as_that(where: str, retry: RetryPolicy | None) -> None:
    async def forgets(request: Request, call_next: Handler) -> Any:
        await call_next(request)

    settings: dict[str, Any] = {where: [forgets]}
    client, transport, _ = scripted(retry=retry, **settings)
    with pytest.raises(ClientStateError, match="a middleware returned NoneType, not the Response") as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is OutcomeKind.APPLIED
    assert len(transport.requests) == 1


Change = Callable[[Request], Any]


def passing_on(change: Change) -> Middleware:
    """A middleware that passes on what this makes of its request."""

    async def middleware(request: Request, call_next: Handler) -> Response:
        return await call_next(change(request))

    return middleware


def with_headers(**headers: str) -> Middleware:
    """A middleware that puts these headers behind the others, in the letters in which they are given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return passing_on(lambda request: attrs.evolve(request, headers={**request.headers, **named}))


def shown_frames(error: BaseException) -> str:
    """The local variables of all frames below the caller's, as their reprs show them."""
    shown: list[str] = []
    traceback = error.__traceback__ and error.__traceback__.tb_next
    while traceback is not None:
        for value in traceback.tb_frame.f_locals.values():
            with suppress(AttributeError):  # a request whose headers are none
                shown.append(repr(value))
        traceback = traceback.tb_next
    assert shown
    return "".join(shown)


def with_items(request: Request, headers: Any) -> Request:
    """The request with what may be no headers."""
    return attrs.evolve(request, headers=headers)


UNFIT: list[tuple[Change, type[Exception], str]] = [
    (lambda _: None, ClientStateError, "a middleware gave call_next NoneType, not a Request"),
    (lambda request: request.headers, ClientStateError, "a middleware gave call_next dict, not a Request"),
    (
        lambda request: with_items(request, list(request.headers.items())),
        InvalidRequestError,
        "headers must be a mapping, got list",
    ),
    (lambda request: request.with_headers(x_a="a\nb"), InvalidRequestError, "the header 'x-a' holds a line break"),
    (
        lambda request: with_items(request, {**request.headers, 3: "x"}),
        InvalidRequestError,
        "a header's name is not text: 3",
    ),
]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(("change", "kind", "says"), UNFIT)
async def test_what_cannot_be_passed_on_is_told_without_the_token(
    where: str, change: Change, kind: type[Exception], says: str
) -> None:
    client, transport, _ = scripted(**{where: [passing_on(change)]})
    with pytest.raises(kind, match=says) as caught:
        await delete_consent(client, "o_1", "ci")
    assert getattr(caught.value, "outcome", None) is OutcomeKind.NOT_SENT
    assert TOKEN not in shown_frames(caught.value)
    assert transport.requests == []


async def test_tracing_shows_no_token_either() -> None:
    client, _, _ = scripted(ConnectionLost("cut", sent=True), retry=None, call_middlewares=[Tracing()])
    with pytest.raises(ConnectionLost) as caught:
        await get_order(client, "o_1")
    assert TOKEN not in shown_frames(caught.value)


@pytest.mark.parametrize("where", PLACES)
async def test_of_headers_that_differ_in_case_only_the_last_is_sent(where: str) -> None:
    first, last = with_headers(X_Merchant="first", x_own="1"), with_headers(X_MERCHANT="last", X_Own="2")
    client, transport, _ = scripted(**{where: [first, last]})
    await delete_consent(client, "o_1", "ci")
    sent = {name: value for name, value in transport.requests[0].headers.items() if value in ("norce", "1", "2")}
    sent |= {name: value for name, value in transport.requests[0].headers.items() if "merchant" in name.lower()}
    assert sent == {"x-channel": "1", "X-MERCHANT": "last", "X-Own": "2"}


class Counting:
    """A source that notes what it is asked with."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def get(self, *, rejected: str | None = None) -> str:
        self.asked.append(rejected)
        return f"token-{len(self.asked)}"


def authorizations(transport: ScriptedTransport) -> list[list[str]]:
    """What each request has of that header, in whatever letters."""
    return [
        [value for name, value in request.headers.items() if name.lower() == "authorization"]
        for request in transport.requests
    ]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_the_authorization_of_a_call_middleware_wins_and_no_source_is_asked(name: str) -> None:
    for source in (TOKEN, Counting()):
        client, transport, _ = scripted(401, auth=source, call_middlewares=[with_headers(**{name: "Bearer mine"})])
        with pytest.raises(AuthenticationError):
            await get_order(client, "o_1")
        assert authorizations(transport) == [["Bearer mine"]]
        assert getattr(source, "asked", []) == []


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_the_authorization_of_an_attempt_middleware_replaces_the_token(name: str) -> None:
    source = Counting()
    client, transport, _ = scripted(401, 200, auth=source, attempt_middlewares=[with_headers(**{name: "Bearer mine"})])
    await delete_consent(client, "o_1", "ci")
    assert authorizations(transport) == [["Bearer mine"], ["Bearer mine"]]
    assert source.asked == [None, "token-1"]


class Sharing:
    """A middleware that makes one request of all."""

    def __init__(self) -> None:
        self.made: asyncio.Future[Response] | None = None

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        if self.made is None:
            self.made = asyncio.ensure_future(call_next(request))
        return await asyncio.shield(self.made)


async def test_a_response_that_calls_share_is_an_account_of_each() -> None:
    def note(call: Call, error: BaseException | None) -> None:
        ended.append(call.request_id)

    ended: list[str] = []
    client, transport, _ = scripted(202, 404, call_middlewares=[Sharing()], on_call=[note])
    receipts = await asyncio.gather(*(patch_consent(client, "o_1", "ci", checked=True) for _ in range(3)))
    assert len(transport.requests) == 1
    assert [receipt.outcome for receipt in receipts] == [OutcomeKind.ACCEPTED] * 3
    assert [receipt.attempts for receipt in receipts] == [1, 0, 0]
    assert sorted(receipt.request_id for receipt in receipts) == sorted(ended)
    assert len(set(ended)) == 3


@pytest.mark.parametrize("same_id", [False, True])
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(
    ("answer", "outcome", "permanent"),
    [
        (500, OutcomeKind.UNKNOWN, False),
        (404, OutcomeKind.REJECTED, True),
        (ConnectionLost("cut", sent=True), OutcomeKind.UNKNOWN, False),
        (ConnectError("refused", sent=False), OutcomeKind.NOT_SENT, False),
    ],
    ids=str,
)
async def test_a_failure_that_calls_share_has_the_same_outcome_for_each(
    where: str, same_id: bool, answer: Any, outcome: OutcomeKind, permanent: bool
) -> None:
    sharing: dict[str, Any] = {where: [Sharing()]}
    client, transport, _ = scripted(answer, retry=None, **sharing)
    ids = ["r", "r" if same_id else "s"]
    calls = [delete_consent(client, "o_1", "ci", options=CallOptions(request_id=each)) for each in ids]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert len(transport.requests) == 1
    told = [error for error in errors if isinstance(error, CallError)]
    assert [(error.outcome, error.permanent) for error in told] == [(outcome, permanent)] * 2
    assert [(error.request_id, len(error.attempts)) for error in told] == [(ids[0], 1), (ids[1], 0)]
    assert client.stats().attempts == 1


async def test_who_joins_a_delete_that_was_lost_and_then_finds_nothing_has_its_success() -> None:
    def gone(request: Request) -> Response:
        return Response(request, 404, {"content-type": "application/json"}, b'{"code": "consent-not-found"}')

    client, transport, _ = scripted(ConnectionLost("cut", sent=True), gone, call_middlewares=[Sharing()])
    receipts = await asyncio.gather(*(delete_consent(client, "o_1", "ci") for _ in range(2)))
    assert [receipt.outcome for receipt in receipts] == [OutcomeKind.APPLIED_INFERRED] * 2
    assert len(transport.requests) == 2


async def test_the_error_of_another_operation_says_nothing_of_the_call_that_a_middleware_ends_with_it() -> None:
    async def looks_first(request: Request, call_next: Handler) -> Response:
        if request.method == "DELETE":
            await get_order(client, "o_1")
        return await call_next(request)

    client, _, _ = scripted(500, retry=None, call_middlewares=[looks_first])
    with pytest.raises(ServerError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is OutcomeKind.NOT_SENT


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", PLACES)
async def test_an_error_that_a_middleware_raises_for_several_calls_is_an_account_of_each(
    where: str, after: bool
) -> None:
    blocked = CallError("blocked")

    async def block(request: Request, call_next: Handler) -> Response:
        if after and request.call.request_id != "id-3":
            await call_next(request)
        raise blocked

    client, _, _ = scripted(200, **{where: [block]})
    errors: list[CallError] = []
    options = [CallOptions(request_id=f"id-{number}") for number in (1, 2, 3)]
    for call in (
        delete_consent(client, "o_1", "ci", options=options[0]),
        patch_consent(client, "o_1", "ci", checked=True, options=options[1]),
        delete_consent(client, "o_1", "ci", options=options[2]),
    ):
        with pytest.raises(CallError) as caught:
            await call
        errors.append(caught.value)
        assert shown_frames(caught.value)
    assert [error.request_id for error in errors] == ["id-1", "id-2", "id-3"]
    assert [error.operation for error in errors] == [
        "RemoveCheckoutOrderConsent",
        "PatchCheckoutOrderConsent",
        "RemoveCheckoutOrderConsent",
    ]
    made = OutcomeKind.APPLIED if after else OutcomeKind.NOT_SENT
    assert [error.outcome for error in errors] == [made, made, OutcomeKind.NOT_SENT]


@attrs.define
class ShopError(CallError):
    """An error of attrs, whose members are in slots."""

    host: str


class HostError(CallError):
    """An error that is made of something else than its args, so that it cannot be copied."""

    def __new__(cls, host: str) -> "HostError":
        return super().__new__(cls, host)

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host


@pytest.mark.parametrize("kind", [ShopError, HostError])
@pytest.mark.parametrize("where", PLACES)
async def test_an_error_of_ones_own_that_a_middleware_raises_after_an_attempt_ends_the_call(
    where: str, kind: type[ShopError | HostError]
) -> None:
    async def translate(request: Request, call_next: Handler) -> Response:
        await call_next(request)
        raise kind("a")

    def note(call: Call, error: BaseException | None) -> None:
        ended.append(error)

    ended: list[BaseException | None] = []
    client, _, _ = scripted(200, on_call=[note], **{where: [translate]})
    with pytest.raises(kind) as caught:
        await delete_consent(client, "o_1", "ci")
    error: Any = caught.value
    assert (error.host, error.outcome) == ("a", OutcomeKind.APPLIED)
    assert ended == [error]
    assert client.stats().calls == 1


async def test_who_joined_a_call_that_was_cancelled_is_told_of_its_attempts() -> None:
    def cut(request: Request) -> Response:
        calls[0].cancel()
        raise ConnectionLost("cut", sent=True)

    client, transport, _ = scripted(cut, retry=None, call_middlewares=[Sharing()])
    calls = [asyncio.ensure_future(delete_consent(client, "o_1", "ci")) for _ in range(2)]
    _, joined = await asyncio.gather(*calls, return_exceptions=True)
    assert calls[0].cancelled()
    assert isinstance(joined, ConnectionLost)
    assert joined.outcome is OutcomeKind.UNKNOWN
    assert len(transport.requests) == 1
