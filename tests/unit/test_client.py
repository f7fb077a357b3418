"""What the client sends, and how it is set up."""

import copy
import json
import pickle
import traceback
from collections import UserList
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import BASE_URL, TOKEN, ScriptedTransport, scripted
from timeline import outcomes_of

from norce_order_async import (
    AiohttpTransport,
    CallOptions,
    ConfigurationError,
    Environment,
    InvalidRequestError,
    NotFoundError,
    OrderClient,
    OutcomeKind,
    Timeout,
    __version__,
    create_consent,
    create_order,
    delete_consent,
    ensure_hook,
    get_order,
    patch_attributes,
    patch_consent,
    wait_until,
)
from norce_order_async.batch import Batch, DeleteConsent
from norce_order_async.environ import settings_from
from norce_order_async.middleware import Handler
from norce_order_async.models import Consent, Hook, Order, Payment
from norce_order_async.operations import Operation, QueryValue, Repeat, decode_receipt, json_decoder
from norce_order_async.transport import Request, Response


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        (Environment.PLAYGROUND, "https://customer-slug.api-se.playground.norce.tech/checkout/order"),
        (Environment.STAGE, "https://customer-slug.api-se.stage.norce.tech/checkout/order"),
        (Environment.PRODUCTION, "https://customer-slug.api-se.norce.tech/checkout/order"),
    ],
)
async def test_the_addresses_of_the_three_environments(environment: Environment, address: str) -> None:
    client, transport, _ = scripted(environment=environment, slug="customer-slug", base_url=None)
    await patch_attributes(client, "o_123", {"a": 1})
    assert transport.requests[0].url == f"{address}/api/v0/checkout/orders/o_123/attributes"


async def test_a_slash_at_the_end_of_the_base_url_is_not_doubled() -> None:
    client, transport, _ = scripted(base_url="https://api.example.com/checkout/order/")
    await patch_attributes(client, "o_123", {"a": 1})
    assert transport.requests[0].url == "https://api.example.com/checkout/order/api/v0/checkout/orders/o_123/attributes"


async def test_the_headers_of_a_change() -> None:
    client, transport, _ = scripted(adapter_id="my_adapter")
    done = await patch_consent(client, "o_123", "ci_newsletter", checked=True)
    headers = dict(transport.requests[0].headers)
    assert headers.pop("User-Agent").startswith(f"norce-order-async/{__version__} Python/3.")
    assert headers == {
        "Authorization": f"Bearer {TOKEN}",
        "x-merchant": "norce",
        "x-channel": "1",
        "x-adapterid": "my_adapter",
        "x-request-id": done.request_id,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }


async def test_a_deletion_has_neither_body_nor_content_type() -> None:
    client, transport, _ = scripted()
    await delete_consent(client, "o_123", "ci_newsletter")
    assert transport.requests[0].body is None
    assert "Content-Type" not in transport.requests[0].headers


async def test_null_is_sent_as_null_and_text_as_utf_8() -> None:
    client, transport, _ = scripted()
    await patch_attributes(client, "o_123", {"erpId": "A-17", "exported": True, "note": None, "stad": "Göteborg"})
    assert transport.requests[0].body == '{"erpId":"A-17","exported":true,"note":null,"stad":"Göteborg"}'.encode()


async def test_a_receipt_tells_what_happened() -> None:
    client, _, _ = scripted(503, 200)
    done = await patch_consent(client, "o_123", "ci_newsletter", checked=True, options=CallOptions(request_id="mine-1"))
    assert (done.operation, done.status, done.attempts, done.request_id) == (
        "PatchCheckoutOrderConsent",
        200,
        2,
        "mine-1",
    )
    assert done.outcome is OutcomeKind.APPLIED
    assert not done.inferred


@pytest.mark.parametrize("body", [b'"o_new"', b'{"id": "o_new", "more": 1}', b'\xef\xbb\xbf"o_new"'])
async def test_a_new_order_s_id_comes_bare_or_in_an_object(body: bytes) -> None:
    client, transport, _ = scripted((201, {}, body))
    assert await create_order(client, Order(culture="sv-SE", currency="SEK", country="SE")) == "o_new"
    assert json.loads(transport.requests[0].body or b"") == {"culture": "sv-SE", "currency": "SEK", "country": "SE"}


