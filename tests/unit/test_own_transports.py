"""A transport of one's own: an error that it raises for several attempts, and a response that is none."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.client import HTTPMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from support import BASE_URL, TOKEN, scripted

from norce_order_async import (
    CallError,
    CallOptions,
    ClientClosedError,
    ConnectError,
    ConnectionLost,
    OrderClient,
    OutcomeKind,
    RetryPolicy,
    TransportError,
    delete_consent,
    get_order,
    update_reference,
)
from norce_order_async.batch import DeleteConsent, run_batch
from norce_order_async.testing import RecordingTransport
from norce_order_async.transport import Request, Response, Transport

AT_ONCE = RetryPolicy(max_attempts=2, wait=lambda _: 0.0)


class OneConnection(Transport):
    """Many calls have one connection, and its end is one error for all of them."""

    def __init__(self, lost: TransportError, *sent: bool) -> None:
        self.lost = lost
        self.sent = list(sent)
        self.ended = asyncio.Event()

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        request.call.mark_sent(False)
        if self.sent.pop(0):
            request.call.mark_sent()
        if not self.sent:
            self.ended.set()
        await self.ended.wait()
        raise self.lost

    async def aclose(self) -> None:
        """It has nothing to close."""


def client_over(transport: Transport, retry: RetryPolicy | None = None) -> OrderClient:
    return OrderClient(base_url=BASE_URL, merchant="m", channel="1", auth=TOKEN, transport=transport, retry=retry)


async def failures(*calls: Awaitable[object]) -> list[CallError]:
    """The errors of calls that are made at once."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    errors = [one for one in ended if isinstance(one, CallError)]
    assert len(errors) == len(ended), ended
    return errors


@pytest.mark.parametrize("explicit", [None, False])
@pytest.mark.parametrize("order", [(False, True), (True, False)])
async def test_one_error_for_several_calls_is_an_account_of_each(
    order: tuple[bool, ...], explicit: bool | None
) -> None:
    lost = ConnectionLost("the connection was reset", sent=explicit)
    client = client_over(OneConnection(lost, *order))
    first, second = await failures(
        update_reference(client, "a", "new", options=CallOptions(request_id="id-a")),
        delete_consent(client, "b", "ci", options=CallOptions(request_id="id-b")),
    )
    assert (first.operation, first.request_id) == ("UpdateCheckoutOrderReference", "id-a")
    assert (second.operation, second.request_id) == ("RemoveCheckoutOrderConsent", "id-b")
    sent = order if explicit is None else (explicit, explicit)
    for error, was_sent in zip((first, second), sent, strict=True):
        (attempt,) = error.attempts
        assert (attempt.sent, attempt.error) == (was_sent, "ConnectionLost: the connection was reset")
        assert error.outcome is (OutcomeKind.UNKNOWN if was_sent else OutcomeKind.NOT_SENT)
    assert client.stats().attempts == 2


@pytest.mark.parametrize("order", [(False, True), (True, False)])
async def test_an_error_that_is_raised_at_each_attempt_says_of_none_what_holds_for_another(
    order: tuple[bool, ...],
) -> None:
    transport = OneConnection(ConnectionLost("reset"), *order)
    transport.ended.set()
    (error,) = await failures(update_reference(client_over(transport, AT_ONCE), "a", "new"))
    assert [attempt.sent for attempt in error.attempts] == list(order)
    assert error.outcome is OutcomeKind.UNKNOWN


async def test_an_error_with_an_account_of_its_own_keeps_its_cause_and_the_lines_that_raised_it() -> None:
    def refuse(request: Request) -> Response:
        raise ConnectError("refused") from OSError(111, "refused")

    client, _, _ = scripted(refuse, retry=None)
    (error,) = await failures(get_order(client, "o_1"))
    assert isinstance(error.__cause__, OSError)
    assert "refuse" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def test_an_error_that_is_kept_and_raised_again_leads_to_the_lines_that_raised_it() -> None:
    kept = ConnectionLost("reset", sent=True)

    def reset(request: Request) -> Response:
        raise kept

    client, _, _ = scripted(reset, retry=None)
    for _ in range(2):
        (error,) = await failures(get_order(client, "o_1"))
        assert "reset" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("caused", [False, True])
async def test_an_error_with_an_account_of_its_own_keeps_its_context(caused: bool) -> None:
    def lose(request: Request) -> Response:
        try:
            raise OSError(5, "broken")
        except OSError as error:
            if caused:
                raise ConnectionLost("reset") from error
            raise ConnectionLost("reset")  # noqa: B904 (what is tested)

    client, _, _ = scripted(lose, retry=None)
    (error,) = await failures(get_order(client, "o_1"))
    assert isinstance(error.__context__, OSError)
    assert (error.__cause__ is error.__context__, error.__suppress_context__) == (caused, caused)


