"""Recording: what a cassette has, what it never has, and what is replayed."""

# ruff: noqa: ASYNC240 (the files are small)

import json
from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import ScriptedTransport

from norce_order_async import (
    BadRequestError,
    ClientCredentials,
    ConfigurationError,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    OrderClient,
    RetryPolicy,
    TokenError,
    UnexpectedStatusError,
    create_consent,
    create_hook,
    create_notification,
    get_order,
    list_orders,
    patch_attributes,
    patch_consent,
    update_cart,
    update_reference,
)
from norce_order_async.models import JSON, Cart, Consent, Hook, Notification, Price, to_json
from norce_order_async.testing import FakeClock, NotRecordedError, RecordingTransport, Sandbox, SandboxTransport
from norce_order_async.testing.conformance.base import BODY_CANARY, check_error
from norce_order_async.transport import Transport

TOKEN = "canary-3f/71+token"


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "one.json"


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox(tokens=[TOKEN])
    sandbox.add_order("o_1", consents=["ci_a"], attributes={"weight": Decimal("1.20"), "name": "Åsa"})
    return sandbox


def client(transport: Transport, **settings: Any) -> OrderClient:
    given: dict[str, Any] = {"merchant": "norce", "channel": "1", "auth": TOKEN, "clock": FakeClock()}
    given["base_url"] = "http://localhost/checkout/order"
    return OrderClient(transport=transport, **given | settings)


async def work(client: OrderClient) -> list[Any]:
    async with client:
        await patch_consent(client, "o_1", "ci_a", checked=True)
        order = await get_order(client, "o_1")
        with pytest.raises(NotFoundError) as missing:
            await get_order(client, "o_2")
        found = await list_orders(client, billing_emails=["anna@example.com"], limit=5)
        await patch_attributes(client, "o_1", {"weight": Decimal("2.5"), "name": None})
        later = await get_order(client, "o_1")
        return [order, missing.value.code, missing.value.message, found, later]


async def test_what_was_recorded_is_replayed_alike(cassette: Path, sandbox: Sandbox) -> None:
    recorded = await work(client(RecordingTransport(cassette, SandboxTransport(sandbox))))
    assert sandbox.count == 6
    other_host = client(RecordingTransport(cassette), base_url="https://acme.example/checkout/order", auth="another")
    assert await work(other_host) == recorded
    assert sandbox.count == 6
    assert recorded[0].attributes == {"weight": Decimal("1.20"), "name": "Åsa"}
    content = json.loads(cassette.read_text(encoding="utf-8"))
    assert content["exchanges"][0]["request"] == {
        "method": "PATCH",
        "path": "/checkout/order/api/v0/checkout/orders/o_1/consents/ci_a",
        "query": [],
        "merchant": "norce",
        "channel": "1",
        "body": {"json": {"id": "ci_a", "checked": True}},
    }