async def test_create_consent_sends_what_was_set_only() -> None:
    client, transport, _ = scripted()
    await create_consent(client, "o_123", Consent(id="ci_terms", checked=False))
    assert transport.requests[0].body == b'{"id":"ci_terms","checked":false}'


@pytest.mark.parametrize(("function", "wrong"), [(create_consent, {"id": "ci"}), (create_order, {"culture": "sv"})])
async def test_a_model_is_wanted_where_one_is_sent(function: Any, wrong: Any) -> None:
    client, transport, _ = scripted()
    arguments = ("o_123", wrong) if function is create_consent else (wrong,)
    with pytest.raises(TypeError):
        await function(client, *arguments)
    assert transport.requests == []


async def test_get_order_reads_the_order() -> None:
    body = b'{"id": "o_123", "consents": [{"id": "ci_terms", "checked": true}], "total": {"includingVat": 125.50}}'
    client, _, _ = scripted((200, {}, body))
    order = await get_order(client, "o_123")
    assert order.consents == (Consent(id="ci_terms", checked=True),)
    assert order.total is not None
    assert str(order.total.including_vat) == "125.50"


async def test_a_scoped_view_changes_the_headers_and_nothing_else() -> None:
    client, transport, _ = scripted(adapter_id="mine")
    view = client.scoped(merchant="other", channel="2", adapter_id=None)
    await delete_consent(view, "o_123", "ci")
    await view.aclose()
    await delete_consent(client, "o_123", "ci")
    first, second = transport.requests
    assert (first.headers["x-merchant"], first.headers["x-channel"]) == ("other", "2")
    assert "x-adapterid" not in first.headers
    assert (second.headers["x-merchant"], second.headers["x-channel"]) == ("norce", "1")
    assert second.headers["x-adapterid"] == "mine"
    assert (view.merchant, view.channel, view.adapter_id) == ("other", "2", None)
    assert transport.closed == 0


@pytest.mark.parametrize("name", ["merchant", "channel", "adapter_id"])
async def test_what_a_header_cannot_hold_is_a_bad_argument_of_a_view_and_a_bad_setting_of_a_client(name: str) -> None:
    client, _, _ = scripted()
    empty: dict[str, Any] = {name: ""}
    with pytest.raises(InvalidRequestError, match=f"{name} is empty"):
        client.scoped(**empty)
    with pytest.raises(TypeError, match=f"{name} must be a str"):
        client.scoped(**{name: 7})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match=f"{name} is empty"):
        scripted(**empty)


@pytest.mark.parametrize(("given", "kind"), [(Timeout(total=3), "Timeout"), ({}, "dict"), (CallOptions, "type")])
async def test_options_that_are_none_are_refused_before_anything_is_sent(given: Any, kind: str) -> None:
    client, transport, _ = scripted(200)
    for call in (
        get_order(client, "o_1", options=given),
        wait_until(client, "o_1", lambda order: True, timeout=1, options=given),
        ensure_hook(client, "o_1", Hook(adapter_id="a", subscribe_to="/state", invoke="https://a"), options=given),
    ):
        with pytest.raises(TypeError, match=f"options must be CallOptions, got {kind}"):
            await call
    assert transport.requests == []


async def test_options_hold_for_one_call() -> None:
    client, transport, _ = scripted(503, 200)
    options = CallOptions(
        headers={"traceparent": "00-1", "user-agent": "mine"}, adapter_id="a2", timeout=Timeout(attempt=2), retry=None
    )
    with pytest.raises(Exception, match="503"):
        await delete_consent(client, "o_123", "ci", options=options)
    await delete_consent(client, "o_123", "ci")
    first, second = transport.requests
    assert (first.headers["traceparent"], first.headers["user-agent"], first.headers["x-adapterid"]) == (
        "00-1",
        "mine",
        "a2",
    )
    assert "User-Agent" not in first.headers
    assert "traceparent" not in second.headers
    assert "x-adapterid" not in second.headers
    assert transport.timeouts == [2.0, 15.0]


