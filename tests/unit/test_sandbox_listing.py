"""The sandbox's list of orders, and the orders that it makes up."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from sandbox_requests import HEADERS, ORDERS

from norce_order_async import ConfigurationError
from norce_order_async.models import Order
from norce_order_async.testing import Sandbox
from norce_order_async.testing.contract import load_contract
from norce_order_async.wire.codec import structure
from norce_order_async.wire.json import decode_json


def listed(sandbox: Sandbox, *, expect: int = 200, **query: Any) -> Any:
    answer = sandbox.handle("GET", f"{ORDERS}?{urlencode(query, doseq=True)}", HEADERS)
    assert answer.status == expect, answer.body
    return decode_json(answer.body)


def ids(sandbox: Sandbox, **query: Any) -> list[str]:
    return [order["id"] for order in listed(sandbox, **query)["data"]]


def address(name: str, country: str) -> dict[str, str]:
    return {
        "givenName": name,
        "familyName": "Berg",
        "organizationName": f"{name} AB",
        "email": f"{name}@example.com",
        "phone": f"+46{name}",
        "country": country,
    }


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox()
    for number, (name, country, status) in enumerate(
        [("Ada", "SE", "checkout"), ("Bo", "NO", "completed"), ("Åsa", "SE", "completed")]
    ):
        sandbox.add_order(
            f"o_{number}",
            reference=f"R{number}",
            created=f"2026-01-0{number + 1}T12:00:00.000Z",
            country=country,
            state={"currentStatus": status},
            customer={"billing": address(name, country), "shipping": address(name.upper(), country.lower())},
            cart={"reference": f"C{number}", "total": {"includingVat": 30 - 10 * number}},
            total={"includingVat": 30.5 - 10 * number},
            payments=[{"id": f"p_{number}"}],
        )
    sandbox.add_order("o_9", merchant="other")
    return sandbox


@pytest.mark.parametrize("ignored", ["status", "date_to"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_filter_that_is_to_be_ignored_is(ignored: str, alone: bool) -> None:
    sandbox = Sandbox(ignored_filters=ignored if alone else [ignored])
    for number, status in enumerate(("checkout", "completed")):
        sandbox.add_order(f"o_{number}", created=f"2026-01-0{number + 1}T12:00:00Z", state={"currentStatus": status})
    query = {"status": "checkout", "date_to": "2026-01-01T12:00:00Z"}
    others = {name: value for name, value in query.items() if name != ignored}
    assert ids(sandbox, **{ignored: query[ignored]}) == ["o_0", "o_1"]
    assert ids(sandbox, **others) == ["o_0"]


def test_a_filter_that_there_is_not_cannot_be_ignored() -> None:
    with pytest.raises(ConfigurationError, match="no filter 'state' to ignore: one of search, "):
        Sandbox(ignored_filters=["state"])


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [0, 1, 2]),
        ({"search": "ada@"}, [0]),
        ({"search": "c1"}, [1]),
        ({"search": "o_2"}, [2]),
        ({"search": "berg"}, [0, 1, 2]),
        ({"search": "nothing"}, []),
        ({"payment_id": "p_1"}, [1]),
        ({"reference": "R2"}, [2]),
        ({"cart_reference": "C0"}, [0]),
        ({"status": "completed"}, [1, 2]),
        ({"status": ["checkout", "completed"]}, [0, 1, 2]),
        ({"date_from": "2026-01-02T12:00:00Z"}, [1, 2]),
        ({"date_to": "2026-01-02T13:00:00+01:00"}, [0, 1]),
        ({"date_from": "2026-01-02T00:00:00Z", "date_to": "2026-01-03T00:00:00Z"}, [1]),
        ({"countries": "se"}, [0, 2]),
        ({"countries": ["SE", "NO"]}, [0, 1, 2]),
        ({"billing_countries": "NO"}, [1]),
        ({"billing_emails": "BO@example.com"}, [1]),
        ({"billing_names": ["ada berg", "Åsa AB"]}, [0, 2]),
        ({"billing_phones": "+46Bo"}, [1]),
        ({"shipping_countries": "NO"}, [1]),
        ({"shipping_emails": "ada@example.com"}, [0]),
        ({"shipping_names": "berg"}, [0, 1, 2]),
        ({"shipping_phones": "+46bo"}, [1]),
        ({"status": "completed", "countries": "SE"}, [2]),
        ({"order_by_direction": "desc"}, [2, 1, 0]),
        ({"order_by": "billingEmail", "order_by_direction": "desc"}, [2, 1, 0]),
        ({"order_by": "billingName"}, [0, 1, 2]),
        ({"order_by": "cartTotal"}, [2, 1, 0]),
        ({"order_by": "cartTotal", "order_by_direction": "desc", "offset": 1, "limit": 1}, [1]),
        ({"offset": 3}, []),
        ({"limit": 0}, []),
        ({"limit": 2_000_000_000}, [0, 1, 2]),
        ({"unknown": "x"}, [0, 1, 2]),
    ],
)
def test_a_query(sandbox: Sandbox, query: dict[str, Any], numbers: list[int]) -> None:
    assert ids(sandbox, **query) == [f"o_{number}" for number in numbers]


def test_an_order_may_be_created_at_a_time_in_small_letters(sandbox: Sandbox) -> None:
    sandbox.add_order("o_3", created="2026-01-02t18:00:00z")
    assert ids(sandbox) == ["o_0", "o_1", "o_3", "o_2"]
    assert ids(sandbox, date_from="2026-01-02T13:00:00Z", date_to="2026-01-02t18:00:00z") == ["o_3"]


def test_a_query_is_refused_in_its_own_letters(sandbox: Sandbox) -> None:
    assert "$.date_from: 'x' is not a" in str(listed(sandbox, expect=400, date_from="x"))


@pytest.mark.parametrize(
    ("query", "code", "part"),
    [
        ("limit=ten", "bad-request", "$.limit: "),
        ("limit=1.5", "bad-request", "$.limit: "),
        ("limit=", "bad-request", "$.limit: "),
        ("limit=2147483648", "bad-request", "$.limit: "),
        ("limit=1&limit=2", "bad-request", "$.limit: "),
        ("status=lost", "bad-request", "$.status[0]: "),
        ("order_by=country", "bad-request", "$.order_by: "),
        ("date_to=yesterday", "bad-request", "$.date_to: "),
        ("offset=-1", "order-bad-request", "below zero"),
    ],
)
def test_a_query_that_is_refused(sandbox: Sandbox, query: str, code: str, part: str) -> None:
    answer = sandbox.handle("GET", f"{ORDERS}?{query}", HEADERS)
    body = json.loads(answer.body)
    assert (answer.status, body["code"]) == (400, code)
    assert part in body["message"]


def test_the_figures_of_a_page(sandbox: Sandbox) -> None:
    assert listed(sandbox, countries="SE", limit=1)["pagination"] == {
        "offset": 0,
        "limit": 1,
        "size": 2,
        "valueSum": Decimal("41.0"),
        "totalSize": 3,
    }


def test_pages_hold_each_order_once() -> None:
    sandbox = Sandbox()
    seeded = sandbox.seed_orders(250)
    read: list[str] = []
    while page := ids(sandbox, offset=len(read), limit=500):
        read += page
    assert read == seeded
    assert listed(sandbox)["pagination"]["limit"] == 10


class TestSeeds:
    def test_they_are_the_same_for_the_same_seed(self) -> None:
        made: list[object] = []
        for seed in (1, 1, 2):
            sandbox = Sandbox(seed=seed)
            made.append([sandbox.order(order_id) for order_id in sandbox.seed_orders(20) + sandbox.seed_orders(5)])
        assert made[0] == made[1] != made[2]

    def test_they_keep_to_the_contract_and_can_be_read(self) -> None:
        sandbox = Sandbox()
        resource, _ = load_contract().find(ORDERS)
        assert resource is not None
        shape = resource.operations["POST"].body
        assert shape is not None
        for order_id in sandbox.seed_orders(200, merchant="other", channel="se"):
            order = sandbox.order(order_id, merchant="other", channel="se")
            assert order is not None
            assert shape.normalised(order, strict=True).keys() < order.keys()
            assert shape.violation(order) is None
            answer = sandbox.handle("GET", f"{ORDERS}/{order_id}", HEADERS | {"x-merchant": "other", "x-channel": "se"})
            model = structure(decode_json(answer.body), Order)
            assert model.payments is not None
            assert model.total is not None
            assert sum(payment.amount or 0 for payment in model.payments) in (0, model.total.including_vat)

    def test_they_are_many_kinds(self) -> None:
        sandbox = Sandbox()
        sandbox.seed_orders(300)
        for status in ("checkout", "processing", "accepted", "completed", "declined", "removed"):
            assert listed(sandbox, status=status)["pagination"]["size"] > 0
        assert 0 < listed(sandbox, countries="NO")["pagination"]["size"] < 300
