"""Models on the wire: what they are written as, what they are read from, and what is refused."""

import copy
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, FloatOperation, Inexact, localcontext
from typing import Any, Literal, cast
from uuid import UUID

import attrs
import pytest
from contract.openapi import ours
from hypothesis import given, strategies as st
from support import scripted

from norce_order_async import create_order, update_cart
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.endpoints.filters import query_of
from norce_order_async.wire import models
from norce_order_async.wire.codec import encode, structure
from norce_order_async.wire.json import JSON, MAX_BYTES, WireError, decode_json
from norce_order_async.wire.json_text import from_json, to_dict, to_json
from norce_order_async.wire.models import (
    NOT_SET,
    Address,
    Cart,
    Consent,
    CreateResponse,
    Customer,
    CustomerType,
    DeliveryDetails,
    Discount,
    Hook,
    Item,
    Logistics,
    Model,
    Notification,
    Order,
    OrderPaginationSet,
    OrderStatus,
    Pagination,
    Payment,
    PaymentTransaction,
    Price,
    State,
    Upsell,
)

IN_FULL = "with a time zone, as RFC 3339 has it"
SCHEMAS: dict[str, dict[str, Any]] = ours()["schemas"]
OBJECTS = sorted(name for name, schema in SCHEMAS.items() if "properties" in schema)


def note_class(kind: Any, base: type[Model] = Model) -> type[Model]:
    """A model of one's own, with a member of this type."""
    members = {"note": attrs.field(type=kind, default=None)}
    return cast("type[Model]", attrs.make_class("Note", members, bases=(base,), frozen=True, kw_only=True))


def note(kind: Any, value: Any) -> Model:
    cls: Any = note_class(kind)
    return cast("Model", cls(note=value))


def model_named(name: str) -> type[Model]:
    model: type[Model] = getattr(models, name)
    return model


# Wire values as the contract describes them, with members and enumeration values that it doesn't know.

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=2) | st.integers()
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | AMOUNTS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(timezones=ZONES).map(datetime.isoformat)
NEW_MEMBERS = st.dictionaries(TEXT.map("x-{}".format), ANYTHING, max_size=1)
SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "number": AMOUNTS,
    "object": st.dictionaries(TEXT, ANYTHING, max_size=2),
}


@st.composite
def wire_values(draw: st.DrawFn, schema: dict[str, Any], depth: int = 0) -> Any:
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].removeprefix("#/schemas/")]
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]) | TEXT.map("new-{}".format))
    if schema["type"] == "array":
        size = draw(st.integers(0, 2 if depth < 3 else 0))
        return [draw(wire_values(schema["items"], depth)) for _ in range(size)]
    if schema.get("format") == "date-time":
        return draw(TIMES)
    if "properties" not in schema:
        return draw(SIMPLE[schema["type"]])
    names = draw(st.sets(st.sampled_from(sorted(schema["properties"])), max_size=5))
    known = {name: draw(wire_values(schema["properties"][name], depth + 1)) for name in sorted(names)}
    return known | draw(NEW_MEMBERS)


def digits(body: bytes) -> Any:
    """JSON with its numbers as the texts they are on the wire."""
    return json.loads(body, parse_int="int {}".format, parse_float="number {}".format)


@given(st.data())
def test_reading_and_writing_loses_nothing(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(OBJECTS))
    wire = encode(data.draw(wire_values({"$ref": name})))
    model = structure(decode_json(wire), model_named(name))
    assert digits(encode(model)) == digits(wire)
    assert structure(decode_json(encode(model)), type(model)) == model
    assert to_dict(model) == decode_json(wire)


@given(st.data())
def test_reading_raises_nothing_but_its_own_error(data: st.DataObject) -> None:
    schema = SCHEMAS[name := data.draw(st.sampled_from(OBJECTS))]
    wire = data.draw(st.dictionaries(st.sampled_from(sorted(schema["properties"])), ANYTHING, max_size=4))
    with suppress(WireError):
        structure(wire, model_named(name))


# Writing


