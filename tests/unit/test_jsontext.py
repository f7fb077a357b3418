"""Giving on what was read: as JSON and back, without loss."""

import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from norce_order_async import CallOptions, Edited, InvalidRequestError, OutcomeKind, Receipt, Timeout
from norce_order_async.models import (
    Cart,
    Consent,
    Item,
    Order,
    Payment,
    Price,
    State,
    from_dict,
    from_json,
    to_dict,
    to_json,
)

ORDER = Order(
    id="o_1",
    created=datetime(2026, 1, 2, tzinfo=UTC),
    state=State(current_status="checkout"),
    cart=Cart(items=(Item(sku="A", total=Price(including_vat=Decimal("124.50"))),)),
    attributes={"weight": Decimal("1.50"), "note": None, "tags": ["å"]},
    extra={"new": {"a": 1}},
)
RECEIPT = Receipt("DeleteCheckoutOrder", 204, "id-1", 2, 0.12345, OutcomeKind.APPLIED_INFERRED)


def test_an_order_comes_back_whole() -> None:
    text = to_json(ORDER)
    assert '"includingVat":124.50' in text
    assert from_json(text, Order) == ORDER
    assert from_json(text.encode(), Order) == ORDER
    assert from_dict(to_dict(ORDER), Order) == ORDER


def test_a_receipt_comes_back_whole() -> None:
    assert from_json(to_json(RECEIPT), Receipt) == RECEIPT
    assert json.loads(to_json(RECEIPT))["outcome"] == "applied_inferred"
    assert from_dict(to_dict(RECEIPT), Receipt) == RECEIPT
    assert to_dict(RECEIPT)["elapsed"] == Decimal("0.12345")


def test_attributes_which_json_dumps_cannot_write() -> None:
    assert ORDER.attributes is not None
    with pytest.raises(TypeError):
        json.dumps(ORDER.attributes)
    assert to_json(ORDER.attributes) == '{"weight":1.50,"note":null,"tags":["å"]}'
    assert from_json(to_json(ORDER.attributes)) == ORDER.attributes


def test_lists_and_mappings_of_them() -> None:
    payments = [Payment(id="p_1"), Payment(amount=Decimal("1.0"))]
    assert from_json(to_json(payments), list[Payment]) == payments
    assert to_dict({"receipts": [RECEIPT], "order": ORDER})["order"]["id"] == "o_1"
    assert from_json(to_json([RECEIPT]), list[Receipt]) == [RECEIPT]
    assert from_json(to_json((RECEIPT,)), tuple[Receipt, ...]) == (RECEIPT,)
    assert from_json(to_json({"a": RECEIPT}), dict[str, Receipt]) == {"a": RECEIPT}
    assert from_json(to_json({"a": payments}), dict[str, list[Payment]]) == {"a": payments}


@pytest.mark.parametrize(
    "kind", [Edited, 5, object, dict[str, object], bytes, "Order", CallOptions, Timeout, list[Timeout], Timeout | None]
)
def test_what_nothing_can_be_read_as_is_named(kind: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"nothing can be read as {kind!r}")):
        from_json('{"a": 1}', kind)


def test_a_dict_shares_nothing_with_the_model() -> None:
    given = to_dict(ORDER)
    given["attributes"]["tags"].append("new")
    assert ORDER.attributes is not None
    assert ORDER.attributes["tags"] == ["å"]


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        ({"itmes": []}, Cart, "itmes: there is no such member"),
        ({"items": [{"sku": "A", "qty": 1}]}, Cart, "items[0].qty: there is no such member"),
        ({"items": [{"quantity": "2"}]}, Cart, "items[0].quantity: expected an integer, got a string"),
        ([{"id": "p_1"}, {"amount": "x"}], list[Payment], "[1].amount: expected "),
        ({"a": [{"ID": "p_1"}]}, dict[str, list[Payment]], "a[0].ID: there is no such member"),
    ],
)
def test_what_a_model_does_not_know_or_does_not_fit_is_refused_where_it_is_read_strictly(
    value: Any, kind: Any, says: str
) -> None:
    assert to_dict(from_dict(value, kind)) == value
    with pytest.raises(InvalidRequestError, match=f"^{re.escape(says)}"):
        from_dict(value, kind, strict=True)


def test_what_fits_is_read_strictly_as_it_is_otherwise() -> None:
    known = attrs.evolve(ORDER, extra={})
    assert from_dict(to_dict(known), Order, strict=True) == known
    assert from_dict(to_dict(RECEIPT), Receipt, strict=True) == RECEIPT


def test_what_others_sent_is_written_whatever_it_is() -> None:
    text = to_json({"a": "\ud800", "b": "x" * 2**21})
    assert text.isascii()
    assert from_json(text) == {"a": "\ud800", "b": "x" * 2**21}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": math.nan}, "a: NaN is not a JSON number"),
        ({"a": [b"x"]}, r"a\[0\]: bytes"),
        (Order(created=datetime(2026, 1, 2)), "created: a date-time needs a time zone"),
        ({"a": {1, 2}}, "a: set"),
    ],
)
def test_what_is_no_json_is_named(value: Any, says: str) -> None:
    for write in (to_json, to_dict):
        with pytest.raises(InvalidRequestError, match=says):
            write(value)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("{", Order, "the text cannot be read"),
        ("NaN", None, "the text cannot be read"),
        (b"\xff", Order, "the text cannot be read"),
        ("\ud800", Order, "the text cannot be read"),
        ("[]", Order, "expected an object"),
        ("{}", list[Consent], "expected an array"),
        ("{}", Receipt, "a receipt has the members"),
        ("[{}]", list[Receipt], r"\[0\]: a receipt has the members"),
        ('{"a": {"id": 1}, "b": 2}', dict[str, Order], "b: expected an object, got 2"),
        ("[]", dict[str, Order], "expected an object"),
        ("5", tuple[Order, ...], "expected an array"),
        (to_json(RECEIPT).replace("applied", "maybe"), Receipt, "no receipt has"),
        (to_json(RECEIPT).replace("0.12345", '"x"'), Receipt, "no receipt has"),
        (to_json(RECEIPT).replace("204", '"x"'), Receipt, "expected an integer"),
    ],
)
def test_what_does_not_fit_is_named(text: str | bytes, kind: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        from_json(text, kind)