async def test_a_relative_path_counts_from_where_the_transport_was_made(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for _ in range(2):
        monkeypatch.chdir(tmp_path)
        transport = RecordingTransport("cassettes/one.json", SandboxTransport(sandbox))
        monkeypatch.chdir("elsewhere")
        await once(transport)
    assert sandbox.count == 1


async def test_a_retry_is_replayed_as_it_went(cassette: Path, sandbox: Sandbox) -> None:
    sandbox.faults.add("status:503:retry-after=2:times=1")
    for inner in (SandboxTransport(sandbox), None):
        clock = FakeClock()
        async with client(RecordingTransport(cassette, inner), clock=clock) as caller:
            receipt = await patch_consent(caller, "o_1", "ci_a", checked=True)
        assert receipt.attempts == 2
        assert clock.slept[0] >= 2
    assert sandbox.count == 2


async def test_an_answer_with_any_status_is_replayed(cassette: Path) -> None:
    for inner in (ScriptedTransport((999, {}, b"")), None):
        async with client(RecordingTransport(cassette, inner), retry=RetryPolicy(max_attempts=1)) as caller:
            with pytest.raises(UnexpectedStatusError, match="HTTP 999"):
                await get_order(caller, "o_1")


async def test_a_header_that_was_added_by_hand_counts_in_any_case(cassette: Path, sandbox: Sandbox) -> None:
    await once(RecordingTransport(cassette, SandboxTransport(sandbox)))
    content = json.loads(cassette.read_text(encoding="utf-8"))
    (exchange,) = content["exchanges"]
    refused = {"status": 503, "headers": {"Retry-After": "7"}, "body": None, "truncated": False}
    content["exchanges"] = [{**exchange, "response": refused}, exchange]
    cassette.write_text(json.dumps(content), encoding="utf-8-sig")  # as some editors write it
    clock = FakeClock()
    async with client(RecordingTransport(cassette), clock=clock) as caller:
        await get_order(caller, "o_1")
    assert 7 <= clock.slept[0] < 8


async def once(transport: Transport, order_id: str = "o_1") -> Any:
    async with client(transport) as caller:
        return await get_order(caller, order_id)


@pytest.mark.parametrize(
    ("mode", "new", "again", "kept"),
    [("none", None, 0, 1), ("once", None, 0, 1), ("new_episodes", 1, 0, 2), ("all", 1, 1, 1)],
)
async def test_what_each_mode_does_with_a_cassette(
    cassette: Path, sandbox: Sandbox, mode: Any, new: int | None, again: int, kept: int
) -> None:
    sandbox.add_order("o_2")
    await once(RecordingTransport(cassette, SandboxTransport(sandbox)))
    before = sandbox.count
    await once(RecordingTransport(cassette, SandboxTransport(sandbox), mode=mode))
    assert sandbox.count - before == again
    other = RecordingTransport(cassette, SandboxTransport(sandbox), mode=mode)
    if new is None:
        with pytest.raises(NotRecordedError):
            await once(other, "o_2")
    else:
        await once(other, "o_2")
    assert sandbox.count - before == again + (new or 0)
    assert len(json.loads(cassette.read_text(encoding="utf-8"))["exchanges"]) == kept


async def test_without_a_cassette(cassette: Path, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no cassette .*one\.json"):
        RecordingTransport(cassette, mode="none")
    with pytest.raises(ConfigurationError, match="one of none, once, new_episodes, all"):
        RecordingTransport(cassette, mode="some")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with client(RecordingTransport(cassette, SandboxTransport(sandbox))):
        pass
    assert not cassette.exists()  # nothing was recorded


async def test_a_request_without_a_recording_says_what_was_asked_and_what_there_is(
    cassette: Path, sandbox: Sandbox
) -> None:
    async with client(RecordingTransport(cassette, SandboxTransport(sandbox))) as caller:
        await patch_consent(caller, "o_1", "ci_a", checked=True)
        await list_orders(caller, limit=5)
    replay = RecordingTransport(cassette)
    async with client(replay) as caller:
        await list_orders(caller, limit=5)
        with pytest.raises(NotRecordedError) as missing:
            await patch_consent(caller.scoped(channel="2"), "o_1", "ci_a", checked=False)
        text = str(missing.value)
        path = "/checkout/order/api/v0/checkout/orders"
        assert text.splitlines() == [
            f"{cassette} has no response to",
            f"  PATCH {path}/o_1/consents/ci_a (merchant norce, channel 2)",
            "It has (* is replayed already):",
            f"  PATCH {path}/o_1/consents/ci_a (merchant norce, channel 1); differs in channel, body (checked)",
            f"* GET {path}?limit=5 (merchant norce, channel 1); differs in method, path, query, channel, body",
        ]
        with pytest.raises(NotRecordedError, match="is replayed already"):
            await list_orders(caller, limit=5)  # it was made once


SECRET = "canary-secret/of+client"
TOKEN_ANSWER = json.dumps({"access_token": TOKEN, "expires_in": 3600, "refresh_token": "canary-refresh"}).encode()
HEADERS = {"content-type": "application/json", "set-cookie": f"session={TOKEN}", "x-debug": TOKEN}


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_no_secret_of_a_token_endpoint_is_kept(cassette: Path, method: Any) -> None:
    echo = json.dumps({"id": "o_1", "attributes": {"seen": f"Bearer {TOKEN}"}}).encode()
    location = {"location": f"https://x/api/v0/checkout/orders/o_1?access_token={TOKEN}"}
    scripted = ScriptedTransport((200, HEADERS, TOKEN_ANSWER), (200, HEADERS | location, echo))
    for inner in (scripted, None):
        transport = RecordingTransport(cassette, inner)
        source = ClientCredentials(
            token_url="http://localhost/token",
            client_id="canary-client-id",
            client_secret=SECRET,
            auth_method=method,
            transport=transport,
        )
        async with client(transport, auth=source, headers={"x-api-key": "canary-key"}) as caller:
            assert (await get_order(caller, "o_1")).attributes is not None
    text = cassette.read_text(encoding="utf-8")
    assert "canary" not in text
    assert '"grant_type"' in text
    assert '"expires_in": 3600' in text


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "canary-one", "nan": NaN}',
        b'{"access_token": "canary-one", "expi',
        b'[{"api_token" : "canary-one"}, {"apiKey": "a \\" canary-one", "client-assertion": "canary-one',
        b'{"headers": {"Authorization": "Bearer canary-one"}}, {"id',
        b'{"n": 1.000000000000000000001, "access_token": "canary-one"}',
        b"access_token=canary-one&token_type=bearer",
        b"<p>password: canary-one</p>",
        '{"access_token": "canary-one"}'.encode("utf-16"),
        b"\x1f\x8b\xffcanary-one",
    ],
)
async def test_no_secret_is_kept_of_a_body_that_is_odd(cassette: Path, body: bytes) -> None:
    transport = RecordingTransport(cassette, ScriptedTransport((200, {}, body)))
    source = ClientCredentials(
        token_url="http://localhost/token", client_id="a", client_secret="b", transport=transport, clock=FakeClock()
    )
    async with client(transport, auth=source) as caller:
        with pytest.raises((TokenError, DecodeError)):
            await get_order(caller, "o_1")
    assert "canary" not in cassette.read_text(encoding="utf-8")


