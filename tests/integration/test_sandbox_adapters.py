"""Hooks that a sandbox calls before it stores a change, in process and over a socket."""

import asyncio
import itertools
import json
import re
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from sandbox_requests import stored
from staging import Stage, staged

from norce_order_async import (
    BadRequestError,
    CallError,
    CallOptions,
    ConflictError,
    NotFoundError,
    OutcomeKind,
    create_hook,
    create_order,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
    update_reference,
    update_state,
)
from norce_order_async.endpoints.payments import create_payment
from norce_order_async.models import Consent, Hook, Order, Payment
from norce_order_async.receiving import HookCall, Reply, allow, change, refuse
from norce_order_async.testing import AdapterCall, Callbacks, Sandbox


async def test_a_hook_that_refuses_keeps_the_change_from_being_stored(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        assert (call.merchant, call.channel, call.path) == ("norce", "1", "ours")
        assert call.order.consents
        assert call.order.consents[0].checked is True
        return refuse("terms-missing", "The terms are not accepted.")

    stage.on_hook = on_hook
    await stage.hook()
    before = stage.order
    with pytest.raises(BadRequestError, match="The terms are not accepted") as caught:
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert (caught.value.code, caught.value.outcome) == ("terms-missing", OutcomeKind.REJECTED)
    assert stage.order == before
    assert not stage.sandbox.requests[-1].applied


async def test_a_hook_lets_pass_and_is_called_before_the_change_is_stored(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        assert not stage.consent
        return allow()

    stage.on_hook = on_hook
    await stage.hook()
    assert (await patch_consent(stage.client, "o_1", "ci_news", checked=True)).outcome is OutcomeKind.APPLIED
    assert stage.consent
    assert stage.called == ["ours"]


async def test_a_change_that_a_hook_lets_pass_has_its_own_answer(stage: Stage) -> None:
    await stage.hook(watch="/payments")
    made = await create_payment(stage.client, "o_1", Payment())
    assert (stage.called, made) == (["ours"], stage.order["payments"][0]["id"])


async def test_a_patch_takes_a_member_off(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        return Reply(200, b'[{"op": "remove", "path": "/attributes/b"}]')

    stage.on_hook = on_hook
    await stage.hook(watch="/attributes")
    await patch_attributes(stage.client, "o_1", {"a": 1, "b": 2})
    assert stage.order["attributes"] == {"a": 1}


@pytest.mark.parametrize(
    ("registered", "called"),
    [
        ("/h%41/../%7e?secret=%41%2b+/='()", "/h%41/../%7e?secret=%41%2b+/='()"),
        ("/h å\r\nx: y", "/h%20%C3%A5x:%20y"),
        ("?secret=%zz", "/?secret=%25zz"),
    ],
)
async def test_a_server_calls_an_address_as_it_is_registered(registered: str, called: str) -> None:
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.Response(body=b"[]")

    listener = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0)
    async with listener, staged("server") as stage:
        host, port = listener.sockets[0].getsockname()
        hook = Hook(subscribe_to="/attributes", invoke=f"http://{host}:{port}{registered}")
        await create_hook(stage.client, "o_1", hook)
        await patch_attributes(stage.client, "o_1", {"a": 1})
    assert seen == [called]


async def test_an_answer_whose_status_is_none_of_http_is_told() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=600)

    listener = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0)
    async with listener, staged("server") as stage:
        host, port = listener.sockets[0].getsockname()
        await create_hook(stage.client, "o_1", Hook(subscribe_to="/attributes", invoke=f"http://{host}:{port}"))
        with pytest.raises(BadRequestError, match="it answered with status 600"):
            await patch_attributes(stage.client, "o_1", {"a": 1})


