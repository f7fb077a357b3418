"""What an observer of calls sees: the start and the end of each call and attempt, whatever ends it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from support import Hanging, scripted

from norce_order_async import (
    Attempt,
    ClientStateError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    Timeout,
    TokenError,
    delete_consent,
    get_order,
)
from norce_order_async.middleware import Call, Handler
from norce_order_async.transport import Request, Response


class Recorder:
    """Writes down what it sees."""

    def __init__(self, name: str = "", log: list[str] | None = None) -> None:
        self.name = name
        self.log = [] if log is None else log
        self.error: BaseException | None = None
        self.response: Response | None = None

    def call_started(self, request: Request, /) -> None:
        call = request.call
        where = f"{request.headers['x-merchant']} {request.method} {call.path}"
        self.log.append(f"{self.name}start {call.operation} {where}")

    def attempt_started(self, request: Request, attempt: Attempt, /) -> Mapping[str, str] | None:
        self.log.append(f"{self.name}attempt {attempt.number}")
        return {"traceparent": f"{self.name}{attempt.number}"}

    def attempt_ended(self, call: Call, attempt: Attempt, /) -> None:
        self.log.append(f"{self.name}{attempt.status or attempt.error}")

    def call_ended(self, call: Call, response: Response | None, error: BaseException | None, /) -> None:
        self.response, self.error = response, error
        self.log.append(f"{self.name}end {call.outcome} {type(error).__name__}")


START = "start RemoveCheckoutOrderConsent norce DELETE /api/v0/checkout/orders/{order_id}/consents/{consent_id}"


async def hang(request: Request, call_next: Handler) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


class Broken:
    """Fails wherever it is called."""

    def fail(self, *args: Any) -> None:
        raise OSError

    call_started = attempt_started = attempt_ended = call_ended = fail


class NoTokens:
    async def get(self, *, rejected: str | None = None) -> str:
        raise OSError


@pytest.mark.parametrize(
    ("script", "settings", "seen"),
    [
        ([200], {}, ["attempt 1", "200", "end applied NoneType"]),
        ([503, 200], {}, ["attempt 1", "503", "attempt 2", "200", "end applied NoneType"]),
        ([404], {}, ["attempt 1", "404", "end rejected NotFoundError"]),
        (
            [ConnectionLost("cut", sent=True)],
            {"retry": None},
            ["attempt 1", "ConnectionLost: cut", "end unknown ConnectionLost"],
        ),
        ([200], {"auth": NoTokens()}, ["end not_sent TokenError"]),
        ([200], {"call_middlewares": [hang], "timeout": Timeout(total=0.01)}, ["end not_sent DeadlineExceeded"]),
    ],
)
async def test_every_end_of_a_call_is_seen(script: list[Any], settings: dict[str, Any], seen: list[str]) -> None:
    observer = Recorder()
    client, _, _ = scripted(*script, observers=[observer], **settings)
    with suppress(NotFoundError, ConnectionLost, TokenError, DeadlineExceeded):
        await delete_consent(client, "o_1", "ci")
    assert observer.log == [START, *seen]


async def test_an_error_that_is_made_of_a_response_comes_with_it() -> None:
    observer = Recorder()
    client, _, _ = scripted(200, observers=[observer])
    with pytest.raises(DecodeError) as caught:
        await get_order(client, "o_1")
    assert observer.error is caught.value
    assert observer.response is not None
    assert observer.response.status == 200
    assert observer.log[-1] == "end applied DecodeError"


@pytest.mark.parametrize("ends", ["cancelled", "closed", "late"])
async def test_a_call_that_is_cut_on_the_wire_is_seen_to_end(ends: str) -> None:
    observer, transport = Recorder(), Hanging()
    timeout = Timeout(total=0.01 if ends == "late" else 30)
    client, _, _ = scripted(observers=[observer], timeout=timeout, transport=transport)
    call = asyncio.create_task(delete_consent(client, "o_1", "ci"))
    await transport.sent.wait()
    if ends == "cancelled":
        call.cancel()
    elif ends == "closed":
        await client.aclose(grace=0)
    await asyncio.wait([call])
    kind = {"cancelled": "CancelledError", "closed": "ClientClosedError", "late": "DeadlineExceeded"}[ends]
    assert observer.log[-1] == f"end unknown {kind}"
    assert len(observer.log) == 4
    assert isinstance(observer.error, asyncio.CancelledError) or observer.error is call.exception()


async def test_a_call_that_never_starts_is_not_seen() -> None:
    observer = Recorder()
    client, _, _ = scripted(observers=[observer])
    with pytest.raises(InvalidRequestError):
        await delete_consent(client, "..", "ci")
    assert observer.log == []


async def test_a_call_that_runs_in_no_task_is_refused_and_not_seen() -> None:
    def drive() -> None:
        call = delete_consent(client, "o_1", "ci")
        try:
            call.send(None)
        except BaseException as error:
            refused.set_result(error)

    observer = Recorder()
    client, _, _ = scripted(observers=[observer])
    loop = asyncio.get_running_loop()
    refused = loop.create_future()
    loop.call_soon(drive)
    error = await refused
    assert type(error) is ClientStateError
    assert "no task" in str(error)
    assert observer.log == []


async def test_each_attempt_takes_the_headers_of_its_observers() -> None:
    client, transport, _ = scripted(503, 200, observers=[Recorder("a")])
    await delete_consent(client, "o_1", "ci")
    assert [request.headers["traceparent"] for request in transport.requests] == ["a1", "a2"]


async def test_the_first_observer_begins_first_and_ends_last() -> None:
    log: list[str] = []
    client, _, _ = scripted(200, observers=[Recorder("a ", log), Recorder("b ", log)])
    await delete_consent(client.scoped(merchant="other"), "o_1", "ci")
    assert [line.split()[0] for line in log] == ["a", "b", "a", "b", "b", "a", "b", "a"]
    assert "other DELETE" in log[0]


async def test_an_observer_that_fails_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    client, _, _ = scripted(200, observers=[Broken()])
    await delete_consent(client, "o_1", "ci")
    assert caplog.messages == [f"a hook failed [request id {caplog.records[0].__dict__['request_id']}]"] * 4


class Quit(BaseException):
    """Ends the program, or a test: pytest.fail() raises such a one."""


@pytest.mark.parametrize(
    "where", ["call_started", "attempt_started", "attempt_ended", "call_ended", "on_attempt", "on_call"]
)
async def test_every_call_ends_for_all_observers_where_a_hook_ends_the_program(where: str) -> None:
    def leave(*args: Any) -> None:
        raise Quit

    log: list[str] = []
    leaving, hooks = Recorder("q "), dict[str, Any]()
    if where.startswith("on_"):
        hooks[where] = [leave]
    else:
        setattr(leaving, where, leave)
    client, _, _ = scripted(200, observers=[Recorder("a ", log), leaving, Recorder("b ", log)], **hooks)
    with pytest.raises(Quit):
        await delete_consent(client, "o_1", "ci")
    seen = [line.split()[:2] for line in log]
    assert [name for name, what in seen if what == "start"] == ["a", "b"]
    assert [name for name, what in seen if what == "end"] == ["b", "a"]
    if where != "call_started":
        assert [name for name, what in seen if what not in ("start", "attempt", "end")] == ["b", "a"]
    stats = client.stats()
    assert (stats.calls, stats.slots_used) == (1, 0)


async def later() -> None:
    """What nobody awaits."""


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda: later(), "a hook must not be async"),
        (lambda: ["x-n"], "headers must be a mapping, got list"),
        (lambda: True, "headers must be a mapping, got bool"),
        (lambda: {"x-n": 3}, "header x-n must be a str, got int"),
        (lambda: {3: "x"}, "a header's name must be a str, got int"),
        (lambda: {"x-n": "a\nb: c"}, "header x-n holds a character"),
        (lambda: {"x-ok": "1", "Content-Length": "0"}, "the header 'Content-Length' cannot be set by hand"),
    ],
)
async def test_headers_of_an_observer_that_cannot_be_sent_are_logged_and_left_out(
    returned: Callable[[], Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Adding(Recorder):
        def attempt_started(self, request: Request, attempt: Attempt, /) -> Any:
            return returned()

    client, transport, _ = scripted(200, observers=[Recorder("a"), Adding()])
    receipt = await delete_consent(client, "o_1", "ci")
    assert receipt.attempts == 1
    sent = transport.requests[0].headers
    assert (sent["traceparent"], sent.get("x-n"), sent.get("Content-Length")) == ("a1", None, None)
    assert ("x-ok" in sent) == ("Content-Length" in says)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert says in caplog.text


async def test_an_empty_header_of_an_observer_is_left_out_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    class Adding(Recorder):
        def attempt_started(self, request: Request, attempt: Attempt, /) -> Any:
            return {"traceparent": "b1", "tracestate": ""}

    client, transport, _ = scripted(200, observers=[Adding()])
    await delete_consent(client, "o_1", "ci")
    sent = transport.requests[0].headers
    assert (sent["traceparent"], "tracestate" in sent, caplog.records) == ("b1", False, [])


async def test_a_hook_that_turns_out_to_be_async_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def hook(*args: Any) -> Any:
        return later()

    client, _, _ = scripted(200, on_call=[hook], on_attempt=[hook])
    await delete_consent(client, "o_1", "ci")
    assert caplog.text.count("TypeError: a hook must not be async") == 2