def test_only_what_was_given_is_written() -> None:
    assert encode(Consent()) == b"{}"
    assert encode(Consent(id="c_1", checked=False)) == b'{"id":"c_1","checked":false}'
    assert encode(Cart()) == b"{}"
    assert encode(Cart(items=[], discounts=())) == b'{"items":[],"discounts":[]}'
    assert encode(Order(attributes={"a": None})) == b'{"attributes":{"a":null}}'


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Address(street_address2="c/o"), '{"streetAddress2":"c/o"}'),
        (Item(image_url="/1"), '{"imageUrl":"/1"}'),
        (DeliveryDetails(class_="express"), '{"class":"express"}'),
        (PaymentTransaction(psp_event="AUTH", request_json="{}"), '{"pspEvent":"AUTH","requestJson":"{}"}'),
        (
            Price(including_vat=Decimal("125.50"), excluding_vat=Decimal("1E+2")),
            '{"includingVat":125.50,"excludingVat":100}',
        ),
        (State(current_status=OrderStatus.CHECKOUT), '{"currentStatus":"checkout"}'),
        (State(current_status="paused"), '{"currentStatus":"paused"}'),
        (Order(created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)), '{"created":"2026-01-02T03:04:05+00:00"}'),
        (Notification(schema={"const": "completed"}), '{"schema":{"const":"completed"}}'),
        (Cart(items=[Item(items=[Item(sku="A")])]), '{"items":[{"items":[{"sku":"A"}]}]}'),
        *[
            (Item(quantity=cast("int", whole)), f'{{"quantity":{text}}}')
            for whole, text in [
                (Decimal(2), "2"),
                (Decimal("2.00"), "2"),
                (2.0, "2"),
                (-0.0, "0"),
                (Decimal("1E2"), "100"),
                (Decimal("1E+999999999"), "1E+999999999"),
            ]
        ],
        (Order(created=cast("datetime", "2026-01-02T03:04:05Z")), '{"created":"2026-01-02T03:04:05Z"}'),
    ],
)
def test_what_a_model_is_written_as(model: Model, text: str) -> None:
    assert encode(model).decode() == text
    with localcontext(Context(prec=2, traps=[FloatOperation, Inexact])):
        assert encode(model).decode() == text


def test_unknown_members_are_written_unless_the_model_has_its_own_value() -> None:
    extra: dict[str, JSON] = {"text": None, "id": "other", "new": [1]}
    assert decode_json(encode(Consent(id="c_1", extra=extra))) == {"id": "c_1", "text": None, "new": [1]}


def test_json_may_hold_models() -> None:
    assert encode([Consent(id="c_1"), {"a": Price()}]) == b'[{"id":"c_1"},{"a":{}}]'


def test_unstructured_models_share_nothing() -> None:
    attributes: dict[str, JSON] = {"tags": ["a"]}
    order = to_dict(Order(attributes=attributes))
    assert order == {"attributes": attributes}
    assert isinstance(order, Mapping)
    assert order["attributes"] is not attributes


NOW: Any = datetime(2026, 1, 2, tzinfo=UTC)


def anything(value: object) -> Any:
    """A value of a type that its member does not have."""
    return value


class NotATime(datetime):
    """As NaT of pandas."""

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NaTType does not support utcoffset")