async def test_no_secret_of_an_adapter_is_kept(cassette: Path, sandbox: Sandbox) -> None:
    invoke = "https://me:canary-user@adapter.example/hooks/{order_id}?secret=canary%2Dquery&version=v1&adapter-key=canary-0123456789"
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await create_hook(caller, "o_1", Hook(subscribe_to="/state", target="/state", invoke=invoke))
            await patch_attributes(caller, "o_1", {"seen": "canary-user, canary-query and canary-0123456789"})
            assert len((await get_order(caller, "o_1")).hooks or ()) == 1
    text = cassette.read_text(encoding="utf-8")
    assert "canary" not in text
    assert text.count("https://***@adapter.example/hooks/{order_id}?secret=***&version=***&adapter-key=***") == 2


@pytest.mark.parametrize("member", ["URL", "Invoke", "hooks"])
async def test_no_secret_of_an_address_is_kept_under_another_spelling_or_in_place_of_an_object(
    cassette: Path, sandbox: Sandbox, member: str
) -> None:
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await patch_attributes(caller, "o_1", {member: ["https://u:canary@adapter.example/?key=canary"]})
    text = cassette.read_text(encoding="utf-8")
    assert "canary" not in text
    assert "https://***@adapter.example/?key=***" in text


@pytest.mark.parametrize(
    "member",
    [
        {"headers": {"Authorization": "Bearer canary-1", "x-norce-secret": "canary-2"}, "seen": "canary-1 canary-2"},
        {"Headers": {"X-Api-Key": ["canary-3"], "x-site": "canary-4"}, "seen": "canary-3"},
        {"headers": [{"name": "x-site", "value": "canary-5"}]},
        {"headers": {"more": [{"x-api-key": "canary-9", "n": 1}]}, "seen": "canary-9"},
        {"api_token": "canary-6", "sharedSecret": "canary-7", "user-password": "canary-8", "seen": "canary-6"},
        {"apiKey": {"value": ["canary-9"], "n": 1}, "seen": "canary-9"},
    ],
)
async def test_no_secret_of_a_registration_is_kept(cassette: Path, sandbox: Sandbox, member: dict[str, JSON]) -> None:
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await create_notification(caller, "o_1", Notification(scope="/state", extra=member))
            assert (await get_order(caller, "o_1")).notifications
    text = cassette.read_text(encoding="utf-8")
    assert "canary" not in text
    assert all(f'"{name}"' in text for name in member)


