"""Norce's calls as values: read from headers and body, and answered in bytes."""

import json
import pickle
from collections.abc import Callable, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.models import Consent, Customer, Hook, Notification, Order, OrderStatus, OrderVersion, to_dict
from norce_order_async.receiving import (
    CallbackError,
    Reply,
    SharedSecret,
    allow,
    change,
    invalid,
    parse_hook,
    parse_notification,
    parse_validation,
    refuse,
    valid,
)
from norce_order_async.receiving.patches import operations

HEADERS = {"X-Merchant": "acme", "x-CHANNEL": "7"}
CANARY = "canary-77f0"
ORDER: dict[str, Any] = {"id": "o_1", "lastModified": "2026-01-12T08:00:00.1234567Z", "customer": {"type": "Person"}}


def raw(**members: Any) -> bytes:
    return json.dumps({**ORDER, **members}).encode()


def deep() -> Any:
    return json.loads("[" * 200 + "]" * 200)


def test_a_hook_has_the_proposed_order_and_whose_it_is() -> None:
    call = parse_hook(HEADERS, raw(consents=[{"id": "terms", "checked": True}]), path="consents")
    assert (call.merchant, call.channel, call.path, call.version) == ("acme", "7", "consents", OrderVersion.V0)
    assert call.order.consents == (Consent(id="terms", checked=True),)
    assert call.order.customer == Customer(type="person")


def test_without_headers_the_order_says_whose_it_is() -> None:
    call = parse_hook({}, raw(merchant="acme"))
    assert (call.merchant, call.channel) == ("acme", None)


def test_the_headers_come_before_what_the_order_says() -> None:
    call = parse_hook(HEADERS, raw(merchant="other", channel="9"))
    assert (call.merchant, call.channel) == ("acme", "7")


def test_what_only_v1_has_is_kept() -> None:
    call = parse_hook(HEADERS, raw(hooks=[{"id": "h", "scope": "/cart"}], state={"currentStatus": "canceled"}), "v1")
    assert call.version == "v1"
    assert call.order.hooks == (Hook(id="h", extra={"scope": "/cart"}),)
    assert call.order.state is not None
    assert call.order.state.current_status == "canceled"


def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="version must be v0 or v1, got 'v9'"):
        parse_hook(HEADERS, raw(), "v9")


@pytest.mark.parametrize("parse", [parse_hook, parse_notification, parse_validation])
@pytest.mark.parametrize(
    "headers", ["x", b"x", ["x"], {1: "a"}, 5, {"x-merchant": b"acme"}, {"x-other": None}, {"content-length": 5}]
)
def test_headers_of_another_kind_are_told(parse: Any, headers: Any) -> None:
    with pytest.raises(TypeError, match="headers must be a mapping of texts, or pairs of them, got "):
        parse(headers, raw())


def test_headers_of_bytes_are_told_as_that() -> None:
    gzip: Any = [(b"content-encoding", b"gzip")]
    with pytest.raises(TypeError, match="got list of bytes and bytes"):
        parse_hook(gzip, raw())


def test_blanks_around_a_header_s_value_do_not_count() -> None:
    headers = [("x-merchant", " acme\t"), ("x-channel", "7 "), ("content-length", " 12 "), ("content-encoding", " ")]
    call = parse_hook(headers, raw())
    assert (call.merchant, call.channel) == ("acme", "7")


@pytest.mark.parametrize("parse", [parse_hook, parse_notification, parse_validation])
@pytest.mark.parametrize(("body", "kind"), [(None, "NoneType"), ("{}", "str"), ({}, "dict")])
def test_a_body_of_another_kind_is_told(parse: Any, body: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"the body must be bytes, got {kind}$"):
        parse(HEADERS, body)