def cyclic_cart() -> Cart:
    attributes: dict[str, Any] = {}
    attributes["carts"] = [Cart(attributes=attributes)]
    return Cart(attributes=attributes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"erp": [0, 1, 2, {"weight": math.nan}]}, "body.erp[3].weight: NaN is not a JSON number"),
        (
            Order(cart=Cart(items=[Item(), Item(logistics=Logistics(shipping_date=datetime(2026, 1, 2)))])),
            "body.cart.items[1].logistics.shippingDate: a date-time needs a time zone",
        ),
        (Price(including_vat=Decimal("NaN")), "body.includingVat: NaN is not a JSON number"),
        (Order(attributes={"when": NOW}), "body.attributes.when: datetime is not a JSON value"),
        (Consent(extra={"when": NOW}), "body.when: datetime is not a JSON value"),
        (Consent(text="\ud800"), "body.text: a lone surrogate cannot be written as UTF-8"),
        (Consent, "body: type is not a JSON value"),
        (cyclic_cart(), "body.attributes.carts[0].attributes: it contains itself"),
        (
            Cart(items=anything([{"sku": "A"}])),
            "body.items[0]: expected an Item, got dict (from_dict with strict=True makes one)",
        ),
        (Cart(items=[Item(), anything(None)]), "body.items[1]: expected an Item, got NoneType"),
        (Cart(items=anything({"sku": "A"})), "body.items: expected a list, got dict"),
        (
            Order(cart=anything({"reference": "c"})),
            "body.cart: expected a Cart, got dict (from_dict with strict=True makes one)",
        ),
        (Order(cart=anything(Price())), "body.cart: expected a Cart, got Price"),
        (Order(consents=anything("ci_terms")), "body.consents: expected a list, got str"),
        (Order(attributes=anything("red")), "body.attributes: expected an object, got str"),
        (Payment(amount=anything("12,50")), "body.amount: expected a number, got str"),
        (Payment(amount=anything(True)), "body.amount: expected a number, got bool"),
        (Payment(reference=anything(5)), "body.reference: expected a string, got int"),
        (Payment(state=anything(5)), "body.state: expected a string, got int"),
        (Consent(checked=anything("no")), "body.checked: expected true or false, got str"),
        (
            Order(cart=Cart(items=[Item(quantity=anything("1"))])),
            "body.cart.items[0].quantity: expected an integer, got str",
        ),
        (Item(quantity=anything(1.5)), "body.quantity: expected an integer, got float"),
        (Item(quantity=anything(Decimal("NaN"))), "body.quantity: NaN is not a JSON number"),
        (Item(quantity=anything(math.inf)), "body.quantity: Infinity is not a JSON number"),
        (Order(created=anything("today")), "body.created: text that is no date-time"),
        (Order(created=anything("2016-12-31T23:59:60Z")), "body.created: text that is no date-time"),
        *(
            (Order(created=anything(text)), f"body.created: text that is no date-time {IN_FULL}")
            for text in ("2026-W01-1", "20260101", "2026-01-01", "2026-01-01T10:00:00", "2026-01-01 10:00:00Z")
        ),
        (Order(created=NotATime(1, 1, 1)), "body.created: a date-time needs a time zone"),
        (Order(created=anything(5)), "body.created: expected a date-time, got int"),
        (note(list[str] | None, "a"), "body.note: expected a list, got str"),
        (note(tuple[str, ...], ["a", 5]), "body.note[1]: expected a string, got int"),
        (
            note(list[list[Item]], [[{"sku": 5}]]),
            "body.note[0][0]: expected an Item, got dict (from_dict with strict=True makes one)",
        ),
        (note(dict[str, int], [1]), "body.note: expected an object, got list"),
        (note(int | Decimal, "1.5"), "body.note: expected a number, got str"),
        (note(None | str, 5), "body.note: expected a string, got int"),
        (note(Any, {1}), "body.note: set is not a JSON value"),
        (Logistics(tags=anything([1])), "body.tags[0]: expected a string, got int"),
    ],
)
def test_what_cannot_be_written_is_named_by_its_path(value: object, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(value)
    assert str(caught.value) == message


@pytest.mark.parametrize("base", [Model, Item])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "a"),
        (str | None, "a"),
        (None | str, "a"),
        (Any, [1, {"a": None}]),
        (bool | None, True),
        (int | None, 5),
        (Decimal | None, Decimal("1.50")),
        (datetime | None, "2026-01-02T03:04:05+00:00"),
        (CustomerType | None, "person"),
        (CustomerType | str | None, "alien"),
        (Price | None, {"includingVat": 5}),
        (None | Price, {"includingVat": 5}),
        (list, ["a"]),
        (list[str] | None, ["a"]),
        (list[list[int]], [[1], []]),
        (list[Item], [{"quantity": 1}]),
        (tuple[str, ...], ["a"]),
        (Sequence[str] | None, ["a"]),
        (Sequence[CustomerType], ["person"]),
        (dict, {"a": 1}),
        (dict[str, int] | None, {"a": 1}),
        (dict[str, Item], {"a": {"quantity": 1}}),
        (Mapping[str, JSON] | None, {"a": 1}),
    ],
)
def test_a_model_of_ones_own_writes_what_it_reads(base: type[Model], kind: Any, value: JSON) -> None:
    model = structure({"note": value}, note_class(kind, base))
    assert model.unreadable == {}
    assert to_dict(model) == {"note": value}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (float | None, 1.5),
        (object, "a"),
        (JSON, [1.5, None]),
        (int | Decimal, Decimal("1.5")),
        (int | str | None, "a"),
        (Item | list[Item], []),
        (list[str | None], ["a", None]),
        (Literal["a", "b"] | None, "a"),
    ],
)
def test_a_model_of_ones_own_writes_what_its_types_say(kind: Any, value: Any) -> None:
    assert to_dict(note(kind, value)) == {"note": value}


