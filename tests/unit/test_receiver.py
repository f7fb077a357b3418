"""The receiver as an ASGI application, without a server."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Hashable
from functools import partial, wraps
from inspect import signature
from typing import Any

import attrs
import pytest
from asgi import request
from support import in_clean_up

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.models import Order, OrderStatus
from norce_order_async.receiving import (
    HookCall,
    NotificationCall,
    Receiver,
    Reply,
    SharedSecret,
    ValidationCall,
    allow,
    change,
    invalid,
    refuse,
    valid,
)

CANARY = "canary-19e2"
ORDER = json.dumps({"id": "o_1", "lastModified": "2026-01-12T08:00:00Z", "reference": CANARY}).encode()
HEADERS = [("x-merchant", "acme"), ("x-channel", "7")]
BELOW_LIMIT = b'{"id":"o"}'


async def hook(call: HookCall) -> Reply:
    match call.path:
        case "pass":
            return allow()
        case "patch":
            return change(call.order, attrs.evolve(call.order, country="SE"))
        case "raise":
            raise ValueError(call.order.reference)
        case "sleep":
            await asyncio.sleep(60)
        case "cancelled":
            raise asyncio.CancelledError
        case "nothing":
            return None  # type: ignore[return-value]  # pyright: ignore
        case "text":
            return Reply(200, "[]")  # type: ignore[arg-type]  # pyright: ignore
        case _:
            pass
    return refuse("consent-missing", "The terms are not accepted.")


async def hook_of_a_shop(call: HookCall, shop: str) -> Reply:
    return refuse("shop", shop)


async def validation(call: ValidationCall) -> Reply:
    if call.path == "raise":
        raise RuntimeError
    return valid() if call.order is None else invalid("stock", "Sold out.", adapter_id="stock")


async def notification(call: NotificationCall) -> None:
    if call.path == "raise":
        raise RuntimeError(call.order.reference)


def receiver(**settings: Any) -> Receiver:
    given: dict[str, Any] = {"on_hook": hook, "on_notification": notification, "on_validation": validation}
    return Receiver(**given | settings)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "answer"),
    [
        ("POST", "/hooks/pass", ORDER, 200, []),
        ("POST", "/hooks/patch", ORDER, 200, [{"op": "add", "path": "/country", "value": "SE"}]),
        ("POST", "/hooks", ORDER, 400, {"code": "consent-missing", "message": "The terms are not accepted."}),
        ("POST", "/hooks/a/b%20c/", ORDER, 400, {"code": "consent-missing", "message": "The terms are not accepted."}),
        ("POST", "/notifications", ORDER, 200, None),
        ("GET", "/validations/o_1", b"", 200, None),
        ("POST", "/validations", ORDER, 400, [{"code": "stock", "message": "Sold out.", "adapterId": "stock"}]),
    ],
)
async def test_each_kind_of_call_goes_to_its_handler(
    method: str, target: str, body: bytes, status: int, answer: Any
) -> None:
    for root, target_ in (("", target), ("/norce", f"/norce{target}")):
        reply = await request(receiver(), method, target_, body, headers=HEADERS, root_path=root)
        assert (reply[0], json.loads(reply[2] or b"null")) == (status, answer)
        assert reply[1]["content-length"] == str(len(reply[2]))


@pytest.mark.parametrize(
    ("method", "target", "headers", "parts", "status", "code"),
    [
        ("POST", "/", {}, [ORDER], 404, "not-found"),
        ("POST", "/hook", {}, [ORDER], 404, "not-found"),
        ("POST", "/validations", {}, [ORDER], 404, "not-found"),
        ("GET", "/hooks", {}, [b""], 405, "method-not-allowed"),
        ("PUT", "/notifications", {}, [ORDER], 405, "method-not-allowed"),
        ("POST", "/hooks", {}, [b"{}"], 400, "bad-request"),
        ("POST", "/hooks", {}, [CANARY.encode()], 400, "bad-request"),
        ("POST", "/hooks", {"content-encoding": "gzip"}, [b"\x1f\x8b"], 415, "unsupported-media-type"),
        ("POST", "/hooks", {"content-length": "9999999"}, [], 413, "content-too-large"),
        ("POST", "/hooks", {"content-length": "9" * 5000}, [], 413, "content-too-large"),
        ("POST", "/hooks", {"content-length": "-1"}, [ORDER], 400, "bad-request"),
        ("POST", "/hooks", {"content-length": "²"}, [ORDER], 400, "bad-request"),
        ("POST", "/hooks", {"content-length": "12"}, [BELOW_LIMIT], 400, "bad-request"),
        ("POST", "/hooks", {"content-length": "9"}, [BELOW_LIMIT], 400, "bad-request"),
        ("POST", "/hooks", {}, [b" " * 50, b" " * 51, b"x"], 413, "content-too-large"),
        ("POST", "/hooks", {}, [b"{", 30.0, b"}"], 408, "request-timeout"),
    ],
)
async def test_what_is_no_call_is_a_4xx_and_a_line_in_the_log(
    method: str,
    target: str,
    headers: dict[str, str],
    parts: list[Any],
    status: int,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = receiver(on_validation=None, limit=100, deadline=0.01)
    reply = await request(app, method, target, *parts, headers=headers.items())
    assert (reply[0], json.loads(reply[2])["code"]) == (status, code)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(status) in caplog.text
    assert CANARY not in caplog.text + reply[2].decode()


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [("GET", "/hooks", "POST"), ("PUT", "/validations", "POST, GET"), ("POST", "/hooks", None), ("PUT", "/x", None)],
)
async def test_an_answer_of_405_says_which_methods_there_are(method: str, target: str, allowed: str | None) -> None:
    status, headers, _ = await request(receiver(), method, target, ORDER)
    assert headers.get("allow") == allowed
    assert (status == 405) == (allowed is not None)


async def test_the_log_of_a_404_says_what_is_received_and_the_answer_does_not(caplog: pytest.LogCaptureFixture) -> None:
    app = receiver(on_validation=None)
    _, _, body = await request(app, "POST", "/hook", ORDER)
    assert json.loads(body) == {"code": "not-found", "message": "nothing is received here"}
    assert "404: nothing is received here; handlers: /hooks, /notifications" in caplog.text
    assert "/notifications, below the path where the receiver is mounted" in caplog.text
    assert (await request(Receiver(), "POST", "/hooks", ORDER))[0] == 404


async def _parts(part: Any) -> AsyncIterator[Any]:
    yield part


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": b"POST"}, "method must be a str, got bytes"),
        ({"method": None}, "method must be a str, got None"),
        ({"path": b"/hooks"}, "path must be a str, got bytes"),
        ({"query": b""}, "query must be a str, got bytes"),
        ({"body": ORDER}, "body must be an async iterable of bytes, got bytes"),
        ({"body": [ORDER]}, "body must be an async iterable of bytes, got list"),
        ({"body": _parts(ORDER.decode())}, "each part of body must be bytes, got str"),
    ],
)
async def test_an_argument_of_another_kind_is_named(wrong: dict[str, Any], message: str) -> None:
    headers = {"content-type": "application/json"}
    body = _parts(ORDER)
    arguments: dict[str, Any] = {"method": "POST", "path": "/hooks", "query": "", "headers": headers, "body": body}
    with pytest.raises(TypeError, match=message):
        await receiver().answer(**arguments | wrong)


async def test_no_more_of_a_body_is_read_than_it_may_have() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 10
            yield b" " * 10

    reply = await receiver(limit=100).answer("POST", "/hooks", "", {}, endless())
    assert (reply.status, taken) == (413, 110)


async def test_a_client_that_is_gone_gets_no_answer_and_its_half_call_no_handler() -> None:
    calls: list[HookCall] = []

    async def note(call: HookCall) -> Reply:
        calls.append(call)
        return allow()

    assert await request(Receiver(on_hook=note), "POST", "/hooks", BELOW_LIMIT, None) == (0, {}, b"")
    assert len(calls) == 0


@pytest.mark.parametrize(
    "target",
    ["/hooks/raise", "/hooks/sleep", "/hooks/nothing", "/hooks/text", "/hooks/cancelled", "/validations/raise"],
)
@pytest.mark.parametrize("on_failure", ["refuse", "allow"])
async def test_a_handler_that_fails_is_answered_as_configured_and_logged_without_the_body(
    target: str, on_failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = receiver(on_failure=on_failure, deadline=0.01)
    status, _, body = await request(app, "POST", target, ORDER)
    if on_failure == "allow":
        assert (status, body) == (200, b"[]" if "hooks" in target else b"")
    else:
        assert status == 400
        assert b"adapter-error" in body
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is None
    assert CANARY not in caplog.text + body.decode()


@pytest.mark.parametrize(
    ("reply", "other"),
    [
        (allow(), "validations"), (refuse("code", "text"), "validations"), (change(Order(), Order()), "validations"),
        (valid(), "hooks"), (invalid("code", "text"), "hooks"), (Reply(200, b"[]"), ""),
    ],
)  # fmt: skip
async def test_the_log_warns_of_a_reply_for_another_kind_of_call(
    reply: Reply, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(call: HookCall | ValidationCall) -> Reply:
        return reply

    app = receiver(on_hook=answer, on_validation=answer)
    for kind in ("hooks", "validations"):
        caplog.clear()
        status, _, body = await request(app, "POST", f"/{kind}", ORDER)
        assert (status, body) == (reply.status, reply.body)
        told = [record.getMessage().partition(", ")[0] for record in caplog.records]
        assert told == ([f"the handler of {kind} returned a reply for {reply.kind}"] if kind == other else [])


async def test_the_log_says_where_a_handler_failed(caplog: pytest.LogCaptureFixture) -> None:
    await request(receiver(), "POST", "/hooks/raise", ORDER)
    assert "hooks failed: ValueError in" in caplog.text
    assert "test_receiver.py:" in caplog.text


async def test_the_log_has_a_place_where_a_handler_takes_no_call(caplog: pytest.LogCaptureFixture) -> None:
    await request(receiver(on_hook=iter), "POST", "/hooks", ORDER)  # whose signature cannot be seen
    assert re.search(r"hooks failed: TypeError in \w+\.py:\d+ ", caplog.text)


@pytest.mark.parametrize("own_signature", [False, True])
async def test_a_handler_may_be_wrapped_by_what_gives_it_more(own_signature: bool) -> None:
    @wraps(hook_of_a_shop)
    async def of_a_shop(*args: Any) -> Reply:
        return await hook_of_a_shop(*args)

    if own_signature:
        vars(of_a_shop)["__signature__"] = signature(hook_of_a_shop)

    @wraps(of_a_shop)
    async def in_a_shop(call: HookCall) -> Reply:
        return await of_a_shop(call, "acme")

    assert (await request(receiver(on_hook=in_a_shop), "POST", "/hooks", ORDER))[2] == refuse("shop", "acme").body


async def test_a_handler_may_be_a_plain_function_or_anything_that_is_called() -> None:
    noted: list[str | None] = []

    def on_notification(call: NotificationCall) -> None:
        noted.append(call.order.id)

    app = Receiver(on_hook=partial(hook), on_validation=lambda call: valid(), on_notification=on_notification)
    assert (await request(app, "POST", "/hooks", ORDER))[0] == 400
    assert (await request(app, "POST", "/validations", ORDER))[0] == 200
    for _ in range(2):
        assert (await request(app, "POST", "/notifications", ORDER))[0] == 200
    assert noted == ["o_1"]
    app = Receiver(on_hook=lambda call: refuse("no", "No."), on_failure="allow")
    assert (await request(app, "POST", "/hooks", ORDER))[0] == 400


@pytest.mark.parametrize("on_failure", ["refuse", "allow"])
async def test_a_notification_whose_handler_fails_is_never_taken_for_delivered(on_failure: str) -> None:
    status, _, body = await request(receiver(on_failure=on_failure), "POST", "/notifications/raise", ORDER)
    assert (status, json.loads(body)["code"]) == (500, "adapter-error")


async def test_a_handler_that_is_cancelled_by_itself_has_failed_in_a_clean_up_too() -> None:
    status, _, body = await in_clean_up(lambda: request(receiver(), "POST", "/hooks/cancelled", ORDER))
    assert (status, json.loads(body)["code"]) == (400, "adapter-error")


async def test_a_cancellation_goes_through() -> None:
    began = asyncio.Event()

    async def waits(_: HookCall) -> Reply:
        began.set()
        await asyncio.Event().wait()
        return allow()

    serving = asyncio.ensure_future(request(receiver(on_hook=waits), "POST", "/hooks", ORDER))
    await began.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


def message(
    order_id: str = "o_1",
    notification_id: str | None = "n",
    time: str | None = "2026-01-12T08:00:00Z",
    reference: str = "r",
) -> bytes:
    order = {"id": order_id, "lastModified": time, "reference": reference}
    return json.dumps(
        order if notification_id is None else {"notification": {"id": notification_id}, "order": order}
    ).encode()


async def test_a_repeat_of_a_notification_is_told_by_all_of_its_key() -> None:
    calls: list[Hashable] = []

    async def note(call: NotificationCall) -> None:
        calls.append(call.key)

    app = Receiver(on_notification=note)
    different = [
        ("/notifications", message()),
        ("/notifications", message(notification_id="n_2")),
        ("/notifications", message(notification_id=None)),
        ("/notifications", message(order_id="o_2")),
        ("/notifications", message(time="2026-01-12T08:00:00.0000001Z")),
        ("/notifications", message(reference="changed in the same moment")),
        ("/notifications/elsewhere", message()),
        ("/notifications", message(time=None)),
    ]
    for _ in range(3):
        for target, body in different:
            assert (await request(app, "POST", target, body))[0] == 200
    assert len(calls) == 7 + 3  # without a time, nothing tells a repeat
    for merchant in ("a", "b", "a"):
        await request(app, "POST", "/notifications", message(), headers=[("x-merchant", merchant)])
    assert len(calls) == 7 + 3 + 2


async def test_nothing_is_a_repeat_if_the_key_says_so() -> None:
    calls: list[NotificationCall] = []

    async def note(call: NotificationCall) -> None:
        calls.append(call)

    app = Receiver(on_notification=note, repeat_key=lambda call: None)
    for _ in range(2):
        await request(app, "POST", "/notifications", message())
    assert len(calls) == 2


def failing_key(call: NotificationCall) -> Hashable:
    raise ValueError(call.order.reference)


def unhashable_key(call: NotificationCall) -> Any:
    return [call.path]


def awaited_key(call: NotificationCall) -> Any:
    return notification(call)


@pytest.mark.parametrize("repeat_key", [failing_key, unhashable_key, awaited_key])
async def test_a_repeat_key_that_fails_or_gives_none_is_told_as_that(
    repeat_key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    noted: list[NotificationCall] = []
    app = Receiver(on_notification=noted.append, repeat_key=repeat_key)
    status, _, body = await request(app, "POST", "/notifications", ORDER)
    assert (status, json.loads(body)["code"]) == (500, "adapter-error")
    assert noted == []
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "repeat_key failed, or returned what is no key: " in caplog.text
    assert CANARY not in caplog.text


async def test_a_message_counts_as_seen_only_after_its_handler_succeeded() -> None:
    started: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def note(call: NotificationCall) -> None:
        end = asyncio.get_running_loop().create_future()
        started.put_nowait(end)
        await end

    app = Receiver(on_notification=note)
    tries = [asyncio.ensure_future(request(app, "POST", "/notifications", message())) for _ in range(3)]
    first = await started.get()
    await asyncio.sleep(0)
    assert started.empty()  # repeats wait for the one under way
    first.set_exception(RuntimeError())
    assert [(await each)[0] for each in tries] == [500, 500, 500]
    assert started.empty()  # and are not begun with what is left of their time
    tries = [asyncio.ensure_future(request(app, "POST", "/notifications", message())) for _ in range(3)]
    (await started.get()).set_result(None)
    assert [(await each)[0] for each in tries] == [200, 200, 200]
    assert (await request(app, "POST", "/notifications", message()))[0] == 200
    assert started.empty()


async def test_the_latest_keys_are_remembered_and_no_more() -> None:
    from norce_order_async.receiving.repeats import Repeats

    done: list[int] = []
    repeats = Repeats(most=2)

    async def work(number: int) -> None:
        done.append(number)

    for number in (1, 2, 2, 3, 2, 3, 1):
        await repeats.once(number, lambda number=number: work(number))  # type: ignore[misc]
    assert done == [1, 2, 3, 1]


async def test_who_does_not_know_the_secret_is_refused_before_the_body_is_read() -> None:
    app = receiver(secret=SharedSecret("0123456789abcdef", header="x-key"))
    assert (await request(app, "POST", "/hooks/pass", 30.0, ORDER))[0] == 401
    assert (await request(app, "POST", "/hooks/pass?secret=0123456789abcdef", ORDER))[0] == 200
    for key in ("0123456789abcdef", " 0123456789abcdef\t"):
        assert (await request(app, "POST", "/hooks/pass", ORDER, headers=[("X-Key", key)]))[0] == 200
    assert (await request(app, "PUT", "/hooks/pass", ORDER))[0] == 401
    assert (await request(app, "PUT", "/hooks/pass?secret=0123456789abcdef", ORDER))[0] == 405


@pytest.mark.parametrize(
    "settings",
    [
        {"on_failure": "maybe"}, {"deadline": 0}, {"limit": 0}, {"version": "v2"}, {"secret": CANARY}, {"on_hook": 3},
        {"on_notification": "note"}, {"on_validation": ()}, {"repeat_key": 5}, {"repeat_key": notification},
        {"enums": [1]}, {"enums": {OrderStatus: ["checkout"]}}, {"enums": {"OrderStatus": {1: "processing"}}},
        {"on_hook": allow}, {"on_notification": hook_of_a_shop}, {"on_validation": partial(valid)},
        {"repeat_key": hook_of_a_shop}, {"repeat_key": allow},
    ],
)  # fmt: skip
async def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))) as caught:
        Receiver(**settings)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("root", "path"), [("/a", "/a/hooks"), ("/a/", "/a/hooks"), ("/hoo", "/hooks"), ("/a", "/hooks")]
)
async def test_a_root_path_ends_where_a_part_of_the_path_does(root: str, path: str) -> None:
    assert (await request(receiver(), "POST", path, ORDER, root_path=root))[0] == 400


async def test_it_lives_and_ends_with_its_server_and_takes_no_websocket() -> None:
    sent: list[str] = []

    async def receive() -> Any:
        return {}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await receiver()({"type": "lifespan"}, receive, send)
    await receiver()({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