def test_an_enumeration_s_integers_mean_what_the_table_says() -> None:
    body = raw(state={"currentStatus": 1, "transitions": [{"status": 0}]}, payments=[{"state": 3}, {"state": True}])
    bare = parse_hook(HEADERS, body).order
    raws = {"state.currentStatus": 1, "state.transitions[0].status": 0}
    assert bare.unreadable == {**raws, "payments[0].state": 3, "payments[1].state": True}
    assert to_dict(bare)["state"] == {"currentStatus": 1, "transitions": [{"status": 0}]}
    told = parse_hook(HEADERS, body, enums={OrderStatus: {0: "checkout", 1: "processing"}}).order
    assert told.state is not None
    assert told.state.current_status is OrderStatus.PROCESSING
    assert told.state.transitions[0].status is OrderStatus.CHECKOUT
    assert told.payments == bare.payments


@pytest.mark.parametrize("parse", [parse_hook, parse_notification, parse_validation])
def test_a_table_of_integers_that_is_none_is_refused(parse: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="enums"):
        parse(HEADERS, raw(state={"currentStatus": 1}), enums={OrderStatus: ["checkout", "processing"]})


def test_what_does_not_fit_is_kept() -> None:
    order = parse_hook(HEADERS, raw(consents=[5, {"id": "a"}], cart=False)).order
    assert order.consents == (Consent(id="a"),)
    assert order.unreadable == {"consents[0]": 5, "cart": False}


def test_both_shapes_of_a_notification_are_read() -> None:
    alone = parse_notification(HEADERS, raw())
    assert alone.notification is None
    assert alone.key is not None
    assert alone.key[:3] == (None, "o_1", "2026-01-12T08:00:00.1234567Z")
    body = json.dumps({"notification": {"id": "n_1"}, "order": ORDER}).encode()
    both = parse_notification(HEADERS, body)
    assert both.notification == Notification(id="n_1")
    assert both.order == alone.order
    assert both.key is not None
    assert both.key[:3] == ("n_1", *alone.key[1:3])
    nameless = parse_notification({}, json.dumps({"notification": None, "order": ORDER}).encode())
    assert nameless.key is not None
    assert nameless.key[:3] == alone.key[:3]


def test_an_order_that_is_deep_has_a_key() -> None:
    assert parse_notification(HEADERS, raw(attributes={"deep": deep()})).key is not None


def test_what_two_changes_in_one_moment_bring_has_two_keys() -> None:
    first, repeated, second = (parse_notification(HEADERS, raw(reference=reference)).key for reference in "aab")
    assert first == repeated != second


@pytest.mark.parametrize("members", [{"lastModified": None}, {"lastModified": ""}, {"lastModified": 5}])
def test_a_notification_that_says_no_time_has_no_key(members: dict[str, Any]) -> None:
    assert parse_notification(HEADERS, raw(**members)).key is None


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_only_a_validation_may_come_without_an_order(body: bytes) -> None:
    for parse in (parse_hook, parse_notification):
        with pytest.raises(CallbackError, match="cannot be read"):
            parse(HEADERS, body)
    call = parse_validation(HEADERS, body, path="o_1")
    assert (call.order, call.merchant, call.path) == (None, "acme", "o_1")
    assert parse_validation(HEADERS, raw()).order == parse_hook(HEADERS, raw()).order