async def test_a_secret_may_be_a_number_but_no_truth_value(cassette: Path, sandbox: Sandbox) -> None:
    sandbox.add_order("o_2", attributes={"password": 12345678, "seen": "12345678", "token": None, "hasToken": False})
    for inner in (SandboxTransport(sandbox), None):
        order = await once(RecordingTransport(cassette, inner), "o_2")
    assert order.attributes == {"password": "***", "seen": "***", "token": None, "hasToken": False}


async def test_what_is_no_text_in_headers_is_kept(cassette: Path, sandbox: Sandbox) -> None:
    headers: JSON = {"n": 1, "m": None, "l": [True, "x"], "o": {"p": 1.5}}
    sandbox.add_order("o_2", attributes={"headers": headers})
    for inner in (SandboxTransport(sandbox), None):
        order = await once(RecordingTransport(cassette, inner), "o_2")
    assert order.attributes == {"headers": {"n": 1, "m": None, "l": [True, "***"], "o": {"p": Decimal("1.5")}}}


ORDER_ID, CHANNEL = "o_qNnZxZrBfglSSjjejxjzFHLNcs", "thingsandstuff-se-nonpsp"


@pytest.mark.parametrize("value", [ORDER_ID, CHANNEL, CHANNEL[:16]])
async def test_what_a_request_is_found_by_is_kept_also_where_an_address_has_it(
    cassette: Path, sandbox: Sandbox, value: str
) -> None:
    sandbox.add_order(ORDER_ID, channel=CHANNEL)
    hook = Hook(
        subscribe_to="/cart", target="/cart", invoke=f"https://a.example/hooks?of={value}&key=canary-0123456789"
    )
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner), channel=CHANNEL) as caller:
            await patch_attributes(caller, ORDER_ID, {"of": value})
            await create_hook(caller, ORDER_ID, hook)
            order = await get_order(caller, ORDER_ID)
    assert (order.id, order.channel, order.attributes) == (ORDER_ID, CHANNEL, {"of": value})
    assert "canary" not in cassette.read_text(encoding="utf-8")


async def test_what_a_request_is_found_by_is_kept_also_where_a_body_calls_it_a_token(
    cassette: Path, sandbox: Sandbox
) -> None:
    sandbox.add_order(ORDER_ID)
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await get_order(caller, ORDER_ID)
            await patch_attributes(caller, ORDER_ID, {"token": ORDER_ID, "seen": ORDER_ID})
            order = await get_order(caller, ORDER_ID)
    assert order.attributes == {"token": "***", "seen": ORDER_ID}


async def test_a_secret_of_a_header_is_hidden_also_in_what_a_request_is_found_by(
    cassette: Path, sandbox: Sandbox
) -> None:
    sandbox.add_order("canary-one-order", channel="canary-one-order")
    transport, headers = RecordingTransport(cassette, SandboxTransport(sandbox)), {"x-api-key": "canary-one-order"}
    async with client(transport, channel="canary-one-order", headers=headers) as caller:
        await get_order(caller, "canary-one-order")
    assert "canary" not in cassette.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
async def test_two_transports_may_record_into_one_cassette(cassette: Path, sandbox: Sandbox, mode: Any) -> None:
    sandbox.add_order("o_2")
    one, two = (client(RecordingTransport(cassette, SandboxTransport(sandbox), mode=mode)) for _ in range(2))
    await get_order(one, "o_1")
    await get_order(two, "o_2")
    await one.aclose()
    await two.aclose()
    async with client(RecordingTransport(cassette, mode="none")) as caller:
        assert [(await get_order(caller, order_id)).id for order_id in ("o_1", "o_2")] == ["o_1", "o_2"]


