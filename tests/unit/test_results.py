"""Answers beyond yes and no: ids of what was created, problems of a validation, results that may be missing."""

import logging
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from support import scripted

from norce_order_async import (
    CallError,
    CallOptions,
    DecodeError,
    NotTheApiError,
    OrderClient,
    OutcomeKind,
    ValidationFailedError,
    create_order,
    create_payment,
    get_order,
    get_payment,
    list_orders,
    patch_consent,
    update_payment,
    update_shipping,
    validate,
)
from norce_order_async.core.errors import BadRequestError, ConnectionLost, NotFoundError
from norce_order_async.models import Order, Payment, Price, Shipping, ValidationError
from norce_order_async.transport import RawResponse

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b'{"id": "p_2"}'),
        ({}, b'"p_2"'),
        ({"location": "/api/v0/checkout/orders/o_1/payments/p_2"}, b""),
        ({"location": "https://a.example/x/payments/p_2?a=b"}, b""),
        ({"location": "payments/p_2"}, b'{"id": null}'),
        ({"location": "/x/payments/p_2"}, b'{"id": ""}'),
        ({"location": "/x/payments/p_2"}, b"not JSON"),
        ({"location": "/x/payments/p_2"}, b"[]"),
        ({"location": "/x/payments/p_9"}, b'{"id": "p_2"}'),
        ({"location": "/x/payments/p%5F2"}, b""),
    ],
)
async def test_the_id_of_what_was_created(headers: dict[str, str], body: bytes) -> None:
    client, _, _ = scripted((201, headers, body))
    assert await create_payment(client, "o_1", Payment()) == "p_2"


@pytest.mark.parametrize(
    ("location", "body"),
    [
        ("", b""),
        ("/api/v0/checkout/orders/o_1", b""),
        ("/x/payments/", b"{}"),
        ("/x/payments", b"[]"),
        ("http://[", b""),
        ("p_2", b"null"),
    ],
)
async def test_an_answer_without_an_id_is_no_guess(location: str, body: bytes) -> None:
    client, _, _ = scripted((201, {"location": location}, body))
    with pytest.raises(DecodeError) as caught:
        await create_payment(client, "o_1", Payment())
    assert caught.value.outcome is OutcomeKind.APPLIED


async def test_an_order_s_id_may_be_in_the_location_too() -> None:
    client, _, _ = scripted((201, {"location": "/api/v0/checkout/orders/o_yClT"}, b""))
    assert await create_order(client, Order()) == "o_yClT"


PROBLEMS = b'[{"code": "not-in-stock", "adapterId": "stock", "message": "Sold out"}, {"code": "payments"}]'
READ = (
    ValidationError(code="not-in-stock", adapter_id="stock", extra={"message": "Sold out"}),
    ValidationError(code="payments"),
)


@pytest.mark.parametrize("body", [PROBLEMS, b'{"errors": ' + PROBLEMS + b"}"])
@pytest.mark.parametrize("status", [200, 400])
async def test_problems_are_one_error_however_they_come(status: int, body: bytes) -> None:
    client, _, _ = scripted((status, JSON, body))
    with pytest.raises(ValidationFailedError) as caught:
        await validate(client, "o_1")
    error = caught.value
    assert error.problems == READ
    assert (error.status, error.body, error.headers["content-type"]) == (status, body, "application/json")
    assert "2 problems: not-in-stock: Sold out (stock); payments" in str(error)
    assert error.outcome is (OutcomeKind.APPLIED if status == 200 else OutcomeKind.REJECTED)
    assert error.operation == "Validate"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (READ, str(error))


async def test_no_problem_of_many_is_lost_and_odd_ones_are_kept() -> None:
    body = b'{"errors": ["text", {"code": {"a": 1}}, 7' + b', {"code": "x"}' * 100 + b"]}"
    client, _, _ = scripted((400, JSON, body))
    with pytest.raises(ValidationFailedError, match="103 problems") as caught:
        await validate(client, "o_1")
    first, second, third, *others = caught.value.problems
    assert (first.extra["message"], third.extra["message"]) == ("text", 7)
    assert "a" in str(second)
    assert others == [ValidationError(code="x")] * 100


@pytest.mark.parametrize("body", [b"", b"[]", b" \n", b'{"errors": []}'])
async def test_nothing_wrong_is_a_receipt(body: bytes) -> None:
    client, _, _ = scripted((200, JSON, body))
    receipt = await validate(client, "o_1")
    assert (receipt.operation, receipt.status, receipt.outcome) == ("Validate", 200, OutcomeKind.APPLIED)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code": "order-bad-request", "message": "Bad."}', BadRequestError),
        (400, b"", BadRequestError),
        (400, b"[]", BadRequestError),
        (400, b'{"title": "Bad", "status": 400, "errors": {"a": ["b"]}}', BadRequestError),
        (404, PROBLEMS, NotFoundError),
        (200, b'{"a": 1}', DecodeError),
        (200, b"7", DecodeError),
        (200, b'{"code": "x", "message": "y"}', NotTheApiError),
        (200, b"<html>", NotTheApiError),
    ],
)
async def test_what_is_no_list_of_problems(status: int, body: bytes, kind: type[CallError]) -> None:
    client, _, _ = scripted((status, {}, body))
    with pytest.raises(kind) as caught:
        await validate(client, "o_1")
    assert not isinstance(caught.value, ValidationFailedError)