def test_bundles_may_be_nested_but_not_without_end() -> None:
    item = Item()
    for _ in range(31):
        item = Item(items=(item,))
    assert structure(to_dict(item), Item) == item
    with pytest.raises(InvalidRequestError, match="nested deeper than 64 levels"):
        encode(Item(items=[Item(items=[item])]))


def test_the_root_of_the_path_has_a_name() -> None:
    with pytest.raises(InvalidRequestError, match=r"^attributes\.a: set is not a JSON value$"):
        encode({"a": set[int]()}, root="attributes")
    with pytest.raises(InvalidRequestError, match=r"^Order\.created: a date-time needs"):
        encode(Order(created=datetime(2026, 1, 2)), root="Order")


def test_a_body_has_a_limit() -> None:
    with pytest.raises(InvalidRequestError, match=f"body: more than {MAX_BYTES} bytes of JSON"):
        encode(Consent(id="c" * MAX_BYTES))


MODELS = st.builds(Consent, id=TEXT) | st.builds(Order, attributes=st.dictionaries(TEXT, st.text()))
OBJECTS_OF_ANY_KIND: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.uuids()
    | st.functions()
    | MODELS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.frozensets(st.integers() | st.text())
        | st.dictionaries(st.none() | st.integers() | st.text(), inner, max_size=3)
        | st.builds(
            Order, created=inner, payments=inner, extra=st.dictionaries(st.integers() | st.text(), inner, max_size=1)
        )
    ),
    max_leaves=6,
)


@given(OBJECTS_OF_ANY_KIND)
def test_writing_raises_nothing_but_its_own_error(value: object) -> None:
    try:
        body = encode(value)
    except InvalidRequestError as error:
        str(error).encode()
    else:
        decode_json(body)


# Reading


def test_null_and_absent_are_the_same() -> None:
    for name in OBJECTS:
        members: dict[str, JSON] = dict.fromkeys(SCHEMAS[name]["properties"])
        assert structure(members, model_named(name)) == model_named(name)()
        assert encode(structure(members, model_named(name))) == b"{}"


@pytest.mark.parametrize("text", ["person", "Person", "PERSON"])
def test_enumerations_are_read_whatever_their_case(text: str) -> None:
    assert structure({"type": text}, Customer).type is CustomerType.PERSON
    assert structure({"type": "Alien"}, Customer).type == "Alien"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.25z", datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1+02:00", datetime(2026, 1, 2, 3, 4, 5, 100000, tzinfo=timezone(timedelta(hours=2)))),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_date_times_are_aware(text: str, time: datetime) -> None:
    created = structure({"created": text}, Order).created
    assert created is not None
    assert created == time
    assert created.utcoffset() == time.utcoffset()


@pytest.mark.parametrize(
    ("wire", "model"),
    [
        ({"id": 5}, Order(id="5")),
        ({"id": Decimal("1.50")}, Order(id="1.50")),
        ({"total": {"includingVat": 5}}, Order(total=Price(including_vat=Decimal(5)))),
        ({"total": {"includingVat": 0.1}}, Order(total=Price(including_vat=Decimal("0.1")))),
        ({"cart": {"items": [{"quantity": Decimal("2.0")}]}}, Order(cart=Cart(items=(Item(quantity=2),)))),
        ({"cart": {"items": []}}, Order(cart=Cart(items=()))),
        ({"attributes": {"a": None}}, Order(attributes={"a": None})),
        ({"ID": "o_1", "extra": {"a": None}}, Order(extra={"ID": "o_1", "extra": {"a": None}})),
    ],
)  # fmt: skip
def test_what_is_read(wire: JSON, model: Order) -> None:
    assert structure(wire, Order) == model


def test_other_things_than_models_are_read() -> None:
    assert structure("o_1", str) == "o_1"
    assert structure([{"amount": 1}, {}], list[Payment]) == [Payment(amount=Decimal(1)), Payment()]