async def test_equal_requests_of_two_transports_are_replayed_in_the_order_of_recording(
    cassette: Path, sandbox: Sandbox
) -> None:
    for mode in ("once", "none"):
        transports = (RecordingTransport(cassette, SandboxTransport(sandbox), mode=mode) for _ in range(3))
        seen: list[str | None] = []
        async with client(next(transports)) as one:
            for reference in ("R-1", "R-2"):
                seen.append((await get_order(one, "o_1")).reference)
                async with client(next(transports)) as two:
                    await update_reference(two, "o_1", reference)
                    seen.append((await get_order(two, "o_1")).reference)
            seen.append((await get_order(one, "o_1")).reference)
        assert seen == [None, "R-1", "R-1", "R-2", "R-2"]


async def test_a_transport_that_is_not_closed_holds_no_cassette(cassette: Path, sandbox: Sandbox) -> None:
    await once(RecordingTransport(cassette, SandboxTransport(sandbox)))
    for _ in range(2):
        assert (await get_order(client(RecordingTransport(cassette)), "o_1")).id == "o_1"


async def test_a_cassette_that_is_extended_keeps_what_it_had(cassette: Path, sandbox: Sandbox) -> None:
    sandbox.add_order(ORDER_ID)

    async def register(caller: OrderClient) -> None:
        await create_hook(caller, "o_1", Hook(subscribe_to="/cart", invoke=f"https://a.example/hooks?of={ORDER_ID}"))
        await patch_attributes(caller, "o_1", {"of": ORDER_ID})

    async with client(RecordingTransport(cassette, SandboxTransport(sandbox))) as caller:
        await register(caller)
    await once(RecordingTransport(cassette, SandboxTransport(sandbox), mode="new_episodes"), ORDER_ID)
    async with client(RecordingTransport(cassette)) as caller:
        await register(caller)
        assert (await get_order(caller, ORDER_ID)).id == ORDER_ID


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "canary-1", "n": 1.50}',
        ' [{"password": "canary-2"}]',
        '{"inner": "{\\"client_secret\\": \\"canary-3\\"}"}',
        "password=canary-4",
        '{"access_token": "canary-5", "deep": ' + "[" * 80 + "]" * 80 + "}",
    ],
)
async def test_no_secret_inside_a_text_is_kept(cassette: Path, sandbox: Sandbox, text: str) -> None:
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await patch_attributes(caller, "o_1", {"note": text, "harmless": ' {"a": 1.50}'})
            order = await get_order(caller, "o_1")
    assert "canary" not in cassette.read_text(encoding="utf-8")
    assert (order.attributes or {})["harmless"] == ' {"a": 1.50}'


@pytest.mark.parametrize("body", [b"[" * 80 + b"]" * 80, b"\x1f\x8b\xff"])
async def test_a_body_that_is_left_out_is_told_and_the_others_are_kept(cassette: Path, body: bytes) -> None:
    for inner in (ScriptedTransport((404, {}, body), (200, {}, b'{"id": "o_1"}')), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            with pytest.raises(NotFoundError) as missing:
                await get_order(caller, "o_1")
            assert (await get_order(caller, "o_1")).id == "o_1"
    assert "left out of the cassette" in str(missing.value)


def scrub(name: str, value: Any) -> Any:
    return "somebody" if name in ("email", "name", "billing_emails") else value


async def test_personal_data_is_scrubbed_on_both_sides(cassette: Path, sandbox: Sandbox) -> None:
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner, scrub=scrub)) as caller:
            await patch_attributes(caller, "o_1", {"name": "Anna", "team": [{"name": "Anna"}]})
            order = await get_order(caller, "o_1")
            await list_orders(caller, billing_emails=["anna@example.com"])
    assert (order.attributes or {})["team"] == [{"name": "somebody"}]
    assert "nna" not in cassette.read_text(encoding="utf-8")


async def test_true_is_not_replayed_as_1(cassette: Path, sandbox: Sandbox) -> None:
    sandbox.faults.add("status:400:times=1")
    for inner, values in ((SandboxTransport(sandbox), (True, 1)), (None, (1.0, True))):
        async with client(RecordingTransport(cassette, inner)) as caller:
            for value in values:
                with pytest.raises(BadRequestError) if value is True else nullcontext():
                    await patch_attributes(caller, "o_1", {"exported": value})
    async with client(RecordingTransport(cassette)) as caller:
        await patch_attributes(caller, "o_1", {"exported": 1})
        with pytest.raises(NotRecordedError, match=r"differs in body \(exported\)"):
            await patch_attributes(caller, "o_1", {"exported": 1})