async def test_a_number_of_seconds_is_a_total() -> None:
    client, transport, _ = scripted(timeout=9)
    await delete_consent(client, "o_123", "ci")
    assert transport.requests[0].call.timeout == Timeout(total=9)


async def test_a_number_of_seconds_for_one_call_leaves_the_client_s_other_limits() -> None:
    limits, order = Timeout(total=9, attempt=5, connect=2), b'{"id": "o_123"}'
    client, transport, _ = scripted(200, 200, 200, (200, {}, order), timeout=limits)
    options = CallOptions(timeout=4)
    await delete_consent(client, "o_123", "ci", options=options)
    await delete_consent(client.scoped(merchant="other"), "o_123", "ci", options=options)
    assert len(await outcomes_of(Batch(client, [DeleteConsent("o_123", "ci")], options=options))) == 1
    await wait_until(client, "o_123", lambda order: True, timeout=60, options=options)
    assert {request.call.timeout for request in transport.requests} == {Timeout(total=4, attempt=5, connect=2)}


async def test_operations_of_one_s_own_are_a_row_and_a_call() -> None:
    list_orders = Operation(
        "GetCheckoutOrders", "GET", "/api/v0/checkout/orders", Repeat.SAFE, lambda response: response.body
    )
    list_payments = Operation(
        "GetOrderPayments",
        "GET",
        "/api/v0/checkout/orders/{order_id}/payments",
        Repeat.SAFE,
        json_decoder(list[Payment]),
    )
    set_reference = Operation(
        "UpdateCheckoutOrderReference",
        "PUT",
        "/api/v0/checkout/orders/{order_id}/reference",
        Repeat.SAFE,
        decode_receipt,
    )
    client, transport, _ = scripted((200, {}, b"[]"), (200, {}, b'[{"id": "p_1", "amount": 10.00}]'), 200)
    query: dict[str, QueryValue | None]
    query = {"limit": 10, "search": "å&b", "status": UserList(["checkout", "accepted"]), "reference": None}
    assert await client.execute(list_orders, query=query) == b"[]"
    (payment,) = await client.execute(list_payments, order_id="o_123")
    assert str(payment.amount) == "10.00"
    await client.execute(set_reference, body="ORDER-1001", order_id="o_123")
    assert transport.requests[0].url.endswith("/orders?limit=10&search=%C3%A5%26b&status=checkout&status=accepted")
    assert transport.requests[2].body == b'"ORDER-1001"'


async def test_middlewares_run_once_a_call_and_once_an_attempt() -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        async def middleware(request: Request, call_next: Handler, /) -> Response:
            seen.append(name)
            response = await call_next(request.with_headers(**{f"x_{name}": "yes"}))
            seen.append(f"{name} done")
            return response

        return middleware

    client, transport, _ = scripted(
        503, 200, call_middlewares=[note("outer"), note("inner")], attempt_middlewares=[note("each")]
    )
    await delete_consent(client, "o_123", "ci")
    assert seen == ["outer", "inner", "each", "each done", "each", "each done", "inner done", "outer done"]
    for request in transport.requests:
        assert {"x-outer", "x-inner", "x-each"} <= request.headers.keys()


async def test_a_middleware_may_answer_by_itself() -> None:
    async def refuse(request: Request, call_next: Handler, /) -> Response:
        return Response(request, 404, body=b'{"code": "order-not-found", "message": "Not here."}')

    client, transport, _ = scripted(call_middlewares=[refuse])
    with pytest.raises(NotFoundError, match="order-not-found: Not here") as caught:
        await get_order(client, "o_123")
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert transport.requests == []


ENVIRON = {
    "NORCE_ENVIRONMENT": "stage",
    "NORCE_SLUG": "acme",
    "NORCE_MERCHANT": "m",
    "NORCE_CHANNEL": "c",
    "NORCE_TOKEN": TOKEN,
}


