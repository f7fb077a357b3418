"""Bad input is refused with a clear error, and not a byte is sent."""

import math
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given, strategies as st
from support import BASE_URL, TOKEN, scripted

from norce_order_async import (
    BackOff,
    CallOptions,
    ClientCredentials,
    ClientStateError,
    ConfigurationError,
    Environment,
    InvalidRequestError,
    OrderClient,
    RetryPolicy,
    Timeout,
    create_consent,
    create_notification,
    create_order,
    delete_consent,
    patch_attributes,
    patch_consent,
    patch_consents,
)
from norce_order_async.batch import DeleteConsent, InputLine, PatchAttributes, PatchConsent, PatchConsents
from norce_order_async.models import Consent, Notification, Order

BAD_IDS = [
    "", ".", "..", "a/b", "a%2Fb", "a\\b", "a\tb", "a\r\nb", "a\x00b", "a\x7fb", "a\u00a0b", "a\u2028b", "a\u200bb",
    "a\u200eb", "a\u202eb", "a\u2067b", "a\u3164b", "a\ufe0fb", "a\u034fb", "\ud800", "x" * 129,
]  # fmt: skip
GOOD_IDS = ["terms 2024", "a?b=c", "a#f", "åäö", "תנאים", "条件", "a&b;c=d,e", "+", "...", "x" * 128]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_an_id_that_would_reach_another_resource_is_refused(bad: str) -> None:
    client, transport, _ = scripted()
    with pytest.raises(InvalidRequestError, match="order_id"):
        await delete_consent(client, bad, "ci_newsletter")
    with pytest.raises(InvalidRequestError, match="consent_id"):
        await patch_consent(client, "o_123", bad, checked=True)
    assert transport.requests == []


@pytest.mark.parametrize("good", GOOD_IDS)
async def test_an_id_that_create_consent_takes_can_be_addressed_afterwards(good: str) -> None:
    client, transport, _ = scripted()
    await create_consent(client, "o_123", Consent(id=good))
    await patch_consent(client, "o_123", good, checked=True)
    await delete_consent(client, "o_123", good)
    for request in transport.requests[1:]:
        path = request.url.removeprefix(BASE_URL)
        assert path.isascii()
        assert [unquote(part) for part in path.split("/")][-2:] == ["consents", good]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_an_id_that_could_not_be_addressed_afterwards_is_not_created(bad: str) -> None:
    client, transport, _ = scripted()
    with pytest.raises(InvalidRequestError, match=r"consent\.id"):
        await create_consent(client, "o_123", Consent(id=bad))
    with pytest.raises(InvalidRequestError, match=r"notification\.id"):
        await create_notification(client, "o_123", Notification(id=bad))
    with pytest.raises(InvalidRequestError, match=r"order\.consents\[1\]\.id"):
        await create_order(client, Order(consents=[Consent(id="good"), Consent(id=bad)]))
    with pytest.raises(InvalidRequestError, match=r"order\.notifications\[0\]\.id"):
        await create_order(client, Order(notifications=[Notification(id=bad)]))
    assert transport.requests == []


