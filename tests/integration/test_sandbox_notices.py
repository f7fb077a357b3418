"""Notifications and validations of a sandbox, in process and over a socket."""

import asyncio
import json
import logging
import re
import threading
from contextlib import suppress
from typing import Any

import pytest
from staging import IN_PROCESS, Stage, staged

from norce_order_async import (
    BadRequestError,
    CallError,
    CallOptions,
    ValidationFailedError,
    patch_attributes,
    patch_consent,
    update_reference,
    validate,
)
from norce_order_async.receiving import HookCall, NotificationCall, Reply, ValidationCall, allow, invalid, refuse, valid
from norce_order_async.testing import AdapterCall, Callbacks, Sandbox


async def test_a_notification_follows_a_change_and_is_sent_until_it_is_taken(stage: Stage) -> None:
    seen: list[bool] = []

    async def on_notification(call: NotificationCall) -> None:
        seen.append(stage.consent)
        if len(seen) < 3:
            raise ConnectionError

    stage.on_notification = on_notification
    await stage.notify()
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    await stage.sandbox.delivered()
    assert seen == [True, True, True]
    assert [one.reply.status for one in stage.sandbox.called] == [500, 500, 200]


async def test_a_notification_that_nobody_takes_is_given_up(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def on_notification(call: NotificationCall) -> None:
        raise ConnectionError

    stage.on_notification = on_notification
    await stage.notify()
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    await stage.sandbox.delivered()
    assert len(stage.called) == 8
    told = [record.getMessage() for record in caplog.records if "sandbox" in record.name]
    assert len(told) == 1
    assert "gave up notification" in caplog.text
    assert "of ours after 8 tries: it answered with status 500" in caplog.text


async def test_those_of_another_thread_are_waited_for() -> None:
    seen: list[str | None] = []
    left = threading.Event()

    async def on_notification(call: NotificationCall) -> None:
        await asyncio.sleep(0.1)
        seen.append(call.order.reference)

    async with staged("transport") as stage:
        stage.on_notification = on_notification
        await stage.notify("/reference")

        async def elsewhere() -> None:
            async with stage.sandbox.client() as client:
                await update_reference(client, "o_1", "R-1")
                left.set()
                await stage.sandbox.delivered()

        other = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
        await asyncio.to_thread(left.wait)
        await stage.sandbox.delivered()
        assert seen == ["R-1"]
        await other


async def test_what_is_carried_out_later_is_not_waited_for(stage: Stage) -> None:
    await stage.notify()
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    stage.sandbox.faults.add("apply-late:inf")
    with pytest.raises(CallError):
        await patch_consent(stage.client, "o_1", "ci_news", checked=False, options=CallOptions(timeout=0.1))
    async with asyncio.timeout(5):
        await stage.sandbox.delivered()
    assert len(stage.called) == 1


async def test_notifications_that_wait_for_their_turn_were_not_tried_and_keep_no_hook_waiting() -> None:
    came: list[str | None] = []
    go = asyncio.Event()

    async def on_notification(call: NotificationCall) -> None:
        came.append(call.order.id)
        await go.wait()

    async with staged("server", deadline=60.0, tries=1) as stage:
        stage.on_notification = on_notification
        notification = {"id": "n", "scope": "/attributes", "invoke": f"{stage.url}/notifications"}
        for n in range(60):
            stage.sandbox.add_order(f"n_{n}", notifications=[notification])
        await stage.hook()
        await asyncio.gather(*(patch_attributes(stage.client, f"n_{n}", {"a": 1}) for n in range(60)))
        while len(came) < 50:  # noqa: ASYNC110 (what a server gets)
            await asyncio.sleep(0.01)
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert len(came) == 50
        go.set()
        await stage.sandbox.delivered()
    assert sorted(filter(None, came)) == sorted(f"n_{n}" for n in range(60))


async def test_as_many_hooks_are_asked_as_there_are_changes() -> None:
    waiting = 0
    all_wait = asyncio.Event()

    async def on_hook(call: HookCall) -> Reply:
        nonlocal waiting
        waiting += 1
        if waiting == 60:
            all_wait.set()
        await all_wait.wait()
        return allow()

    async with staged("server") as stage:
        stage.on_hook = on_hook
        hook = {"id": "h", "subscribeTo": "/attributes", "invoke": f"{stage.url}/hooks"}
        for n in range(60):
            stage.sandbox.add_order(f"h_{n}", hooks=[hook])
        await asyncio.gather(*(patch_attributes(stage.client, f"h_{n}", {"a": 1}) for n in range(60)))
    assert waiting == 60


async def test_a_refused_change_is_followed_by_nothing(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        return refuse("no", "No.")

    stage.on_hook = on_hook
    await stage.hook("theirs")
    await stage.notify()
    with pytest.raises(Exception, match="No"):
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    await stage.sandbox.delivered()
    assert stage.called == ["theirs"]


@pytest.mark.parametrize(
    ("scope", "schema", "count"),
    [
        ("/consents", None, 1),
        ("/reference", None, 0),
        ("/consents/0", None, 0),
        ("/consents/0/checked", None, 0),
        ("/consents", {"type": "array"}, 1),
        ("/consents", {"type": "object"}, 0),
        ("/consents", {"$ref": "http://192.0.2.1/schema"}, 0),
        ("/consents", {"type": "nonsense"}, 0),
        ("/consents", {"pattern": "("}, 1),
    ],
)
async def test_a_notification_is_sent_where_its_scope_changed_and_its_schema_holds(
    scope: str, schema: Any, count: int
) -> None:
    async with staged("transport") as stage:
        await stage.notify(scope, schema=schema)
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        await stage.sandbox.delivered()
        assert len(stage.called) == count


@pytest.mark.parametrize("envelope", [False, True])
async def test_a_notification_is_an_order_or_has_both(envelope: bool) -> None:
    bodies: list[Any] = []

    async def take(call: AdapterCall) -> Reply:
        bodies.append(json.loads(call.body))
        return Reply(204)

    adapters = {IN_PROCESS: take}
    sandbox = Sandbox(callbacks=Callbacks(adapters=adapters, envelope=envelope))
    registered = {"id": "n_1", "scope": "/reference", "invoke": f"{IN_PROCESS}/{{order.id}}"}
    sandbox.add_order("o_1", notifications=[registered])
    async with sandbox.client() as client:
        await update_reference(client, "o_1", "R-1")
    await sandbox.delivered()
    (body,) = bodies
    assert (body["order"] if envelope else body)["reference"] == "R-1"
    assert body.get("notification") == (registered if envelope else None)
    assert sandbox.called[0].call.url == f"{IN_PROCESS}/o_1"


async def test_all_validations_are_asked_and_all_that_is_wrong_comes_back(stage: Stage) -> None:
    async def on_validation(call: ValidationCall) -> Reply:
        if call.path == "good":
            return valid()
        return invalid(f"{call.path}-sold-out", "Sold out.")

    stage.on_validation = on_validation
    for adapter_id in ("one", "good", "two"):
        await stage.validation(adapter_id)
    with pytest.raises(ValidationFailedError) as caught:
        await validate(stage.client, "o_1")
    found = [(problem.code, problem.adapter_id) for problem in caught.value.problems]
    assert found == [("cart-empty", "order"), ("one-sold-out", "one"), ("two-sold-out", "two")]


@pytest.mark.parametrize(
    ("policy", "codes"), [("allow", ["cart-empty"]), ("refuse", ["cart-empty", "validation-unanswered"])]
)
async def test_a_validation_that_does_not_answer_is_taken_as_configured(policy: str, codes: list[str]) -> None:
    def broken(call: AdapterCall) -> Reply:
        raise TimeoutError

    sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: broken}, on_validation_failure=policy))  # type: ignore[arg-type]  # pyright: ignore
    sandbox.add_order("o_1", validations=[{"id": "oc_1", "adapterId": "one", "url": IN_PROCESS}])
    async with sandbox.client() as client:
        with pytest.raises(ValidationFailedError) as caught:
            await validate(client, "o_1")
    assert [problem.code for problem in caught.value.problems] == codes
    assert sandbox.called[0].reply.problem == "no answer (TimeoutError)"


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("body", [b"", b"Not Found"])
async def test_a_validation_finds_a_problem_by_its_status_whatever_its_body(status: int, body: bytes) -> None:
    sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: lambda call: Reply(status, body)}))
    sandbox.add_order("o_1", validations=[{"id": "oc_1", "adapterId": "one", "url": IN_PROCESS}])
    async with sandbox.client() as client:
        with pytest.raises(ValidationFailedError) as caught:
            await validate(client, "o_1")
    assert [problem.code for problem in caught.value.problems] == ["cart-empty", "validation-failed"]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(500, b"Internal Server Error"), "it answered with status 500"),
        (Reply(401, b'{"code": "unauthorized"}'), "it answered with status 401"),
        (Reply(307, b"<html>"), "it answered with status 307"),
        (Reply(404, b"Not Found"), "it answered with status 404"),
        (Reply(200, b"OK"), "its answer is no JSON"),
        (Reply(204), None),
    ],
)
@pytest.mark.parametrize("kind", ["hook", "validation", "notification"])
async def test_the_log_tells_each_call_that_fails(
    kind: str, reply: Reply, problem: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = Callbacks(adapters={IN_PROCESS: lambda call: reply}, on_hook_failure="allow", tries=1)
    sandbox = Sandbox(callbacks=callbacks)
    registered = {"id": "x_1", "adapterId": "one", "url": IN_PROCESS, "invoke": IN_PROCESS}
    members: dict[str, Any] = {f"{kind}s": [registered | {"subscribeTo": "/reference", "scope": "/reference"}]}
    sandbox.add_order("o_1", **members)
    async with sandbox.client() as client:
        with suppress(CallError):
            await (validate(client, "o_1") if kind == "validation" else update_reference(client, "o_1", "R-1"))
    await sandbox.delivered()
    # A hook refuses and a validation finds a problem with 404, and nobody reads what is said to a notification.
    is_answer = reply.status == (200 if kind == "notification" else 404)
    told = [record.getMessage() for record in caplog.records]
    line = f"gave up {kind} x_1 of one after 1 tries" if kind == "notification" else f"{kind} x_1 of one failed"
    assert told == ([] if problem is None or is_answer else [f"{line}: {problem}"])
    assert sandbox.called[0].reply.problem == (None if is_answer else problem)


def _without_a_return(call: AdapterCall) -> None:
    allow()


def _of_another_call(call: Any) -> Reply:
    return refuse("terms-missing", call.order.id)  # an AdapterCall has no order


@pytest.mark.parametrize(
    ("adapter", "problem", "place"),
    [
        (_without_a_return, "it returned no Reply: NoneType", "serving.py"),
        (_of_another_call, "no answer (AttributeError)", "test_sandbox_notices.py"),
    ],
)
async def test_a_function_that_fails_is_found(
    adapter: Any, problem: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: adapter}))
    sandbox.add_order("o_1", hooks=[{"id": "h_1", "subscribeTo": "/reference", "invoke": IN_PROCESS}])
    async with sandbox.client() as client:
        with pytest.raises(BadRequestError, match=re.escape(problem)):
            await update_reference(client, "o_1", "R-1")
    assert re.search(rf"hook h_1 of nobody failed: {re.escape(problem)} in .*{place}:\d+$", caplog.text, re.MULTILINE)