BAD: dict[str, tuple[bytes, int]] = {
    "text": (CANARY.encode(), 400),
    "string": (f'"{CANARY}"'.encode(), 400),
    "number": (b"7712345678", 400),
    "list": (b"[]", 400),
    "no order": (b"{}", 400),
    "no id": (json.dumps({"id": "", "reference": CANARY}).encode(), 400),
    "an id that is none": (json.dumps({"id": [CANARY]}).encode(), 400),
    "cut": (raw()[:-1], 400),
    "not UTF-8": (b'{"id":"\xff"}', 400),
    "UTF-16": (raw().decode().encode("utf-16"), 400),
    "NaN": (b'{"id":"o","a":NaN}', 400),
    "a long number": (b'{"id":"o","a":' + b"9" * 5000 + b"}", 400),
    "a large exponent": (b'{"id":"o","a":1e' + b"9" * 30 + b"}", 400),
    "deep arrays": (b"[" * 200_000, 400),
    "deep objects": (b'{"id":"o","a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", 400),
    "deep items": (b'{"id":"o","cart":{"items":' + b'[{"items":' * 20_000 + b"1" + b"}]" * 20_000 + b"}}", 400),
    "large": (json.dumps({"id": CANARY * 100_000}).encode(), 413),
    "many values in each other": (b'{"id":"o","cart":{"items":[{}' + b',{"items":[{}]}' * 20_000 + b"]}}", 413),
    "many values that break off": (b'{"id":"o","a":[' + b"0," * 80_000, 413),
    "very many values": (b'{"id":"o","cart":{"items":[{}' + b",{}" * 60_000 + b"]}}", 413),
}


@pytest.mark.parametrize("parse", [parse_hook, parse_notification, parse_validation])
@pytest.mark.parametrize(("body", "status"), [pytest.param(*bad, id=name) for name, bad in BAD.items()])
def test_what_is_no_call_is_a_clear_error_without_the_body(parse: Callable[..., Any], body: bytes, status: int) -> None:
    with pytest.raises(CallbackError) as caught:
        parse(HEADERS, body, enums={OrderStatus: {}})
    error = caught.value
    assert error.status == status
    assert str(error).startswith("the body ")
    assert len(str(error)) < 200
    assert CANARY not in repr(error)
    assert "77123" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, str(again)) == (status, str(error))
    assert error.__context__ is None


def test_an_order_of_very_many_rows_is_read() -> None:
    price = {"includingVat": 1, "excludingVat": 1}
    row: dict[str, Any] = {
        "sku": "s",
        "quantity": 1,
        "price": price,
        "total": price,
        "discounts": [],
        "tags": [],
        "attributes": {},
    }
    body = raw(cart={"items": [{"id": str(number), **row} for number in range(4_000)]})
    cart = parse_hook(HEADERS, body).order.cart
    assert cart is not None
    assert len(cart.items or ()) == 4_000


@pytest.mark.parametrize("headers", [{"content-encoding": "gzip"}, {"Content-Encoding": "identity, br"}])
def test_a_compressed_body_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(CallbackError, match="compressed") as caught:
        parse_hook(headers, raw())
    assert caught.value.status == 415
    assert parse_hook({"content-encoding": "Identity"}, raw()).order.id == "o_1"


@pytest.mark.parametrize(
    "body", [{"notification": "n_1", "order": ORDER}, {"notification": {}}, {"notification": {}, "order": []}]
)
def test_half_a_notification_is_none(body: Any) -> None:
    with pytest.raises(CallbackError, match="no object"):
        parse_notification(HEADERS, json.dumps(body).encode())