@pytest.mark.parametrize("bad", [None, 7, b"o_123", ["o_123"]])
async def test_an_id_that_is_no_str_is_a_type_error(bad: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(TypeError, match="order_id must be a str"):
        await delete_consent(client, bad, "ci_newsletter")
    assert transport.requests == []


@given(st.text(max_size=200))
def test_any_id_is_either_refused_or_stands_alone_in_its_path(text: str) -> None:
    from norce_order_async.endpoints.consents import DELETE_CONSENT

    try:
        path = DELETE_CONSENT.target({"order_id": text, "consent_id": "ci"})
    except InvalidRequestError:
        return
    assert path.isascii()
    assert [unquote(part) for part in path.split("/")] == [
        "",
        *["api", "v0", "checkout", "orders"],
        text,
        "consents",
        "ci",
    ]


def cyclic() -> dict[str, Any]:
    members: dict[str, Any] = {}
    members["self"] = members
    return members


def deep(levels: int) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for _ in range(levels):
        members = {"a": members}
    return members


@pytest.mark.parametrize(
    "attributes",
    [
        {}, {"a": math.nan}, {"a": math.inf}, {1: "a"}, {None: "a"}, cyclic(), deep(64),
        {"a": "\ud800"}, {"\udfff": 1}, {"a": "x" * 1024 * 1024}, {"a": b"bytes"}, {"a": {1, 2}}, {"a": object()},
    ],
    ids=range(13),
)  # fmt: skip
async def test_attributes_that_are_no_json_object_are_refused(attributes: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(InvalidRequestError):
        await patch_attributes(client, "o_123", attributes)
    assert transport.requests == []


@pytest.mark.parametrize("members", [None, [], "text", [("a", 1)]])
async def test_what_is_no_mapping_is_named_in_the_same_words_by_a_function_and_its_change(members: Any) -> None:
    client, transport, _ = scripted()
    says = "(attributes|checked) must be an object with at least one member"
    functions = partial(patch_attributes, client), partial(patch_consents, client)
    makers: list[Any] = [*functions, PatchAttributes, PatchConsents]
    for make in makers:
        with pytest.raises(TypeError, match=f"^{says}, got "):
            await make("o_123", members)
        with pytest.raises(InvalidRequestError, match=f"^{says}$"):
            await make("o_123", {})
    assert transport.requests == []


@pytest.mark.parametrize("checked", [None, 1, 0, "true", [True]])
async def test_checked_must_be_a_bool(checked: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(TypeError, match="checked must be a bool"):
        await patch_consent(client, "o_123", "ci_newsletter", checked=checked)
    assert transport.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"": "a"}, {"a b": "c"}, {"a:": "b"}, {"ä": "b"}, {"a": "b\r\nc: d"}, {"a": "b\x00"}, {"a": "\u20ac"},
        {"a": "å"}, {"a": ""}, {"Host": "x"}, {"content-length": "1"},
        {"Transfer-Encoding": "chunked"}, {"Connection": "close"},
        {"authorization": "Bearer x"}, {"Cookie": "a=b"}, {"Expect": "100-continue"}, {"Accept-Encoding": "gzip"},
        {"X-Merchant": "other"}, {"x-request-id": "mine"}, {"Upgrade": "h2c"}, {"TE": "trailers"}, {"Trailer": "a"},
        {"Keep-Alive": "timeout=5"}, {"Proxy-Authorization": "Basic x"}, {"proxy-connection": "close"},
        {"a": "x" * 8001}, {"a" * 129: "x"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        CallOptions(headers=headers)


def test_what_servers_would_refuse_for_its_length_is_not_sent() -> None:
    CallOptions(request_id="x" * 8000, headers={"a" * 128: "x" * 8000})
    OrderClient(**(GOOD | dict[str, Any](merchant="x" * 8000, auth="x" * 8000)))
    long = "x" * 8001
    each: list[dict[str, Any]] = [{"request_id": long}, {"adapter_id": long}, {"headers": {"a": long}}]
    for options in each:
        with pytest.raises(InvalidRequestError, match="8001 characters, more than the 8000"):
            CallOptions(**options)
    for setting in ("merchant", "channel", "adapter_id", "auth"):
        with pytest.raises(ConfigurationError, match="8001 characters, more than the 8000") as caught:
            OrderClient(**(GOOD | dict[str, Any]({setting: long})))
        assert long not in str(caught.value)
    with pytest.raises(InvalidRequestError, match="merchant has 8001 characters"):
        OrderClient(**GOOD).scoped(merchant=long)


@pytest.mark.parametrize(
    "options",
    [
        *({"headers": bad} for bad in ({"a": 1}, {1: "a"}, None, "a", ["a"], [("a", "b")])),
        {"request_id": 7},
        {"adapter_id": 7},
    ],
)
def test_an_option_of_the_wrong_type_is_a_type_error(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be a"):
        CallOptions(**options)


GOOD: dict[str, Any] = {
    "base_url": "https://api.example.com/checkout/order",
    "merchant": "m",
    "channel": "1",
    "auth": TOKEN,
}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": "http://api.example.com/order"}, "unencrypted"),
        ({"base_url": "https://user:secret@api.example.com"}, "user or password"),
        ({"base_url": "https://api.example.com/?a=b"}, "query"),
        ({"base_url": "https://api.example.com/#top"}, "fragment"),
        ({"base_url": "https://api.example.com/\nx"}, "character"),
        ({"base_url": "https:///checkout"}, "host"),
        ({"base_url": "https://api.example.com:http/"}, "[Pp]ort"),
        ({"base_url": "https://api.example.com/order/api/v0"}, "leave out '/api/v0' at its end"),
        ({"base_url": "https://api.example.com/order/api/v0/"}, "leave out '/api/v0/' at its end"),
        ({"base_url": "https://a.example/api/v1/checkout/orders"}, "leave out '/api/v1/checkout/orders' at its end"),
        ({"base_url": "ftp://api.example.com"}, "https"),
        ({"base_url": None}, "where to"),
        ({"base_url": 7}, "must be a str"),
        ({"base_url": "https://a..b"}, "not a host name"),
        ({"base_url": "https://.com"}, "not a host name"),
        ({"base_url": "https://127.1"}, "not a host name"),
        ({"base_url": "https://127.0.0.1."}, "not a host name"),
        ({"base_url": "https://2130706433"}, "not a host name"),
        ({"base_url": "https://1.2.3.4.5"}, "not a host name"),
        ({"base_url": "https://012.1.2.3"}, "not a host name"),
        ({"base_url": f"https://{'a' * 64}.com"}, "not a host name"),
        ({"base_url": "https://good.example\\.evil.example"}, "not a host name"),
        ({"base_url": None, "environment": Environment.STAGE, "slug": 7}, "DNS label"),
        ({"environment": Environment.STAGE}, r"\(NORCE_BASE_URL, or NORCE_ENVIRONMENT and NORCE_SLUG\)"),
        ({"base_url": None, "environment": Environment.STAGE}, "slug"),
        ({"base_url": None, "environment": Environment.STAGE, "slug": "a.b"}, "DNS label"),
        ({"base_url": None, "environment": Environment.STAGE, "slug": "-a"}, "DNS label"),
        ({"base_url": None, "environment": "prod", "slug": "a"}, "playground, stage, production"),
        ({"merchant": ""}, "merchant"),
        ({"merchant": None}, "merchant"),
        ({"channel": "1\r\nx: y"}, "channel"),
        ({"channel": " 1"}, "channel"),
        ({"adapter_id": "\u20ac"}, "adapter_id"),
        ({"auth": ""}, "empty"),
        ({"auth": "a\nb"}, "line break"),
        ({"auth": " abc"}, "space"),
        ({"auth": "tökén"}, "ASCII"),
        ({"auth": "Bearer abc"}, "without the word Bearer"),
        ({"auth": 7}, "auth"),
        ({"auth": None}, "auth"),
        ({"user_agent": "shop\r\nx: y"}, "user_agent"),
        ({"user_agent": ""}, "user_agent"),
        ({"headers": {"x-merchant": "other"}}, "x-merchant"),
        ({"headers": {"x-key": "a\nb"}}, "x-key"),
        ({"headers": {"x-key": 7}}, "x-key"),
        ({"headers": ["x-key"]}, "headers must be a mapping"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        OrderClient(**(GOOD | settings))
    assert "secret" not in str(caught.value)


def test_http_is_for_loopback_or_for_who_asks() -> None:
    for url in ("http://localhost:8787/x", "http://127.0.0.1/x", "http://[::1]:80/x"):
        OrderClient(base_url=url, merchant="m", channel="1", auth=TOKEN)
    OrderClient(base_url="http://gateway.internal/x", merchant="m", channel="1", auth=TOKEN, allow_http=True)


NOT_POSITIVE: list[Any] = [True, math.nan, 0, -1, "1", None]


@pytest.mark.parametrize("bad", NOT_POSITIVE)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Timeout, "total"),
        (Timeout, "attempt"),
        (Timeout, "connect"),
        (RetryPolicy, "max_attempts"),
        (RetryPolicy, "max_retry_after"),
        (BackOff, "base"),
        (BackOff, "maximum"),
    ],
)
def test_a_limit_is_a_number_above_zero(kind: Any, name: str, bad: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        kind(**{name: bad})


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        (Timeout, {"total": 10**400}, "total"),
        (Timeout, {"attempt": 1e9}, "attempt must be .* above 0 and below 1e9, or infinity"),
        (RetryPolicy, {"wait": 3}, "tenacity"),
        (CallOptions, {"retry": 3}, "RetryPolicy"),
        (CallOptions, {"timeout": "3"}, "seconds"),
        (OrderClient, {"retry": 3}, "RetryPolicy"),
        (OrderClient, {"timeout": -1}, "seconds"),
        (OrderClient, {"timeout": None}, "timeout: total must be a number of seconds"),
        (OrderClient, {"adaptive": "false"}, "adaptive must be a bool, got str"),
        (OrderClient, {"allow_http": "false"}, "allow_http must be a bool, got str"),
        (CallOptions, {"redelivered": "no"}, "redelivered must be a bool, got str"),
        (CallOptions, {"log_cut": 0}, "log_cut must be a bool, got int"),
        (
            partial(ClientCredentials, token_url="https://a.test/t", client_id="i", client_secret="s"),
            {"allow_http": "no"},
            "allow_http must be a bool",
        ),
    ],
)
def test_a_policy_and_a_switch_must_be_one(kind: Any, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        kind(**((GOOD if kind is OrderClient else {}) | settings))


async def test_a_closed_client_says_so() -> None:
    client, transport, _ = scripted()
    await client.aclose()
    await client.aclose()
    with pytest.raises(ClientStateError, match="closed"):
        await delete_consent(client, "o_123", "ci_newsletter")
    with pytest.raises(ClientStateError, match="make a new one"):
        async with client:
            pass
    assert transport.requests == []


async def test_ids_that_do_not_fit_the_operation_are_refused() -> None:
    from norce_order_async.endpoints.consents import DELETE_CONSENT

    client, transport, _ = scripted()
    with pytest.raises(InvalidRequestError, match="order_id, consent_id"):
        await client.execute(DELETE_CONSENT, order_id="o_123")
    with pytest.raises(InvalidRequestError, match="order_id, consent_id"):
        await client.execute(DELETE_CONSENT, order_id="o_123", consent_id="ci", hook_id="h")
    assert transport.requests == []


@pytest.mark.parametrize(
    ("value", "member"),
    [
        (DeleteConsent("o_1", "c"), "order_id"),
        (PatchConsent("o_1", "c", checked=True), "checked"),
        (PatchAttributes("o_1", {"a": 1}), "attributes"),
        (InputLine(1, DeleteConsent("o_1", "c")), "change"),
        (CallOptions(request_id="r"), "request_id"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_handed_in_cannot_be_changed(value: object, member: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, member, "o_2")