async def test_problem_details_fill_the_text_of_an_error() -> None:
    body = b'{"title": "Bad", "status": 400, "errors": {"a": ["b"]}}'
    client, _, _ = scripted((400, {"content-type": "application/problem+json"}, body))
    with pytest.raises(BadRequestError, match="Bad: a: b"):
        await validate(client, "o_1")


async def test_a_validation_that_is_cut_is_no_change_that_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    client, transport, _ = scripted(ConnectionLost("cut", sent=True), 200)
    caplog.set_level(logging.DEBUG, "norce_order_async")
    await validate(client, "o_1")
    assert len(transport.requests) == 2
    assert [request.call.changes for request in transport.requests] == [False, False]


@pytest.mark.parametrize("body", [b"", b" "])
async def test_a_payment_that_is_not_given_back_is_none(body: bytes) -> None:
    client, _, _ = scripted((200, {}, body))
    assert await update_payment(client, "o_1", "p_1", Payment()) is None


SHIPPING = Shipping(total=Price(), vat_rate=Decimal(0))
ASKING: list[tuple[Callable[[OrderClient], Any], type[Any]]] = [
    (lambda client: get_payment(client, "o_1", "x_1"), Payment),
    (lambda client: update_payment(client, "o_1", "x_1", Payment()), Payment),
    (lambda client: update_shipping(client, "o_1", "x_1", SHIPPING), Shipping),
]


@pytest.mark.parametrize(("call", "model"), ASKING)
async def test_another_one_than_the_one_asked_for_is_told(call: Callable[[OrderClient], Any], model: type[Any]) -> None:
    noun = model.__name__.lower()
    client, _, _ = scripted((200, {}, b'{"id": "x_2"}'))
    with pytest.raises(DecodeError, match=f"another {noun}, x_2") as caught:
        await call(client)
    assert (caught.value.result, caught.value.outcome) == (model(id="x_2"), OutcomeKind.APPLIED)
    for body in (b"{}", b'{"name": "Card"}', b'{"data": [{}]}'):
        client, _, _ = scripted((200, {}, body))
        with pytest.raises(DecodeError, match=f"no {noun}: it has no id"):
            await call(client)
    client, _, _ = scripted((200, {}, b'{"id": "X_1", "name": "Card"}'))
    assert (await call(client)).name == "Card"


@pytest.mark.parametrize("body", [b"{}", b'{"message": "maintenance"}', b'{"status": "up"}', b'{"data": 7}', b"[]"])
async def test_what_is_no_page_of_orders_is_no_empty_list(body: bytes) -> None:
    client, _, _ = scripted((200, {}, body))
    with pytest.raises(DecodeError):
        await list_orders(client)


async def test_an_order_without_an_id_does_not_lose_its_page() -> None:
    client, _, _ = scripted((200, {}, b'{"data": [{}, {"id": "o_1"}]}'), (200, {}, b'{"pagination": {"size": 0}}'))
    assert [order.id for order in (await list_orders(client)).data] == [None, "o_1"]
    assert not (await list_orders(client)).data


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "the amount is locked"}',
        b'{"type": "e", "code": "x", "message": "y"}',
    ],
)
async def test_an_error_with_a_member_that_payments_have_too_is_no_payment(body: bytes) -> None:
    client, _, _ = scripted((200, {}, body))
    with pytest.raises(NotTheApiError) as caught:
        await update_payment(client, "o_1", "p_1", Payment())
    assert caught.value.outcome is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_the_raw_answer_is_shown_whatever_becomes_of_it(status: int) -> None:
    answers: list[RawResponse] = []
    headers = {"etag": '"1"', "set-cookie": "secret"}
    client, _, _ = scripted((status, headers, b'{"id": "o_1"}'))
    try:
        await get_order(client, "o_1", options=CallOptions(on_response=answers.append))
    except CallError:
        assert status != 200
    (raw,) = answers  # the one that the call ends with, of three where it was tried again
    assert (raw.status, raw.headers, raw.body, raw.truncated) == (status, headers, b'{"id": "o_1"}', False)
    assert "secret" not in repr(raw)


async def test_a_hook_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(raw: RawResponse) -> None:
        raise RuntimeError(raw.status)

    client, _, _ = scripted((200, {}, b""))
    receipt = await patch_consent(client, "o_1", "ci", checked=True, options=CallOptions(on_response=fail))
    assert receipt.status == 200
    assert "a hook failed" in caplog.text


async def test_headers_and_user_agent_of_a_whole_client() -> None:
    client, transport, _ = scripted(200, headers={"x-gateway-key": "k", "accept": "text/json"}, user_agent="shop/1.2")
    options = CallOptions(headers={"X-Gateway-Key": "other"})
    await patch_consent(client, "o_1", "ci", checked=True)
    await patch_consent(client.scoped(merchant="acme"), "o_1", "ci", checked=True, options=options)
    sent: list[dict[str, Any]] = [
        {name.lower(): value for name, value in request.headers.items()} for request in transport.requests
    ]
    assert [headers["x-gateway-key"] for headers in sent] == ["k", "other"]
    assert [headers["x-merchant"] for headers in sent] == ["norce", "acme"]
    assert {headers["accept"] for headers in sent} == {"text/json"}
    for headers in sent:
        assert headers["user-agent"].startswith("norce-order-async/")
        assert headers["user-agent"].endswith(" shop/1.2")
    assert "k" not in repr(transport.requests[0]).replace("kind", "").split("x-gateway-key")[1].split(",")[0]