async def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    client = OrderClient.from_env(ENVIRON | {"NORCE_ADAPTER_ID": "a"})
    assert client.base_url == "https://acme.api-se.stage.norce.tech/checkout/order"
    assert (client.merchant, client.channel, client.adapter_id) == ("m", "c", "a")

    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    environ = {key: value for key, value in ENVIRON.items() if key != "NORCE_TOKEN"}
    OrderClient.from_env(environ | {"NORCE_TOKEN_FILE": str(secret)})
    with pytest.raises(ConfigurationError, match="NORCE_TOKEN_FILE cannot be read"):
        OrderClient.from_env(environ | {"NORCE_TOKEN_FILE": str(tmp_path / "absent")})


async def test_an_argument_wins_over_the_environment() -> None:
    client = OrderClient.from_env(
        ENVIRON, merchant="other", base_url="https://api.example.com", timeout=None, retry=None
    )
    assert client.base_url == "https://api.example.com"
    assert client.merchant == "other"
    client = OrderClient.from_env(
        {**ENVIRON, "NORCE_BASE_URL": "https://api.example.com"}, environment=Environment.PRODUCTION, slug="acme"
    )
    assert client.base_url == "https://acme.api-se.norce.tech/checkout/order"


PROXIES = {"HTTPS_PROXY": "theirs.example:3128", "NO_PROXY": "localhost,.internal.example"}


@pytest.mark.parametrize(
    ("environ", "overrides", "proxy"),
    [
        ({}, {}, None),
        ({"NORCE_PROXY": "http://a:b@ours.example"}, {}, "http://a:b@ours.example"),
        (PROXIES, {}, None),
        (PROXIES, {"proxy_from_env": True}, "http://theirs.example:3128"),
        (PROXIES | {"NORCE_PROXY": "http://ours.example"}, {"proxy_from_env": True}, "http://ours.example"),
        (PROXIES, {"proxy_from_env": True, "base_url": "https://api.internal.example"}, None),
        ({"NORCE_PROXY": "http://ours.example"}, {"base_url": "http://127.0.0.1:1"}, None),
        ({"NORCE_PROXY": "http://ours.example"}, {"base_url": "http://localhost:1"}, None),
        ({"NORCE_PROXY": "http://ours.example"}, {"base_url": "http://127.0.0.2:1"}, None),
        (PROXIES | {"NO_PROXY": "api.example:443"}, {"proxy_from_env": True, "base_url": "https://api.example"}, None),
        (
            PROXIES | {"NO_PROXY": "api.example:8443"},
            {"proxy_from_env": True, "base_url": "https://api.example:8443"},
            None,
        ),
        (
            PROXIES | {"NO_PROXY": "api.example:8443"},
            {"proxy_from_env": True, "base_url": "https://api.example"},
            "http://theirs.example:3128",
        ),
        (PROXIES | {"NO_PROXY": "2001:db8::1"}, {"proxy_from_env": True, "base_url": "https://[2001:db8::1]"}, None),
        ({"NORCE_PROXY": "http://ours.example"}, {"transport": AiohttpTransport()}, None),
        ({"NORCE_PROXY": "http://ours.example"}, {"transport": AiohttpTransport}, "http://ours.example"),
        ({}, {"transport": AiohttpTransport}, None),
    ],
)
async def test_a_proxy_is_taken_from_where_it_is_asked_for(
    environ: dict[str, str], overrides: dict[str, Any], proxy: str | None
) -> None:
    given = settings_from(ENVIRON | environ, overrides)
    assert getattr(given.get("transport"), "proxy", None) == proxy
    assert "a:b" not in repr(given)
    OrderClient.from_env(ENVIRON | environ, **overrides)


