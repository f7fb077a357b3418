"""Every endpoint function: what it sends, what it makes of the answer, and what it refuses to send."""

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from inspect import signature
from typing import Any

import attrs
import pytest
from endpoint_calls import ACTION, CALLS, PRICE, Given
from support import BASE_URL, scripted

from norce_order_async import (
    CallError,
    CallOptions,
    DecodeError,
    InvalidRequestError,
    OrderClient,
    OutcomeKind,
    RateLimitedError,
    Receipt,
    ServerError,
    create_order,
    edit_cart,
    ensure_hook,
    get_order,
    iter_orders,
    list_orders,
    update_payment,
    wait_until,
)
from norce_order_async.batch import run_batch
from norce_order_async.models import (
    Callback,
    Cart,
    Consent,
    Customer,
    Hook,
    Item,
    Model,
    Notification,
    Order,
    Payment,
    PaymentTransaction,
    Price,
    Recurring,
    Shipping,
    State,
    Transition,
)
from norce_order_async.transport import RawResponse
from norce_order_async.wire.table import ROWS

every_function = pytest.mark.parametrize("given", CALLS, ids=lambda given: given.name)


@every_function
async def test_a_function_sends_its_request_and_reads_its_answer(given: Given) -> None:
    client, transport, _ = scripted(given.response)
    result = await given.function(client, **given.arguments)
    (request,) = transport.requests
    assert request.method == ROWS[given.name].method
    assert request.url == BASE_URL + given.target
    assert (None if request.body is None else json.loads(request.body)) == given.body
    assert ("Content-Type" in request.headers) == (given.body is not None)
    if given.result is Receipt:
        assert isinstance(result, Receipt)
        assert (result.operation, result.outcome) == (given.name, OutcomeKind.APPLIED)
    else:
        assert result == given.result


@every_function
async def test_what_is_no_client_is_refused(given: Given) -> None:
    with pytest.raises(TypeError, match="client must be an OrderClient, got str"):
        await given.function("o_1", **given.arguments)
    with pytest.raises(TypeError, match="client must be an OrderClient, got the class OrderClient"):
        await given.function(OrderClient, **given.arguments)


async def first_order(client: Any, _: object) -> object:
    return await anext(iter_orders(client))


async def first_outcome(client: Any, _: object) -> object:
    return await anext(run_batch(client, []))


def unchanged(cart: Cart) -> Cart:
    return cart


SWAPPED: list[Any] = [
    get_order,
    create_order,
    partial(wait_until, predicate=bool, timeout=1),
    partial(ensure_hook, hook=Hook(subscribe_to="/consents", invoke="https://a.example")),
    partial(edit_cart, change=unchanged),
    first_order,
    first_outcome,
]


