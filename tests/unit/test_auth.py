"""What becomes of a call whose token source fails, hangs, is cancelled or closed."""

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from traceback import walk_tb
from typing import Any

import attrs
import pytest
from support import PACKAGE, in_clean_up, scripted

from norce_order_async import (
    AuthenticationError,
    CallError,
    ClientClosedError,
    ClientStateError,
    ConfigurationError,
    ConnectError,
    DeadlineExceeded,
    InvalidRequestError,
    NotFoundError,
    OutcomeKind,
    TokenError,
    delete_consent,
    execute_payment_action,
    get_order,
)

CANARY = "canary-token"


@attrs.define
class Source:
    """Gives what ``answer`` comes to, at first or in place of a refused token. Its repr shows all that it has."""

    answer: Callable[[], Awaitable[str]]
    first: bool = True
    secret: str = CANARY

    async def get(self, *, rejected: str | None = None) -> str:
        if self.first or rejected is not None:
            return await self.answer()
        return "old"


def failing(error: BaseException) -> Callable[[], Awaitable[str]]:
    async def fail() -> str:
        secret = CANARY
        raise error if secret else ValueError

    return fail


FAILURES: list[tuple[BaseException, str]] = [
    (ClientStateError("it is closed"), "the token source failed with ClientStateError: it is closed"),
    (ClientClosedError("it was closed"), "the token source failed with ClientClosedError: it was closed"),
    (NotFoundError(404, body=b"no"), "the token source failed with NotFoundError: HTTP 404 no"),
    (ConnectError("refused", sent=True), "the token source failed with ConnectError: refused"),
    (DeadlineExceeded("too late"), "the token source failed with DeadlineExceeded: too late"),
    (CallError("other"), "the token source failed with CallError: other"),
    (ConfigurationError("wrong"), "the token source failed with ConfigurationError: wrong"),
    (InvalidRequestError("wrong"), "the token source failed with InvalidRequestError: wrong"),
    (TokenError("no token today"), "no token today"),
    (ValueError(CANARY), "the token source failed with ValueError"),
    (TimeoutError(CANARY), "the token source failed with TimeoutError"),
    (OSError(2, CANARY), "the token source failed with FileNotFoundError"),
    (ExceptionGroup(CANARY, [ValueError(CANARY)]), "the token source failed with ExceptionGroup"),
    (asyncio.CancelledError(CANARY), "the token source failed with CancelledError"),
]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("error", "text"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
async def test_whatever_a_source_raises_is_an_auth_error(error: BaseException, text: str, first: bool) -> None:
    client, transport, _ = scripted(401, auth=Source(failing(error), first))
    with pytest.raises(TokenError) as caught:
        await get_order(client, "o_1")
    assert type(caught.value) is TokenError
    assert caught.value.reason == text
    assert caught.value.outcome is (OutcomeKind.NOT_SENT if first else OutcomeKind.REJECTED)
    assert caught.value.operation == "GetCheckoutOrder"
    assert len(transport.requests) == (0 if first else 1)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert CANARY not in str(pickle.dumps(caught.value)) + frames(caught.value)


class NotAsync:
    def get(self, *, rejected: str | None = None) -> str:
        return CANARY


class WithoutRejected:
    async def get(self) -> str:
        return "old"


class Failing:
    async def get(self, *, rejected: str | None = None) -> str:
        raise TypeError("cannot await " + CANARY)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (NotAsync(), "the token source cannot be used: its get() is not async"),
        (WithoutRejected(), "the token source cannot be used: its get() takes no rejected"),
        (Failing(), "the token source failed with TypeError"),
    ],
)
async def test_a_source_that_cannot_be_asked_is_told_as_that(source: Any, text: str) -> None:
    client, _, _ = scripted(401, auth=source)
    with pytest.raises(TokenError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.reason == text
    assert CANARY not in str(pickle.dumps(caught.value)) + frames(caught.value)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (f"{CANARY}\n", "holds a space"),
        ("", "is empty"),
        (f"Bearer {CANARY}", "without the word"),
        (7, "must be a str"),
    ],
)
async def test_what_is_no_token_is_an_auth_error(token: Any, text: str) -> None:
    async def give() -> Any:
        return token

    client, transport, _ = scripted(auth=Source(give))
    with pytest.raises(TokenError, match="the token source gave no token: ") as caught:
        await delete_consent(client, "o_1", "ci")
    assert text in caught.value.reason
    assert CANARY not in frames(caught.value)
    assert transport.requests == []