async def test_authorities_come_from_a_file(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    transport = settings_from(ENVIRON | {"NORCE_CA_FILE": str(file)}, {})["transport"]
    assert len(transport.ssl_context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://a:secret@b",
        "http://",
        "a:secret@b:3128",
        "http://a:secret@b:x",
        "http://€:secret@b",
        "http://a%3Ab:secret@b",
    ],
)
async def test_a_wrong_proxy_or_file_is_named_and_no_password_is_shown(proxy: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="NORCE_PROXY") as caught:
        OrderClient.from_env(ENVIRON | {"NORCE_PROXY": proxy})
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    file = tmp_path / "empty.pem"
    for path in (tmp_path / "absent", file):
        with pytest.raises(ConfigurationError, match=f"NORCE_CA_FILE cannot be read: '{path}': "):
            OrderClient.from_env(ENVIRON | {"NORCE_CA_FILE": str(path)})
        file.write_text("")


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("NORCE_ENVIRONMENT", "where to"),
        ("NORCE_MERCHANT", "NORCE_MERCHANT"),
        ("NORCE_CHANNEL", "NORCE_CHANNEL"),
        ("NORCE_TOKEN", "NORCE_TOKEN"),
    ],
)
async def test_a_missing_variable_is_named(missing: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        OrderClient.from_env({key: value for key, value in ENVIRON.items() if key != missing})


async def test_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OrderClient.from_env({})
    told = [problem.split(":")[0] for problem in str(caught.value).split("; ")]
    assert told == ["no token", "no merchant", "no channel", str(caught.value).rpartition("; ")[2]]
    assert told[-1].startswith("where to? ")


async def test_the_token_is_in_no_repr_no_error_and_no_pickle() -> None:
    client, transport, _ = scripted(500)
    with pytest.raises(Exception, match="500") as caught:
        await delete_consent(client, "o_123", "ci")
    for shown in (client, transport.requests[0], caught.value, caught.value.__dict__):
        assert TOKEN not in repr(shown)
    assert "<22 bytes>" in repr(Request(transport.requests[0].call, "PATCH", "u", {}, b'{"email":"a@b.example"}'[:22]))
    sent = transport.requests[0]
    for holder in (sent, Response(sent, 200)):
        with pytest.raises(TypeError, match="Request holds secrets"):
            pickle.dumps(holder)
        assert copy.copy(holder) == holder


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
async def test_a_client_does_not_pickle(way: Callable[[object], object]) -> None:
    client, _, _ = scripted()
    for each in (client, client.scoped(merchant="m2")):
        with pytest.raises(TypeError, match="make one where it is needed"):
            way(each)


async def test_a_copy_of_a_client_is_a_view() -> None:
    client, transport, _ = scripted()
    copied = copy.copy(client)
    await copied.aclose()
    assert transport.closed == 0
    await delete_consent(copied, "o_1", "ci")
    assert copied.stats() == client.stats()


async def test_a_view_of_a_subclass_has_nothing_that_may_be_bound_to_another_shop() -> None:
    class Own(OrderClient):
        pass

    client = Own(base_url=BASE_URL, merchant="m", channel="1", auth=TOKEN, transport=ScriptedTransport())
    assert [type(view) for view in (client.scoped(merchant="m2"), copy.copy(client))] == [OrderClient, OrderClient]


async def test_what_a_body_cannot_carry_names_the_place() -> None:
    client, _, _ = scripted()
    with pytest.raises(InvalidRequestError, match=r"erp\[1\]\.weight"):
        await patch_attributes(client, "o_123", {"erp": [1, {"weight": float("nan")}]})


async def test_each_call_has_a_request_id_of_its_own() -> None:
    client, transport, _ = scripted(503, 200)
    for _ in range(2):
        await delete_consent(client, "o_123", "ci")
    first, again, second = (request.headers["x-request-id"] for request in transport.requests)
    assert first == again != second


@pytest.mark.parametrize("value", ["\ud800", 1.5, b"x", b"", {"a": "b"}, [None], ["\udfff"], object()])
async def test_a_query_parameter_that_cannot_be_sent_is_refused(value: Any) -> None:
    listing = Operation("GetCheckoutOrders", "GET", "/api/v0/checkout/orders", Repeat.SAFE, decode_receipt)
    client, transport, _ = scripted()
    with pytest.raises(InvalidRequestError, match="search must be text, a whole number, True, False or"):
        await client.execute(listing, query={"search": value})
    assert transport.requests == []