@pytest.mark.parametrize("function", SWAPPED)
async def test_a_client_in_the_place_of_an_id_is_a_type_error(function: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(
        TypeError, match=r"client must be an OrderClient, got str|order_id must be a str, got OrderClient"
    ):
        await function("o_1", client)
    assert transport.requests == []


@every_function
async def test_options_and_raw_answers_work_for_every_function(given: Given) -> None:
    client, transport, _ = scripted(given.response)
    answers: list[RawResponse] = []
    options = CallOptions(request_id="import-42", on_response=answers.append)
    await given.function(client, **given.arguments, options=options)
    assert transport.requests[0].headers["x-request-id"] == "import-42"
    (raw,) = answers
    assert (raw.status, dict(raw.headers), raw.body) == given.response
    assert "token" not in repr(attrs.asdict(raw))


@every_function
async def test_a_repeat_is_by_meaning(given: Given) -> None:
    repeat = ROWS[given.name].repeat
    client, transport, _ = scripted(503, given.response)
    if repeat == "safe":
        await given.function(client, **given.arguments)
    else:
        with pytest.raises(ServerError) as caught:
            await given.function(client, **given.arguments)
        assert caught.value.outcome is OutcomeKind.UNKNOWN
        assert len(transport.requests) == 1
    client, transport, _ = scripted(429, given.response)
    if repeat == "never":
        with pytest.raises(RateLimitedError):
            await given.function(client, **given.arguments)
    else:
        await given.function(client, **given.arguments)
        assert len(transport.requests) == 2


@every_function
async def test_an_empty_body_where_a_result_was_expected(given: Given) -> None:
    client, _, _ = scripted(ROWS[given.name].success[0])
    if given.result is Receipt:
        assert isinstance(await given.function(client, **given.arguments), Receipt)
    elif given.name == "UpdateOrderPayment":  # that it answers with the payment is known from v1 only
        assert await given.function(client, **given.arguments) is None
    else:
        with pytest.raises(DecodeError, match="empty"):
            await given.function(client, **given.arguments)


def bad_values(name: str, value: Any) -> Iterator[Any]:
    """What cannot be given where this can."""
    if name.endswith("_id"):
        yield from (None, 7, "", "..", "a/b", "a%2fb", "a\\b", "a\u200eb", "\ud800")
    elif name in ("offset", "limit"):
        yield from ("7", 1.5, True, -1, 2**31)
    elif name == "date_from":
        yield from ("2026-01-02", datetime(2026, 1, 2))
    elif name == "status" and isinstance(value, list):
        yield from ([], ["complete"], [7], 7, {"checkout": 1})
    elif name == "status":
        yield from (None, 7, "complete", "\ud800")
    elif name == "reference":
        yield from (None, 7, "\ud800")
    elif name == "attributes":
        yield from (None, [], {}, {"a": Decimal("NaN")}, {7: 1})
    elif name == "checked" and isinstance(value, bool):
        yield from (None, 1, "true")
    elif name == "checked":
        yield from (None, [], {}, ["ci"], {"ci": 1}, {"ci": None}, {7: True}, {"a/b": True})
    elif name == "actions":
        yield from (None, [], ACTION, [{}], [None], [attrs.evolve(ACTION, url=None)], [attrs.evolve(ACTION, type="")])
    else:
        yield from (None, {}, [value], "text", Price(), attrs.evolve(value, extra={"a": Decimal("Infinity")}))


BAD_MEMBERS: list[tuple[type[Model], str, Any]] = [
    (Consent, "id", "a/b"),
    (Consent, "id", 7),
    (Shipping, "total", None),
    (Shipping, "vat_rate", None),
    (Payment, "actions", [attrs.evolve(ACTION, adapter_id=None)]),
    (Payment, "recurring", Recurring(description="monthly")),
    (PaymentTransaction, "request_json", "{"),
    (PaymentTransaction, "response_json", "NaN"),
    (PaymentTransaction, "response_json", 7),
    (PaymentTransaction, "payment_action", attrs.evolve(ACTION, url="")),
]


def bad_arguments(given: Given) -> Iterator[tuple[Given, str, Any]]:
    for name, value in given.arguments.items():
        for bad in bad_values(name, value):
            yield given, name, bad
        for kind, member, bad in BAD_MEMBERS:
            if isinstance(value, kind):
                yield given, name, attrs.evolve(value, **{member: bad})


BAD = [bad for given in CALLS for bad in bad_arguments(given)]


async def test_every_argument_of_every_function_is_given_badly() -> None:
    every = {(given.name, name) for given in CALLS for name in signature(given.function).parameters}
    assert every - {(given.name, name) for given, name, _ in BAD} == {
        (given.name, name) for given in CALLS for name in ("client", "options")
    } | {("GetCheckoutOrders", "filters")}


@pytest.mark.parametrize(("given", "name", "bad"), BAD, ids=lambda value: getattr(value, "name", None))
async def test_a_bad_argument_is_named_and_nothing_is_sent(given: Given, name: str, bad: Any) -> None:
    client, transport, _ = scripted(given.response)
    with pytest.raises((InvalidRequestError, TypeError)) as caught:
        await given.function(client, **(given.arguments | {name: bad}))
    assert name in str(caught.value)
    assert not isinstance(caught.value, CallError)
    assert transport.requests == []


async def test_a_filter_that_there_is_not_is_refused() -> None:
    client, transport, _ = scripted()
    filters: Any = {"stauts": ["checkout"]}
    with pytest.raises(TypeError, match=r"no filter 'stauts', but there are .* status, "):
        await list_orders(client, **filters)
    assert transport.requests == []


@pytest.mark.parametrize("name", ROWS["GetCheckoutOrders"].query)
async def test_a_filter_of_the_wrong_kind_is_named_and_nothing_is_sent(name: str) -> None:
    client, transport, _ = scripted()
    for bad in (object(), b"x", 1.5, {"a": 1}, "\ud800", ["\ud800"], "", " ", ["SE", ""]):
        filters: Any = {name: bad}
        with pytest.raises((InvalidRequestError, TypeError), match=name):
            await list_orders(client, **filters)
    assert transport.requests == []


async def test_filters_of_one_text_or_several_and_none() -> None:
    client, transport, _ = scripted((200, {}, b'{"data": []}'))
    await list_orders(
        client, countries={"SE": 1}.keys(), billing_emails=("a@b.example", "c"), search=None, order_by="CREATED"
    )
    target = transport.requests[0].url.partition("?")[2]
    assert target == "countries=SE&billing_emails=a%40b.example&billing_emails=c&order_by=created"
    await list_orders(client)
    assert "?" not in transport.requests[1].url


async def test_what_was_read_is_sent_back_without_what_only_the_service_writes() -> None:
    client, transport, _ = scripted((200, {}, b'{"id": "o_2"}'))
    read = Order(
        id="o_1",
        state=State(current_status="checkout", transitions=[Transition(status="checkout")]),
        consents=[Consent(id="ci")],
        hooks=[Hook(id="h", target="/cart")],
        validations=[Callback(id="v", url="u")],
        notifications=[Notification(id="n")],
        payments=[Payment(id="p")],
        cart=Cart(items=[Item(id="row")]),
        extra={"lastModified": "2026-01-02T00:00:00Z", "new": 1},
    )
    await create_order(client, read)
    assert json.loads(transport.requests[0].body or b"") == {
        "state": {"currentStatus": "checkout"},
        "cart": {"items": [{"id": "row"}]},
        "consents": [{"id": "ci"}],
        "validations": [{"url": "u"}],
        "hooks": [{"target": "/cart"}],
        "notifications": [{"id": "n"}],
        "new": 1,
    }


async def test_a_subclass_of_a_model_keeps_to_its_schema() -> None:
    @attrs.frozen(kw_only=True, repr=False)
    class Mine(Payment):
        pass

    client, transport, _ = scripted((200, {}, b""))
    await update_payment(client, "o_1", "p_1", Mine(id="p_1", name="x", recurring=Recurring(token="t")))
    assert json.loads(transport.requests[0].body or b"") == {"name": "x", "recurring": {"token": "t"}}


async def test_a_customer_without_type_is_sent_as_norce_does_in_its_samples() -> None:
    client, transport, _ = scripted((201, {}, b'"o_2"'))
    assert await create_order(client, Order(customer=Customer(), total=PRICE)) == "o_2"
    assert json.loads(transport.requests[0].body or b"")["customer"] == {}