@pytest.mark.parametrize("pointer", ["/attributes", "/attributes/", "attributes", "/"])
async def test_a_target_is_read_as_what_a_hook_watches(stage: Stage, pointer: str) -> None:
    async def on_hook(call: HookCall) -> Reply:
        return Reply(200, b'[{"op": "add", "path": "/attributes/b", "value": 2}]')

    stage.on_hook = on_hook
    await stage.hook(watch=pointer, target=pointer)
    await patch_attributes(stage.client, "o_1", {"a": 1})
    assert stage.order["attributes"] == {"a": 1, "b": 2}


async def test_what_a_hook_does_not_watch_does_not_call_it(stage: Stage) -> None:
    await stage.hook(watch="/cart")
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert stage.called == []


async def test_hooks_of_the_adapter_that_calls_are_left_out(stage: Stage) -> None:
    await stage.hook("ours")
    await stage.hook("theirs")
    await patch_consent(stage.client, "o_1", "ci_news", checked=True, options=CallOptions(adapter_id="ours"))
    assert stage.called == ["theirs"]


async def test_a_patch_is_stored_with_the_change_and_sets_off_further_hooks(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        if call.path == "first":
            more = (*(call.order.consents or ()), Consent(id="ci_more", checked=True))
            return change(call.order, attrs.evolve(call.order, reference="R-1", consents=more))
        assert call.order.reference == "R-1"
        return allow()

    stage.on_hook = on_hook
    await stage.hook("first")
    await stage.hook("second", watch="/reference")
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert stage.called == ["first", "second"]
    assert stage.order["reference"] == "R-1"
    assert stage.order["consents"] == [{"id": "ci_news", "checked": True}, {"id": "ci_more", "checked": True}]


async def test_what_a_patch_adds_is_completed_as_what_an_operation_adds(stage: Stage) -> None:
    added: dict[str, Any] = {
        "consents": {"checked": False},
        "hooks": {"adapterId": "a", "subscribeTo": "/cart", "invoke": "{config.url}"},
        "notifications": {"reference": "n", "scope": "/cart", "invoke": "{config.url}"},
        "validations": {"adapterId": "a", "url": "{config.url}"},
        "payments": {"amount": 4, "actions": [{"adapterId": "a", "type": "capture", "url": "x"}]},
        "shippings": {"total": {"includingVat": 1, "excludingVat": 1}, "vatRate": 0},
    }

    async def on_hook(call: HookCall) -> Reply:
        patch = [{"op": "add", "path": f"/{name}", "value": [part]} for name, part in added.items()]
        return Reply(200, json.dumps(patch).encode())

    stage.on_hook = on_hook
    await stage.hook(watch="/reference")
    await update_reference(stage.client, "o_1", "R-1")
    assert [name for name in added if not stage.order[name][0].get("id")] == []
    payment, shipping = (stage.order[name][0] for name in ("payments", "shippings"))
    ours = {"orderId": "o_1", "merchant": "norce", "channel": "1", "state": "intent"}
    assert (payment | ours, shipping | ours) == (payment, shipping)
    assert payment["actions"][0]["id"]


@pytest.mark.parametrize(
    "odd", [None, "x", {"actions": None}, {"actions": [None, {"type": "t"}]}, {"id": "p", "actions": "x"}]
)
async def test_a_patch_passes_over_what_is_no_payment(odd: Any) -> None:
    patch = b'[{"op": "add", "path": "/attributes/b", "value": 2}]'
    sandbox = Sandbox(callbacks=Callbacks(adapters={"https://a.example": lambda call: Reply(200, patch)}))
    hook = {"id": "h", "adapterId": "a", "subscribeTo": "/attributes", "invoke": "https://a.example"}
    sandbox.add_order("o_1", payments=[odd], hooks=[hook])
    async with sandbox.client() as client:
        await patch_attributes(client, "o_1", {"a": 1})
    assert stored(sandbox)["attributes"] == {"a": 1, "b": 2}


async def test_a_hook_may_change_the_order_before_it_answers(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        await patch_attributes(stage.client, "o_1", {"seen": (await get_order(stage.client, "o_1")).reference})
        return change(call.order, attrs.evolve(call.order, reference="R-1"))

    stage.on_hook = on_hook
    await stage.hook()
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert (stage.order["attributes"], stage.order["reference"]) == ({"seen": None}, "R-1")
    assert stage.consent


@pytest.mark.parametrize("adapter_id", [None, "ours"])
async def test_a_hook_that_makes_the_same_change_again_does_not_deadlock(stage: Stage, adapter_id: str | None) -> None:
    async def on_hook(call: HookCall) -> Reply:
        options = CallOptions(adapter_id=adapter_id)
        try:
            await patch_consent(stage.client, "o_1", "ci_news", checked=True, options=options)
        except (BadRequestError, ConflictError) as error:
            return refuse(error.code or "", str(error))
        return allow()

    stage.on_hook = on_hook
    await stage.hook()
    if adapter_id:
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert stage.called == ["ours"]
    else:
        with pytest.raises(BadRequestError) as caught:
            await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert caught.value.code == "too-many-hook-calls"
        assert stage.called == ["ours"] * 5
    assert stage.consent is (adapter_id is not None)


async def test_the_order_is_looked_at_again(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        stage.sandbox.add_order("o_1")
        return allow()

    stage.on_hook = on_hook
    await stage.hook()
    with pytest.raises(NotFoundError, match="Consent with id:ci_news not found"):
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)


async def test_a_patch_that_no_longer_fits_is_a_conflict(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        assert call.order.consents
        if call.path == "first":
            return change(call.order, attrs.evolve(call.order, consents=call.order.consents[:1]))
        await delete_consent(stage.client, "o_1", "ci_two", options=CallOptions(adapter_id="second"))
        return allow()

    stage.sandbox.add_order("o_1", consents=["ci_news", "ci_two"])
    stage.on_hook = on_hook
    await stage.hook("first")
    await stage.hook("second")
    with pytest.raises(ConflictError):
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert not stage.consent


@pytest.mark.parametrize("policy", ["refuse", "allow"])
async def test_so_it_is_where_the_order_changed_while_that_hook_was_asked(policy: str) -> None:
    async with staged("transport", on_hook_failure=policy) as stage:

        async def on_hook(call: HookCall) -> Reply:
            assert call.order.consents
            await delete_consent(stage.client, "o_1", "ci_two", options=CallOptions(adapter_id="ours"))
            return change(call.order, attrs.evolve(call.order, consents=call.order.consents[:1]))

        stage.sandbox.add_order("o_1", consents=["ci_news", "ci_two"])
        stage.on_hook = on_hook
        await stage.hook("ours")
        with pytest.raises(ConflictError) as caught:
            await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert caught.value.code == "order-conflict"
        assert stage.order["consents"] == [{"id": "ci_news", "checked": False}]


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("body", [b"", b"Not Found", b'{"detail": "Not Found"}'])
async def test_a_hook_refuses_by_its_status_whatever_its_body(status: int, body: bytes) -> None:
    async def on_hook(call: HookCall) -> Reply:
        return Reply(status, body)

    async with staged("transport", on_hook_failure="allow") as stage:
        stage.on_hook = on_hook
        await stage.hook()
        with pytest.raises(BadRequestError, match=rf"Hook with id:\w+ answered {status}\.") as caught:
            await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert caught.value.code == "hook-refused"
        assert not stage.consent


FAILURES = [
    ("slow", Reply(200), "no answer within 0.2 s"),
    ("status", Reply(500), "status 500"),
    ("status-text", Reply(500, b"Internal Server Error"), "status 500"),
    ("redirect", Reply(302), "status 302"),
    ("redirect-text", Reply(302, b"<html>"), "status 302"),
    ("no-json", Reply(200, b"<html>"), "no JSON"),
    ("no-list", Reply(200, b"{}"), "no list"),
    ("no-operation", Reply(200, b'[{"op": "move", "path": "/consents/0"}]'), "neither add"),
    ("no-value", Reply(200, b'[{"op": "add", "path": "/consents/0"}]'), "no value"),
    ("path-is-no-text", Reply(200, b'[{"op": "remove", "path": 7}]'), "slash"),
    ("no-slash", Reply(200, b'[{"op": "remove", "path": "consents/0"}]'), "slash"),
    ("nowhere", Reply(200, b'[{"op": "remove", "path": "/consents/7"}]'), "leads nowhere"),
    ("beside-target", Reply(200, b'[{"op": "add", "path": "/reference", "value": "R"}]'), "target"),
    ("breaks-contract", Reply(200, b'[{"op": "replace", "path": "/consents/0/checked", "value": 7}]'), "contract"),
    (
        "too-deep",
        Reply(200, b'[{"op": "add", "path": "/consents/0/x", "value": ' + b"[" * 58 + b"]" * 58 + b"}]"),
        "deep",
    ),
    ("no-part", Reply(200, b'[{"op": "replace", "path": "/consents", "value": 7}]'), "consents is no list"),
]


@pytest.mark.parametrize("policy", ["refuse", "allow"])
@pytest.mark.parametrize(("kind", "reply", "message"), FAILURES, ids=[kind for kind, _, _ in FAILURES])
async def test_a_hook_that_fails_is_taken_as_configured(
    policy: str, kind: str, reply: Reply, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def on_hook(call: HookCall) -> Reply:
        if kind == "slow":
            await asyncio.sleep(30)
        return reply

    async with staged("transport", deadline=0.2, on_hook_failure=policy) as stage:
        stage.on_hook = on_hook
        await stage.hook(target="/consents")
        await _fails_as_configured(stage, policy, message)
    assert len(re.findall(rf"hook h_\w+ of ours failed: .*{message}", caplog.text)) == 1


@pytest.mark.parametrize("policy", ["refuse", "allow"])
@pytest.mark.parametrize(("kind", "message"), [("slow", "no answer within 0.2 s"), ("down", "no answer")])
async def test_a_server_that_fails_is_taken_as_configured(
    policy: str, kind: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def on_hook(call: HookCall) -> Reply:
        await asyncio.sleep(30)
        return allow()

    async with staged("server", deadline=0.2, on_hook_failure=policy) as stage:
        stage.on_hook = on_hook
        if kind == "down":
            stage.url = "http://127.0.0.1:1"
        await stage.hook()
        await _fails_as_configured(stage, policy, message)
    assert re.search(rf"hook h_\w+ of ours failed: {message}( \(\w+\))?$", caplog.text, re.MULTILINE)


async def _fails_as_configured(stage: Stage, policy: str, message: str) -> None:
    if policy == "allow":
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    else:
        with pytest.raises(BadRequestError, match=message) as caught:
            await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert (caught.value.code, caught.value.outcome) == ("hook-failed", OutcomeKind.REJECTED)
    assert stage.consent is (policy == "allow")


async def test_hooks_that_set_off_one_another_are_bounded(stage: Stage) -> None:
    async def on_hook(call: HookCall) -> Reply:
        return change(call.order, attrs.evolve(call.order, reference=(call.order.reference or "") + "x"))

    stage.on_hook = on_hook
    await stage.hook("one", watch="/reference")
    await stage.hook("two", watch="/reference")
    await stage.hook("first")
    with pytest.raises(BadRequestError) as caught:
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert (caught.value.code, len(stage.called)) == ("too-many-hook-calls", 20)
    assert not stage.consent


async def test_hooks_on_a_part_with_time_stamps_do_not_set_off_one_another() -> None:
    seconds, called = itertools.count(1.7e9), list[str]()

    def adapter(call: AdapterCall) -> Reply:
        called.append(call.part_id)
        return Reply(200, f'[{{"op": "add", "path": "/attributes/{call.part_id}", "value": 1}}]'.encode())

    sandbox = Sandbox(callbacks=Callbacks(adapters={"https://a.example": adapter}), wall=lambda: next(seconds))
    hooks = [{"id": hook_id, "subscribeTo": "/state", "invoke": "https://a.example"} for hook_id in ("one", "two")]
    sandbox.add_order("o_1", hooks=hooks)
    async with sandbox.client() as client:
        await update_state(client, "o_1", "accepted")
    assert called == ["one", "two"]


async def test_a_caller_that_gives_up_is_told_that_it_cannot_know(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def on_hook(call: HookCall) -> Reply:
        await asyncio.sleep(30)
        return allow()

    stage.on_hook = on_hook
    await stage.hook()
    with pytest.raises(CallError) as caught:
        await patch_consent(stage.client, "o_1", "ci_news", checked=True, options=CallOptions(timeout=0.2))
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    assert not stage.consent
    while len(stage.sandbox.requests) < 2:  # noqa: ASYNC110 (the server learns of it later)
        await asyncio.sleep(0.01)
    received = stage.sandbox.requests[-1]
    assert (received.operation, received.status, received.applied) == ("PatchCheckoutOrderConsent", 0, False)
    assert stage.sandbox.called[-1].reply.problem == "nobody waits for its answer any more"
    assert re.search(r"hook h_\w+ of ours failed: nobody waits for its answer any more$", caplog.text, re.MULTILINE)


async def test_hooks_are_called_by_what_they_watch_then_by_target(stage: Stage) -> None:
    for adapter_id, watch, target in [
        ("f", "/attributes", None),
        ("e", "/consents/0/checked", "/payments"),
        ("d", "/consents", "/cart"),
        ("c", "/consents", "/consents"),
    ]:
        await stage.hook(adapter_id, watch, target)
    await patch_consent(stage.client, "o_1", "ci_news", checked=True)
    assert stage.called == ["c", "d", "e"]


@pytest.mark.parametrize(
    "invoke",
    [
        "http://192.0.2.1/hook",
        "http://3221225985/",
        "http://192.0.513/",
        "http://127.0.0.1\\@192.0.2.1/",
        "http://[::ffff:192.0.2.1]/",
        "http://[fe80::1%25\x1b]/",
        "{config.adapter.url}/x",
        "ftp://localhost/",
    ],
)
async def test_a_server_calls_only_this_machine(invoke: str, caplog: pytest.LogCaptureFixture) -> None:
    async with staged("server") as stage:
        stage.sandbox.add_order(
            "o_1", consents=["ci_news"], hooks=[{"id": "h", "subscribeTo": "/consents", "invoke": invoke}]
        )
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert [one.reply.skipped for one in stage.sandbox.called] == [True]
        assert re.search(r"hook h of nobody is not called: (the host \S+ is not on|its address is no URL)", caplog.text)
        assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    ("hosts", "skipped"), [((), True), (("elsewhere.example",), True), (("Adapter.example",), False)]
)
async def test_the_address_counts_that_a_name_leads_to(
    hosts: tuple[str, ...], skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[Any]:
        if not skipped:
            raise OSError("not connected to in a test")
        return [{"hostname": host, "host": "192.0.2.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async with staged("server", hosts=hosts, on_hook_failure="allow") as stage:
        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
        stage.url = "http://adapter.example"
        await stage.hook()
        await patch_consent(stage.client, "o_1", "ci_news", checked=True)
        assert [one.reply.skipped for one in stage.sandbox.called] == [skipped]
        monkeypatch.undo()


async def test_a_hook_may_come_with_the_order(stage: Stage) -> None:
    hook = Hook(adapter_id="ours", subscribe_to="/reference", invoke=f"{stage.url}/hooks/ours")
    order_id = await create_order(stage.client, Order(merchant="norce", channel="1", hooks=[hook]))
    await update_reference(stage.client, order_id, "R-1")
    assert stage.called == ["ours"]