def frames(error: BaseException) -> str:
    """The local variables of the package's frames, as their reprs show them."""
    shown: list[str] = []
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith(PACKAGE):
            shown.append(repr(traceback.tb_frame.f_locals))
        traceback = traceback.tb_next
    assert shown
    return "".join(shown)


async def test_a_shared_refresh_that_is_cancelled_cancels_no_caller() -> None:
    """A TaskGroup would take a CancelledError for a task that ended as it was told, and end without an error."""
    refresh = asyncio.create_task(asyncio.Event().wait())

    async def share() -> str:
        return str(await asyncio.shield(refresh))

    client, transport, _ = scripted(auth=Source(share))
    asyncio.get_running_loop().call_later(0.01, refresh.cancel)
    ends = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(10)), return_exceptions=True)
    assert [type(end) for end in ends] == [TokenError] * 10
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(delete_consent(client, "o_1", "ci"))
    assert caught.group_contains(TokenError)
    assert transport.requests == []


async def test_a_source_that_is_cancelled_by_itself_is_an_auth_error_in_a_clean_up_too() -> None:
    client, transport, _ = scripted(auth=Source(failing(asyncio.CancelledError())))
    with pytest.raises(TokenError, match="the token source failed with CancelledError"):
        await in_clean_up(lambda: delete_consent(client, "o_1", "ci"))
    assert transport.requests == []


async def hang() -> str:
    await asyncio.Event().wait()
    return ""


@pytest.mark.parametrize("first", [True, False])
async def test_a_caller_s_own_cancellation_goes_through_without_the_source_s_frames(first: bool) -> None:
    asked = asyncio.Event()

    async def answer() -> str:
        asked.set()
        return await hang()

    client, _, _ = scripted(401, auth=Source(answer, first))
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert caught.value.__cause__ is caught.value.__context__ is None
    names = {frame.f_code.co_name for frame, _ in walk_tb(caught.value.__traceback__)}
    assert names.isdisjoint({"get", "answer", "hang"})


@pytest.mark.parametrize("first", [True, False])
async def test_a_source_that_hangs_is_left_at_the_deadline(first: bool) -> None:
    client, transport, _ = scripted(401, auth=Source(hang, first), timeout=0.02)
    with pytest.raises(DeadlineExceeded) as caught:
        await delete_consent(client, "o_1", "ci")
    assert caught.value.outcome is (OutcomeKind.NOT_SENT if first else OutcomeKind.REJECTED)
    assert caught.value.gave_up == "it waited for a token"
    assert len(transport.requests) == (0 if first else 1)


async def test_a_source_that_hangs_is_left_when_the_client_is_closed() -> None:
    client, transport, _ = scripted(auth=Source(hang))
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(ClientClosedError) as caught:
        await call
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert transport.requests == []


@pytest.mark.parametrize("error", [ClientStateError("closed"), ValueError("closed"), asyncio.CancelledError()])
async def test_closing_the_client_closes_its_token_source_and_frees_who_waits_for_a_token(error: BaseException) -> None:
    class Closing:
        def __init__(self) -> None:
            self.closed = asyncio.Event()

        async def get(self, *, rejected: str | None = None) -> str:
            await self.closed.wait()
            raise error

        async def aclose(self) -> None:
            self.closed.set()

    client, transport, _ = scripted(auth=Closing())
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await asyncio.sleep(0)
    await client.aclose(grace=60)
    with pytest.raises(ClientClosedError) as caught:
        await call
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert (transport.requests, transport.closed) == ([], 1)


async def test_what_may_never_be_sent_again_is_not_after_a_401_either() -> None:
    given: list[str | None] = []

    class Counting:
        async def get(self, *, rejected: str | None = None) -> str:
            given.append(rejected)
            return f"token-{sum(one is not None for one in given)}"

    client, transport, _ = scripted(401, auth=Counting())
    with pytest.raises(AuthenticationError) as caught:
        await execute_payment_action(client, "o_1", "p_1", "a_1")
    assert caught.value.gave_up == "this operation is never sent again, even with another token"
    assert (len(transport.requests), given) == (1, [None, "token-0"])