@pytest.mark.parametrize(
    ("wire", "cls", "message"),
    [
        ([], Order, "expected an object, got an array"),
        (None, Order, "expected an object, got null"),
        (Cart(), Cart, "expected an object, got Cart"),
        (UUID(int=1), str, "expected a string, got UUID"),
        (None, str, "expected a string, got null"),
        ([{"amount": 1}, None, 5], list[Payment], "[1]: expected an object, got null"),
        ({}, list[Payment], "expected an array, got an object"),
        (10**40, Order, f"expected an object, got 1{'0' * 39}..."),
        (10**39, Order, f"expected an object, got 1{'0' * 39}"),
        ("soon", datetime, "expected a date-time, got a string that is none"),
    ],
)
def test_a_whole_answer_that_does_not_fit_is_an_error(wire: JSON, cls: type[Any], message: str) -> None:
    with pytest.raises(WireError) as caught:
        structure(wire, cls)
    assert str(caught.value) == message


LEAP = "2016-12-31T23:59:60Z"


ODD: list[tuple[Any, type[Model], Any]] = [
    ({"cart": {"items": [{}, {"quantity": 2.5, "sku": "A"}]}}, Order, {"cart.items[1].quantity": 2.5}),
    ({"quantity": True}, Item, {"quantity": True}),
    ({"quantity": "2"}, Item, {"quantity": "2"}),
    ({"limit": Decimal("1E+999999999")}, Pagination, {"limit": Decimal("1E+999999999")}),
    ({"includingVat": False, "excludingVat": "12"}, Price, {"includingVat": False, "excludingVat": "12"}),
    ({"id": {}}, CreateResponse, {"id": {}}),
    ({"version": []}, Hook, {"version": []}),
    ({"type": True}, Discount, {"type": True}),
    ({"checked": 1}, Consent, {"checked": 1}),
    ({"checked": "true"}, Consent, {"checked": "true"}),
    ({"class": []}, DeliveryDetails, {"class": []}),
    ({"tags": "a"}, Logistics, {"tags": "a"}),
    ({"tags": ["a", None, "b", {}]}, Logistics, {"tags[1]": None, "tags[3]": {}}),
    ({"items": [5, {"items": [{"upsell": 0}, 6]}]}, Cart, {"items[0]": 5, "items[1].items[1]": 6,
                                                           "items[1].items[0].upsell": 0}),
    ({"expiration": 0}, Upsell, {"expiration": 0}),
    ({"created": "", "lastModified": LEAP}, Order, {"created": "", "lastModified": LEAP}),
    ({"attributes": []}, Order, {"attributes": []}),
    ({"total": "free", "currency": "SEK"}, Order, {"total": "free"}),
    ({"data": [{"id": "o_1"}, 7, {"total": {"includingVat": None, "excludingVat": []}}]}, OrderPaginationSet,
     {"data[1]": 7, "data[2].total.excludingVat": []}),
]  # fmt: skip


def test_what_cannot_be_read_is_the_same_whatever_the_order_of_the_members() -> None:
    wire: Any = {"state": 5, "consents": [None], "cart": "x", "created": 7, "payments": "y"}
    order = structure(wire, Order)
    assert from_json(to_json(order), Order) == order
    assert structure(dict(reversed(wire.items())), Order) == order


@pytest.mark.parametrize(
    ("seconds", "written"), [(3661, "2026-01-02T02:03:04+00:00"), (3660, "2026-01-02T03:04:05+01:01")]
)
def test_an_offset_with_seconds_is_written_in_utc(seconds: int, written: str) -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(seconds=seconds)))
    assert to_dict(Order(created=time)) == {"created": written}
    assert query_of({"date_from": time}) == {"date_from": written}


@pytest.mark.parametrize(
    ("wire", "cls", "unreadable"),
    ODD,
)
def test_what_does_not_fit_is_listed_and_written_back(wire: Any, cls: type[Model], unreadable: Any) -> None:
    model = structure(wire, cls)
    assert model.unreadable == unreadable
    for copied in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), attrs.evolve(model)):
        assert copied == model
        assert copied.unreadable == unreadable
        assert to_dict(copied) == decode_json(encode(without_nulls(wire)))
    if cls is Order:
        changed = attrs.evolve(structure(wire, Order), reference="R-1")
        assert to_dict(changed) == {"reference": "R-1", **without_nulls(wire)}


def without_nulls(wire: Any) -> Any:
    """JSON without the members that are null."""
    if isinstance(wire, dict):
        members = cast("dict[str, Any]", wire)
        return {name: without_nulls(member) for name, member in members.items() if member is not None}
    elements: Any = wire
    return list(map(without_nulls, elements)) if isinstance(wire, list) else wire