async def test_a_note_on_the_error_of_one_call_is_on_no_other() -> None:
    lost = ConnectionLost("reset")
    lost.add_note("of the transport")
    transport = OneConnection(lost, True, True)
    client = client_over(transport)
    first, second = await failures(delete_consent(client, "a", "ci"), delete_consent(client, "b", "ci"))
    first.add_note("of a")
    assert first.__notes__ == ["of the transport", "of a"]
    assert second.__notes__ == lost.__notes__ == ["of the transport"]


class Uncopyable(ConnectionLost):
    """An error that is made of something else than its args."""

    def __new__(cls, host: str, port: int) -> "Uncopyable":
        return super().__new__(cls, host)

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self.port = port


class Slotted(ConnectionLost):
    __slots__ = ("port",)

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self.port = port


@pytest.mark.parametrize("kind", [Uncopyable, Slotted])
async def test_an_error_of_a_class_of_ones_own_is_what_it_was(kind: type[Uncopyable | Slotted]) -> None:
    def lose(request: Request) -> Response:
        raise kind("host", 80)

    client, transport, _ = scripted(lose, retry=None)
    (error,) = await failures(delete_consent(client, "o_1", "ci"))
    assert isinstance(error, kind)
    assert (error.reason, error.port, len(error.attempts)) == ("host:80", 80, 1)
    assert [one.outcome async for one in run_batch(client, [DeleteConsent("o_1", "ci")])] == [error.outcome]
    assert client.stats().attempts == len(transport.requests)


@pytest.mark.parametrize("order", [(False, True), (True, False)])
async def test_an_error_that_cannot_be_copied_says_of_no_attempt_what_holds_for_another(
    order: tuple[bool, ...],
) -> None:
    transport = OneConnection(Uncopyable("host", 80), *order)
    transport.ended.set()
    (error,) = await failures(update_reference(client_over(transport, AT_ONCE), "a", "new"))
    assert [attempt.sent for attempt in error.attempts] == list(order)


def with_part(**part: Any) -> Callable[[Request], Any]:
    """A response that has something else in one place."""
    return lambda request: attrs.evolve(Response(request, 200), **part)


MALFORMED: list[tuple[Callable[[Request], Any], str]] = [
    (lambda _: None, "NoneType, not a Response"),
    (lambda _: (200, b""), "tuple, not a Response"),
    (with_part(status="200"), "a Response whose status must be an int, got str"),
    (with_part(headers=None), "a Response whose headers must be a mapping, got NoneType"),
    (with_part(headers=[("a", "b")]), "a Response whose headers must be a mapping, got list"),
    (with_part(headers=HTTPMessage()), "a Response whose headers must be a mapping, got HTTPMessage"),
    (with_part(headers={b"date": "x"}), "a Response whose headers must be text, got bytes"),
    (with_part(headers={"content-type": None}), "a Response whose headers must be text, got NoneType"),
    (with_part(headers={"retry-after": 1}), "a Response whose headers must be text, got int"),
    (with_part(body="{}"), "a Response whose body must be bytes, got str"),
    (with_part(request=None), "a Response to another request"),
    (with_part(request=SimpleNamespace(call=None)), "a Response to another request"),
]


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize(("answer", "says"), MALFORMED)
async def test_what_is_no_response_is_told_and_not_tried_again(
    answer: Callable[[Request], Any], says: str, marks: bool, records: bool, tmp_path: Path
) -> None:
    def respond(request: Request) -> Any:
        if marks:
            request.call.mark_sent(False)
        return answer(request)

    client, transport, _ = scripted(respond)
    if records:
        client = client_over(RecordingTransport(tmp_path / "cassette.json", transport), AT_ONCE)
    (error,) = await failures(delete_consent(client, "o_1", "ci"))
    assert type(error) is ClientClosedError
    assert error.reason == f"the transport returned {says}"
    assert (error.outcome, len(transport.requests)) == (OutcomeKind.UNKNOWN, 1)
    await client.aclose()
    assert transport.closed == 1


async def test_a_batch_ends_with_what_is_no_response() -> None:
    client, transport, _ = scripted(with_part(status="200"))
    with pytest.raises(ClientClosedError, match="status must be an int"):
        _ = [one async for one in run_batch(client, [DeleteConsent("o_1", "ci")])]
    assert len(transport.requests) == 1


async def test_a_response_may_have_values_of_subclasses() -> None:
    client, _, _ = scripted(with_part(status=HTTPStatus.OK, body=bytearray(b'{"id": "o_1"}')))
    assert (await get_order(client, "o_1")).id == "o_1"