@pytest.mark.parametrize(("callbacks", "level"), [(None, logging.DEBUG), (Callbacks(), logging.WARNING)])
async def test_a_call_that_is_not_made_is_a_warning_where_calls_were_configured(
    callbacks: Callbacks | None, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox = Sandbox(callbacks=callbacks)
    registered = {"id": "x_1", "invoke": IN_PROCESS, "subscribeTo": "/reference", "scope": "/reference"}
    sandbox.add_order("o_1", hooks=[registered], notifications=[registered])
    async with sandbox.client() as client:
        await update_reference(client, "o_1", "R-1")
    await sandbox.delivered()
    told = [record.levelno for record in caplog.records if "is not called" in record.getMessage()]
    assert told == [level, level]


async def test_words_of_others_are_one_short_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: lambda call: Reply(500)}, on_hook_failure="allow"))
    names = ("A\x1b]0;x\x07\nhook h_2 of ours failed: forged", "x" * 4_400)
    hooks = [
        {"id": "h_1", "subscribeTo": "/reference", "invoke": IN_PROCESS, "adapterId": adapter_id}
        for adapter_id in names
    ]
    sandbox.add_order("o_1", hooks=hooks)
    async with sandbox.client() as client:
        await update_reference(client, "o_1", "R-1")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 2
    assert all(one.isprintable() and len(one) < 400 for one in told)


async def test_an_answer_that_is_too_large_is_called_so() -> None:
    async def on_hook(call: HookCall) -> Reply:
        return Reply(200, b" " * 3_000_000)

    async with staged("server") as stage:
        stage.on_hook = on_hook
        await stage.hook()
        with pytest.raises(BadRequestError, match="its answer is too large"):
            await patch_consent(stage.client, "o_1", "ci_news", checked=True)


async def test_a_plain_function_may_answer_in_process() -> None:
    sandbox = Sandbox(callbacks=Callbacks(adapters={IN_PROCESS: lambda call: invalid("sold-out", "Sold out.")}))
    sandbox.add_order("o_1", validations=[{"id": "oc_1", "adapterId": "one", "url": IN_PROCESS}])
    async with sandbox.client() as client:
        with pytest.raises(ValidationFailedError, match="sold-out"):
            await validate(client, "o_1")