async def test_numbers_are_replayed_with_their_digits_and_the_file_can_be_edited(
    cassette: Path, sandbox: Sandbox
) -> None:
    total = Price(including_vat=Decimal("50.00"), excluding_vat=Decimal("1.2345678901234567890"))
    for inner in (SandboxTransport(sandbox), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            await update_cart(caller, "o_1", Cart(total=total))
            order = await get_order(caller, "o_1")
        assert order.cart
        assert str(order.cart.total) == str(total)
    text = cassette.read_text(encoding="utf-8")
    assert '"includingVat": 50.00,\n' in text
    cassette.write_text(text.replace("50.00", "50.10"), encoding="utf-8")
    async with client(RecordingTransport(cassette)) as caller:
        order = await get_order(caller, "o_1")
    assert "50.10" in to_json(order)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>\xe5</html>", "text/html; charset=latin-1"),
        (b'{"id":"\\ud800","n":1.2345678901234567890123,"x":"\xc3\xa5"}', "application/json"),
        (b'{"x":"\\u20ac"}', "application/json; charset=latin-1"),
        (b"null", "application/json"),
        (b"", "application/json"),
    ],
)
async def test_an_odd_body_is_replayed_as_the_same(cassette: Path, body: bytes, content_type: str) -> None:
    seen: list[Any] = []
    for inner in (ScriptedTransport((418, {"content-type": content_type}, body)), None):
        async with client(RecordingTransport(cassette, inner)) as caller:
            with pytest.raises(Exception, match="418") as refused:
                await get_order(caller, "o_1")
        seen.append(refused.value)
    first, second = (each.body.decode("latin-1") for each in seen)
    try:
        assert json.loads(first, parse_float=Decimal) == json.loads(second, parse_float=Decimal)
    except ValueError:
        assert first == second


def fails(name: str, value: Any) -> Any:
    raise LookupError(value)


def gives_a_set(name: str, value: Any) -> Any:
    return {value} if name == "text" else value


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (fails, "scrub raised LookupError for a value named ''"),
        (gives_a_set, "scrub gave what is not JSON: text: set is"),
    ],
)
async def test_a_rule_that_fails_shows_no_value_and_nothing_is_written(
    cassette: Path, sandbox: Sandbox, rule: Callable[[str, Any], Any], problem: str
) -> None:
    async def create(transport: Transport) -> None:
        async with client(transport) as caller:
            await create_consent(caller, "o_1", Consent(id="ci_b", text=BODY_CANARY))

    with pytest.raises(InvalidRequestError, match=problem) as unwritten:
        await create(RecordingTransport(cassette, SandboxTransport(sandbox), scrub=rule))
    check_error(unwritten.value)
    assert not cassette.exists()
    await once(RecordingTransport(cassette, SandboxTransport(sandbox)))
    with pytest.raises(InvalidRequestError, match=problem):
        await create(RecordingTransport(cassette, scrub=rule))


async def test_a_rule_gives_text_for_text(cassette: Path, sandbox: Sandbox) -> None:
    def gives_a_number(name: str, value: Any) -> Any:
        return 5 if name == "search" else value

    with pytest.raises(InvalidRequestError, match="scrub gave int for text named 'search'"):
        async with client(RecordingTransport(cassette, SandboxTransport(sandbox), scrub=gives_a_number)) as caller:
            await list_orders(caller, search="Anna")


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
async def test_a_cassette_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path: Path, mode: Any) -> None:
    (tmp_path / "file").touch()
    inner = ScriptedTransport()
    with pytest.raises(ConfigurationError, match=r"one\.json cannot be written: "):
        await once(RecordingTransport(tmp_path / "file" / "one.json", inner, mode=mode))
    assert inner.requests == []
    RecordingTransport(tmp_path / "new" / "one.json", mode=mode)
    assert list(tmp_path.glob("new/*")) == []


async def test_a_cassette_that_has_everything_need_not_be_writable(
    cassette: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await once(RecordingTransport(cassette, SandboxTransport(sandbox)))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    await once(RecordingTransport(cassette, mode="new_episodes"))