def test_no_repr_shows_the_body() -> None:
    body = json.dumps({"notification": {"id": CANARY}, "order": {**ORDER, "id": CANARY}}).encode()
    calls: Sequence[object] = (
        parse_hook({}, raw(reference=CANARY), path=CANARY),
        parse_validation({}, raw(reference=CANARY)),
        parse_notification({}, body),
        refuse("code", CANARY),
        change(Order(id="o"), Order(id="o", reference=CANARY)),
    )
    assert CANARY not in repr(calls)


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (allow(), 200, b"[]"),
        (valid(), 200, b""),
        (refuse("terms", 'Say "yes".'), 400, b'{"code":"terms","message":"Say \\"yes\\"."}'),
        (refuse("gone", "", status=404), 404, b'{"code":"gone","message":""}'),
        (invalid("stock", "Sold out."), 400, b'[{"code":"stock","message":"Sold out."}]'),
        (invalid("a", "b", adapter_id="x"), 400, b'[{"code":"a","message":"b","adapterId":"x"}]'),
        (refuse("lone", "\ud800"), 400, b'{"code":"lone","message":"\\ud800"}'),
    ],
)
def test_the_answers_are_as_published(reply: Reply, status: int, body: bytes) -> None:
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers["content-length"] == str(len(body))
    assert ("content-type" in reply.headers) == bool(body)


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (200, "[]", TypeError, "body must be bytes, got str"),
        (200, None, TypeError, "body must be bytes, got NoneType"),
        (200, [], TypeError, "body must be bytes, got list"),
        ("200", b"[]", TypeError, "status must be an int, got str"),
        (0, b"", InvalidRequestError, "status must be from 200 to 599, got 0"),
        (199, b"", InvalidRequestError, "from 200 to 599"),
        (600, b"", InvalidRequestError, "from 200 to 599"),
        (204, b"[]", InvalidRequestError, "an answer with the status 204 has no body"),
        (304, b"[]", InvalidRequestError, "has no body"),
    ],
)
def test_a_reply_that_cannot_be_sent_is_refused(status: Any, body: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Reply(status, body)


@pytest.mark.parametrize(("status", "body"), [(200, bytearray(b"[]")), (204, b""), (599, b"{}")])
def test_a_reply_may_be_made_by_hand(status: int, body: bytes) -> None:
    assert Reply(status, body).headers["content-length"] == str(len(body))


@pytest.mark.parametrize("arguments", [("", "text"), (b"code", "text"), ("code", None)])
def test_a_refusal_needs_a_code_and_a_text(arguments: tuple[Any, Any]) -> None:
    with pytest.raises((InvalidRequestError, TypeError)):
        refuse(*arguments)
    with pytest.raises((InvalidRequestError, TypeError)):
        invalid(*arguments)
    with pytest.raises(InvalidRequestError):
        refuse("code", "text", status=500)


def test_a_change_is_the_patch_between_two_orders() -> None:
    before = parse_hook(HEADERS, raw(consents=[{"id": "a", "checked": False}, {"id": "b"}], country=None)).order
    consents = (Consent(id="a", checked=True), *before.consents[1:], Consent(id="c"))
    after = attrs.evolve(before, consents=consents, customer=None, country="SE", attributes={"a/b~": 1.5})
    assert json.loads(change(before, after).body) == [
        {"op": "remove", "path": "/customer"},
        {"op": "add", "path": "/country", "value": "SE"},
        {"op": "replace", "path": "/consents/0/checked", "value": True},
        {"op": "add", "path": "/consents/2", "value": {"id": "c"}},
        {"op": "add", "path": "/attributes", "value": {"a/b~": 1.5}},
    ]
    assert change(before, before) == allow()


def test_a_change_goes_around_what_could_not_be_read() -> None:
    before = parse_hook(HEADERS, raw(consents=[5, {"id": "a"}])).order
    after = attrs.evolve(before, consents=(Consent(id="a", checked=True),))
    assert json.loads(change(before, after).body) == [{"op": "add", "path": "/consents/1/checked", "value": True}]


def test_an_order_that_nests_deeper_than_can_be_written_may_be_changed_elsewhere() -> None:
    before = parse_hook(HEADERS, raw(attributes={"a": deep()}, consents=[{"id": "a"}, 5])).order
    reply = change(before, attrs.evolve(before, country="SE"))
    assert json.loads(reply.body) == [{"op": "add", "path": "/country", "value": "SE"}]
    with pytest.raises(InvalidRequestError, match=r"consents.* place is lost"):
        change(before, attrs.evolve(before, consents=(Consent(id="b"), Consent(id="c"))))


@pytest.mark.parametrize("changed", [Order(id="o_2", channel="1"), Order(id="o_1"), Order(id="o_1", channel="2")])
def test_what_only_the_service_writes_is_not_changed(changed: Order) -> None:
    with pytest.raises(InvalidRequestError, match="only the service writes it"):
        change(Order(id="o_1", channel="1"), changed)


def index_in(place: Any, name: str) -> Any:
    return int(name) if isinstance(place, list) else name


def apply(patch: Sequence[Any], document: Any) -> Any:
    """What a patch makes of a document, as RFC 6902 says."""
    root = {"": deepcopy(document)}
    for step in patch:
        *parents, last = ["", *(name.replace("~1", "/").replace("~0", "~") for name in step["path"].split("/")[1:])]
        place: Any = root
        for name in parents:
            place = place[index_in(place, name)]
        key = index_in(place, last)
        if step["op"] != "add":
            place.pop(key)
        if step["op"] != "remove" and isinstance(key, int):
            assert key <= len(place)
            place.insert(key, step["value"])
        elif step["op"] != "remove":
            place[key] = step["value"]
    return root[""]


names = st.sampled_from(["", "a", "a/b", "~", "~1", "0", "id", "-"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([Decimal("1.0"), "1", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(values, values)
def test_a_patch_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    made = apply(list(operations(before, after)), before)
    assert to_text(made) == to_text(after)
    assert list(operations(before, deepcopy(before))) == []


def to_text(value: Any) -> Any:
    """A value that tells true from 1, and not 1 from 1.0."""
    if isinstance(value, dict):
        return {name: to_text(member) for name, member in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [to_text(element) for element in value]  # pyright: ignore
    return type(value) is bool, value


SECRET = "0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "query", "right"),
    [
        ({}, f"secret={SECRET}", True),
        ({}, f"x=1&secret={SECRET.replace('0', '%30')}", True),
        ({}, "secret=fedcba9876543210", True),
        ({"x-key": SECRET}, "", True),
        ({"x-key": "fedcba9876543210"}, "secret=wrong", True),
        ({}, "", False),
        ({}, "secret=", False),
        ({}, f"secret={SECRET[:-1]}", False),
        ({}, f"secret={SECRET}x", False),
        ({}, f"secret=x&secret={SECRET}", False),
        ({}, "a=b&secret=q3J+8yT/0Zk1vWn5aLhB%36Q==&c", True),
        ({}, "a=b&secret=q3J%2B8yT%2F0Zk1vWn5aLhB%2536Q%3D%3D", True),
        ({}, "secret=q3J 8yT/0Zk1vWn5aLhB6Q==", False),
        ({}, "secret=%ff\udc80é", False),
        ({"x-other": SECRET, "x-key": "é"}, f"Secret={SECRET}", False),
    ],
)
def test_a_shared_secret_is_in_the_query_or_the_header(headers: dict[str, str], query: str, right: bool) -> None:
    secret = SharedSecret(SECRET, "fedcba9876543210", "q3J+8yT/0Zk1vWn5aLhB%36Q==", header="X-Key")
    if right:
        secret.check(headers, query)
    else:
        with pytest.raises(CallbackError) as caught:
            secret.check(headers, query)
        assert caught.value.status == 401
        assert SECRET not in str(caught.value)
    assert SECRET not in repr(secret)
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(secret)


@pytest.mark.parametrize("values", [(), ("",), ("short",), (SECRET, "å" * 20), (SECRET, None), (SECRET + "\n",)])
def test_a_secret_that_can_be_guessed_or_not_be_sent_is_refused(values: Any) -> None:
    wanted = "at least 16 printable ASCII characters, without spaces or line breaks at its ends"
    with pytest.raises(ConfigurationError, match=wanted) as caught:
        SharedSecret(*values)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("header", [5, "x secret", "x-s: ", f"X-Key:{SECRET}", " X-Key ", "å"])
def test_a_header_that_cannot_come_is_refused(header: Any) -> None:
    with pytest.raises(ConfigurationError, match="header must be the name of a header") as caught:
        SharedSecret(SECRET, header=header)
    assert SECRET not in str(caught.value)


def test_a_header_that_is_the_client_s_own_may_have_the_secret() -> None:
    SharedSecret(SECRET, header="Authorization").check({"authorization": SECRET}, "")
