"""Read, change, write, for what is only replaced as a whole."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import attrs
import pytest
from support import BASE_URL, Closing, scripted

from norce_order_async import (
    CallError,
    ClientClosedError,
    ConnectionLost,
    DecodeError,
    InvalidRequestError,
    OutcomeKind,
    create_payment,
    edit_billing_address,
    edit_cart,
    edit_payment,
    edit_shipping,
    edit_shipping_address,
    get_order,
)
from norce_order_async.models import NOT_SET, Address, Cart, Item, Payment, Shipping
from norce_order_async.testing import Sandbox

Wire = Any
Answer = tuple[int, dict[str, str], bytes]
ORDER = "/api/v0/checkout/orders/o_1"
PRICE = {"includingVat": 50, "excludingVat": 40}


def answer(wire: Wire, status: int = 200) -> Answer:
    return status, {}, json.dumps(wire).encode()


def order(**members: Wire) -> Answer:
    return answer({"id": "o_1", **members})


def relocated(address: Address) -> Address:
    return attrs.evolve(address, city="Åmål")


@attrs.frozen
class Case:
    """An edit, what is read for it, and what it has to write."""

    edit: Callable[..., Any]
    ids: dict[str, str]
    change: Callable[[Any], Any]
    read: Answer
    read_from: str
    written_to: str
    written: Wire


ADDRESS: Wire = {"givenName": "Ada", "city": "Lund", "attributes": {"a": 1}, "new": [1]}
CASES = [
    Case(
        edit_cart,
        {},
        lambda cart: attrs.evolve(cart, items=[*cart.items, Item(sku="B")]),
        order(cart={"reference": "c", "items": [{"id": "i", "quantity": 1}], "new": 7}),
        ORDER,
        f"{ORDER}/cart",
        {"reference": "c", "items": [{"id": "i", "quantity": 1}, {"sku": "B"}], "new": 7},
    ),
    *(
        Case(
            edit,
            {},
            relocated,
            order(customer={role: ADDRESS}),
            ORDER,
            f"{ORDER}/customer/{role}",
            ADDRESS | {"city": "Åmål"},
        )
        for edit, role in ((edit_billing_address, "billing"), (edit_shipping_address, "shipping"))
    ),
    Case(
        edit_payment,
        {"payment_id": "p_1"},
        lambda payment: attrs.evolve(payment, amount=Decimal("1.50")),
        answer({"id": "p_1", "name": "Card", "actions": [{"id": "a", "adapterId": "x", "type": "t", "url": "u"}]}),
        f"{ORDER}/payments/p_1",
        f"{ORDER}/payments/p_1",
        {"name": "Card", "amount": 1.5, "actions": [{"adapterId": "x", "type": "t", "url": "u"}]},
    ),
    Case(
        edit_shipping,
        {"shipping_id": "s_1"},
        lambda shipping: attrs.evolve(shipping, name="Pick-up"),
        answer({"id": "s_1", "total": PRICE, "vatRate": 0.25}),
        f"{ORDER}/shippings/s_1",
        f"{ORDER}/shippings/s_1",
        {"total": PRICE, "vatRate": 0.25, "name": "Pick-up"},
    ),
]
NO_CHANGES: list[Any] = [None, "text", repr, dir]
every_edit = pytest.mark.parametrize("case", CASES, ids=lambda case: case.edit.__name__)


@every_edit
async def test_it_reads_changes_writes_and_reads_back(case: Case) -> None:
    client, transport, _ = scripted(case.read, 200, case.read)
    edited = await case.edit(client, "o_1", **case.ids, change=case.change)
    assert [(request.method, request.url.removeprefix(BASE_URL)) for request in transport.requests] == [
        ("GET", case.read_from), ("PUT", case.written_to), ("GET", case.read_from),
    ]  # fmt: skip
    assert json.loads(transport.requests[1].body or b"") == case.written
    assert edited.receipt.outcome is OutcomeKind.APPLIED
    assert edited.after == edited.before


@every_edit
async def test_what_changes_nothing_is_not_written(case: Case) -> None:
    client, transport, _ = scripted(case.read)
    edited = await case.edit(client, "o_1", **case.ids, change=attrs.evolve)
    assert (edited.receipt, edited.after) == (None, edited.before)
    assert [request.method for request in transport.requests] == ["GET"]


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ({"attributes": {"gift": True, "of": {"x": 0}}}, b'{"attributes":{"gift":true,"of":{"x":0}},"new":true}'),
        ({"attributes": {"gift": 1, "of": {"x": False}}}, b'{"attributes":{"gift":1,"of":{"x":false}},"new":true}'),
        ({"extra": {"new": 1}}, b'{"attributes":{"gift":1,"of":{"x":0}},"new":1}'),
        ({"items": ()}, b'{"items":[],"attributes":{"gift":1,"of":{"x":0}},"new":true}'),
        ({"attributes": {"of": {"x": Decimal("0.0")}, "gift": 1}}, None),
        ({"items": NOT_SET}, None),
    ],
)
async def test_what_is_another_value_in_json_is_written(change: Wire, written: bytes | None) -> None:
    client, transport, _ = scripted(order(cart={"attributes": {"gift": 1, "of": {"x": 0}}, "new": True}), 200, order())
    edited = await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, **change))
    assert (edited.receipt is None) == (written is None)
    assert [request.body for request in transport.requests if request.method == "PUT"] == ([written] if written else [])


async def test_what_is_nested_too_deep_to_be_written_can_be_taken_out() -> None:
    deep: Wire = 1
    for _ in range(80):
        deep = [deep]
    client, transport, _ = scripted(order(cart={"attributes": {"a": deep}}), 200, order())
    await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, attributes={}))
    assert json.loads(transport.requests[1].body or b"") == {"attributes": {}}


def marked(cart: Cart) -> Cart:
    cast("dict[str, Any]", cart.attributes)["gift"] = True
    return cart


def marked_in_a_copy(cart: Cart) -> Cart:
    return attrs.evolve(cart, attributes=marked(cart).attributes)


def marked_row(cart: Cart) -> Cart:
    cast("dict[str, Any]", cart.items[0].attributes)["gift"] = True
    return attrs.evolve(cart, items=[*cart.items])


@pytest.mark.parametrize("change", [marked, marked_in_a_copy, marked_row])
async def test_what_a_change_does_to_a_dict_in_place_is_written(change: Callable[[Cart], Cart]) -> None:
    sandbox = Sandbox()
    sandbox.add_order("o_1", cart={"attributes": {"x": 1}, "items": [{"sku": "A", "attributes": {"y": 1}}]})
    async with sandbox.client() as client:
        edited = await edit_cart(client, "o_1", change)
        stored = (await get_order(client, "o_1")).cart
    assert edited.receipt is not None
    assert stored == edited.after != edited.before
    assert stored is not None
    assert "gift" in {**(stored.attributes or {}), **(stored.items[0].attributes or {})}


@every_edit
@pytest.mark.parametrize("change", NO_CHANGES)
async def test_a_change_that_cannot_be_one_is_named_and_nothing_is_written(case: Case, change: Any) -> None:
    client, transport, _ = scripted(case.read)
    with pytest.raises(TypeError, match="change"):
        await case.edit(client, "o_1", **case.ids, change=change)
    assert "PUT" not in [request.method for request in transport.requests]


async def test_a_coroutine_function_is_no_change() -> None:
    async def change(cart: Cart) -> Cart:
        raise AssertionError(cart)

    client, transport, _ = scripted(order())
    wrong: Any = change
    with pytest.raises(TypeError, match="change must be a plain function, got an async function"):
        await edit_cart(client, "o_1", wrong)
    assert transport.requests == []


async def test_what_a_change_returns_to_be_awaited_is_named() -> None:
    async def later(cart: Cart) -> Cart:
        return cart

    def change(cart: Cart) -> Any:
        return later(cart)

    client, transport, _ = scripted(order())
    with pytest.raises(TypeError, match="change must be a plain function, but returns a coroutine"):
        await edit_cart(client, "o_1", change)
    assert len(transport.requests) == 1


async def test_a_change_of_what_no_request_has_is_not_written() -> None:
    client, transport, _ = scripted(answer({"id": "p_1", "name": "Card"}))
    edited = await edit_payment(client, "o_1", "p_1", lambda payment: attrs.evolve(payment, id="p_2"))
    assert (edited.receipt, len(transport.requests)) == (None, 1)


async def test_what_cannot_be_written_of_a_change_is_named_by_its_place() -> None:
    client, _, _ = scripted(order())
    wrong: Any = {"weight": math.nan}
    with pytest.raises(InvalidRequestError, match=r"^the result of change\.attributes\.weight: NaN"):
        await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, attributes=wrong))


@every_edit
async def test_a_bad_id_is_named_and_nothing_is_sent(case: Case) -> None:
    client, transport, _ = scripted(case.read)
    for name in ("order_id", *case.ids):
        given: Any = {"order_id": "o_1", **case.ids, "change": case.change} | {name: "a/b"}
        with pytest.raises(InvalidRequestError, match=name):
            await case.edit(client, **given)
    assert transport.requests == []


async def test_where_there_is_none_the_change_gets_an_empty_one() -> None:
    client, transport, _ = scripted(order(), 200, order())
    await edit_billing_address(client, "o_1", relocated)
    assert json.loads(transport.requests[1].body or b"") == {"city": "Åmål"}


# What cannot be read


async def test_what_cannot_be_read_of_two_alike_does_not_stand_for_the_other() -> None:
    client, _, _ = scripted(order(cart={"items": [{"quantity": 1.5}, {"quantity": 1.5}]}))
    with pytest.raises(InvalidRequestError, match="lacks what could not be read of quantity"):
        await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, items=cart.items[:1]))


CART: Wire = {"items": [{"id": "i", "quantity": 1.5}, 7, {"id": "j"}], "discounts": "none"}


async def test_what_cannot_be_read_goes_back_as_it_came() -> None:
    client, transport, _ = scripted(order(cart=CART), 200, order(cart=CART))
    await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, reference="c"))
    assert json.loads(transport.requests[1].body or b"") == CART | {"reference": "c"}


async def test_what_cannot_be_read_may_be_given_a_value() -> None:
    client, transport, _ = scripted(order(cart=CART), 200, order(cart=CART))

    def change(cart: Cart) -> Cart:
        first, last = cart.items
        return attrs.evolve(cart, items=[attrs.evolve(first, quantity=2), last], discounts=[])

    await edit_cart(client, "o_1", change)
    assert json.loads(transport.requests[1].body or b"") == {
        "items": [{"id": "i", "quantity": 2}, 7, {"id": "j"}],
        "discounts": [],
    }


LOSING: list[Callable[[Cart], Cart]] = [
    lambda cart: Cart(reference="new"),
    lambda cart: attrs.evolve(cart, items=cart.items[1:]),
    lambda cart: attrs.evolve(cart, items=()),
    lambda cart: attrs.evolve(cart, items=NOT_SET),
    lambda cart: attrs.evolve(cart, unread=()),
    lambda cart: attrs.evolve(cart, items=[Item(id="i"), cart.items[1]]),
]


@pytest.mark.parametrize("change", LOSING)
async def test_a_change_that_would_lose_what_cannot_be_read_is_refused(change: Any) -> None:
    client, transport, _ = scripted(order(cart=CART))
    with pytest.raises(InvalidRequestError, match=r"change.*(could not be read|place is lost)"):
        await edit_cart(client, "o_1", change)
    assert [request.method for request in transport.requests] == ["GET"]


@pytest.mark.parametrize(
    ("edit", "wire"),
    [
        (edit_cart, {"cart": [7]}),
        (edit_billing_address, {"customer": 7}),
        (edit_billing_address, {"customer": {"billing": "Lund"}}),
    ],
)
async def test_what_cannot_be_read_at_all_is_not_replaced(edit: Any, wire: Wire) -> None:
    client, transport, _ = scripted(order(**wire))
    with pytest.raises(DecodeError, match=r"GetCheckoutOrder: .* cannot be replaced") as caught:
        await edit(client, "o_1", relocated)
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert caught.value.request_id == transport.requests[0].headers["x-request-id"]
    assert len(caught.value.attempts) == 1
    assert [request.method for request in transport.requests] == ["GET"]


async def test_what_cannot_be_read_beside_it_does_not_matter() -> None:
    client, transport, _ = scripted(order(cart=7, customer={"billing": 7, "shipping": ADDRESS}), 200, order())
    await edit_shipping_address(client, "o_1", relocated)
    assert len(transport.requests) == 3


# Outcomes


async def test_the_outcome_is_always_that_of_the_change() -> None:
    lost = ConnectionLost("cut off", sent=True)
    scripts: list[tuple[Any, OutcomeKind]] = [
        ([lost], OutcomeKind.NOT_SENT),
        ([404], OutcomeKind.NOT_SENT),
        ([order(cart={}), lost], OutcomeKind.UNKNOWN),
        ([order(cart={}), 400], OutcomeKind.REJECTED),
        ([order(cart={}), 200, 401], OutcomeKind.APPLIED),
        ([order(cart={}), 202, lost], OutcomeKind.ACCEPTED),
    ]
    for script, outcome in scripts:
        client, _, _ = scripted(*script, retry=None)
        with pytest.raises(CallError) as caught:
            await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, reference="c"))
        assert caught.value.outcome is outcome
        assert f"outcome {outcome}" in str(caught.value)


@every_edit
async def test_where_the_client_is_closed_meanwhile_the_outcome_is_that_of_the_write(case: Case) -> None:
    closing = Closing("PUT")
    client, transport, _ = scripted(case.read, 200, call_middlewares=[closing])
    closing.client = client
    with pytest.raises(ClientClosedError) as caught:
        await case.edit(client, "o_1", **case.ids, change=case.change)
    assert caught.value.outcome is OutcomeKind.APPLIED
    assert [request.method for request in transport.requests] == ["GET", "PUT"]
    await closing.closed


async def test_against_the_sandbox() -> None:
    sandbox = Sandbox()
    (order_id,) = sandbox.seed_orders(1)
    wire = sandbox.order(order_id) or {}
    async with sandbox.client() as client:
        cart = await edit_cart(client, order_id, lambda cart: attrs.evolve(cart, items=cart.items[:1], total=None))
        assert len(cart.after.items) == 1
        assert cart.after.total is not None
        address = await edit_billing_address(client, order_id, relocated)
        assert (address.before.city, address.after.city) == (wire["customer"]["billing"]["city"], "Åmål")
        shipping_id = wire["shippings"][0]["id"]
        shipping = await edit_shipping(client, order_id, shipping_id, lambda read: attrs.evolve(read, name="Pick-up"))
        assert isinstance(shipping.after, Shipping)
        assert (shipping.after.id, shipping.after.name) == (shipping_id, "Pick-up")
        payment_id = await create_payment(client, order_id, Payment(type="default", amount=Decimal(1)))
        payment = await edit_payment(client, order_id, payment_id, lambda read: attrs.evolve(read, name="Card"))
        assert (payment.after.id, payment.after.name) == (payment_id, "Card")