def test_the_rest_of_what_does_not_fit_is_given() -> None:
    item: dict[str, Any] = {"sku": "A", "quantity": Decimal("1.5"), "price": {"includingVat": 10, "excludingVat": "?"}}
    order = structure({"id": "o_1", "created": "", "cart": {"items": [None, item]}}, Order)
    assert (order.id, order.created) == ("o_1", None)
    assert order.cart is not None
    (read,) = order.cart.items
    assert (read.sku, read.quantity, read.price) == ("A", None, structure(item["price"], Price))
    assert repr(order.cart) == "Cart(items=<1 Item>, unread=['items'])"
    assert repr(read) == ("Item(sku='A', price=Price(including_vat=10, unread=['excludingVat']), unread=['quantity'])")


def test_a_value_given_anew_is_written_instead() -> None:
    item = structure({"sku": "A", "quantity": Decimal("1.5"), "items": "none"}, Item)
    changed = attrs.evolve(item, quantity=2, items=())
    assert to_dict(changed) == {"sku": "A", "quantity": 2, "items": []}
    assert changed.unreadable == {}
    assert to_dict(attrs.evolve(item, unread=())) == {"sku": "A"}


A, B, C = Item(sku="A"), Item(sku="B"), Item(sku="C")
WIRE_A, WIRE_B, WIRE_C = ({"sku": sku} for sku in "ABC")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ((A, B), [WIRE_A, 5, WIRE_B]),
        ([A, B], [WIRE_A, 5, WIRE_B]),
        ([C, C], [WIRE_C, 5, WIRE_C]),
        ([A, B, C], [WIRE_A, 5, WIRE_B, WIRE_C]),
        ([A], [WIRE_A, 5]),
        ([B], None),
        ([], None),
        ([C, A, B], None),
    ],
)
def test_an_element_that_could_not_be_read_keeps_its_place(given: Any, written: Any) -> None:
    cart = structure({"items": [WIRE_A, 5, WIRE_B]}, Cart)
    order = Order(cart=attrs.evolve(cart, items=given))
    if written is not None:
        assert to_dict(order) == {"cart": {"items": written}}
    else:
        with pytest.raises(InvalidRequestError, match=r"^cart\.items: it holds .* their place is lost"):
            to_dict(order)
    assert to_dict(attrs.evolve(cart, items=NOT_SET)) == {}
    assert to_dict(attrs.evolve(cart, items=given, unread=())) == to_dict(Cart(items=given))


async def test_a_dict_in_place_of_a_model_is_told_before_anything_is_sent() -> None:
    client, transport, _ = scripted(200)
    cart = Cart(items=cast("list[Item]", [{"sku": "A", "vat_rate": 0.25}]))
    with pytest.raises(InvalidRequestError, match=r"^cart\.items\[0\]: expected an Item, got dict \(from_dict with"):
        await update_cart(client, "o_1", cart)
    assert transport.requests == []


async def test_a_place_that_is_lost_is_told_before_anything_is_sent() -> None:
    order = structure({"consents": [{"id": "c_1"}, "odd"]}, Order)
    client, transport, _ = scripted(201)
    with pytest.raises(InvalidRequestError, match=r"^order\.consents: "):
        await create_order(client, attrs.evolve(order, consents=[]))
    assert transport.requests == []


@given(st.data())
def test_nothing_odd_is_lost(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(OBJECTS))
    wire = data.draw(wire_values({"$ref": name}))
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        pairs: Any = cast("dict[str, Any]", value).items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            places.append((cast("Any", value), key))
            if isinstance(inner, (dict, list)):
                walk(inner)

    walk(wire)
    for container, key in data.draw(st.lists(st.sampled_from(places), max_size=3)) if places else []:
        container[key] = {"odd": []} if container[key] is True or container[key] is False else True
    model = structure(decode_json(encode(wire)), model_named(name))
    assert digits(encode(model)) == digits(encode(wire))


def test_bundles_nested_too_deeply_are_refused() -> None:
    wire: JSON = {}
    for _ in range(3000):
        wire = {"items": [wire]}
    with pytest.raises(WireError, match="nested too deeply"):
        structure(wire, Item)


def test_a_changed_copy_keeps_what_this_version_does_not_know() -> None:
    wire = b'{"id":"o_1","state":{"currentStatus":"paused","since":1.50},"loyalty":{"points":[1,null]}}'
    changed = attrs.evolve(structure(decode_json(wire), Order), reference="R-1")
    assert digits(encode(changed)) == digits(wire) | {"reference": "R-1"}
