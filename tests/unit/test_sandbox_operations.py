"""What each operation of the sandbox does to an order, seen through its answers."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from sandbox_requests import HEADERS, ORDERS

from norce_order_async.testing import Sandbox, SandboxResponse

ROWS = [
    {"reference": "row-1", "sku": "A1", "quantity": 2, "price": {"includingVat": 125, "excludingVat": 100}},
    {"reference": "row-2", "total": {"includingVat": 0.1, "excludingVat": 0.08}},
]
SHIPPING = {"reference": "home", "total": {"includingVat": 50, "excludingVat": 40}, "vatRate": 0.25}


class Api:
    """Requests to a sandbox, as JSON."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a success."""
        answer = self.answer(method, path, body)
        assert answer.status < 300, answer.body
        return json.loads(answer.body, parse_float=Decimal) if answer.body else None

    def answer(self, method: str, path: str, body: object = None) -> SandboxResponse:
        content = b"" if body is None else json.dumps(body).encode()
        return self.sandbox.handle(method, ORDERS + path, HEADERS, content)

    def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = self.answer(method, path, body)
        return answer.status, json.loads(answer.body)["code"]


@pytest.fixture
def api() -> Api:
    """Each look at its clock is a second later."""
    ticks: Iterator[int] = iter(range(1_768_204_889, 1_769_000_000))
    return Api(Sandbox(wall=lambda: next(ticks)))


@pytest.fixture
def order(api: Api) -> str:
    """The path of a new order."""
    return f"/{api('POST', '', {'currency': 'SEK', 'cart': {'reference': 'cart-1', 'items': ROWS}})['id']}"


class TestCarts:
    def test_rows_get_ids_and_totals(self, api: Api, order: str) -> None:
        cart = api("GET", order)["cart"]
        assert [row["total"]["includingVat"] for row in cart["items"]] == [250, Decimal("0.1")]
        assert all(re.fullmatch("ci_[A-Za-z]{26}", row["id"]) for row in cart["items"])
        assert cart["total"] == {"includingVat": Decimal("250.1"), "excludingVat": Decimal("200.08")}
        assert api("GET", order)["total"] == cart["total"]

    def test_discounts_are_taken_off_and_bundles_have_ids(self, api: Api, order: str) -> None:
        off = [{"type": "item", "value": {"includingVat": 25, "excludingVat": 20}}]
        rows = [{"price": {"includingVat": 125}, "discounts": off, "items": [{"sku": "inner"}]}]
        api("PUT", f"{order}/cart", {"items": rows, "discounts": off})
        cart = api("GET", order)["cart"]
        assert cart["items"][0]["total"]["includingVat"] == 100
        assert cart["total"]["includingVat"] == 75
        assert cart["items"][0]["items"][0]["id"]

    def test_what_is_given_stays(self, api: Api, order: str) -> None:
        given = {"items": [{"id": "mine", "total": {"includingVat": 7}}], "total": {"includingVat": 8}}
        api("PUT", f"{order}/cart", given)
        assert api("GET", order)["cart"] == given

    def test_it_is_replaced_and_rows_with_the_same_reference_keep_their_ids(self, api: Api, order: str) -> None:
        before = api("GET", order)
        api("PUT", f"{order}/cart", {"reference": "cart-1", "items": ROWS})
        assert api("GET", order) == before
        api("PUT", f"{order}/cart", {"items": ROWS[1:]})
        after = api("GET", order)
        assert "reference" not in after["cart"]
        assert [row["id"] for row in after["cart"]["items"]] == [before["cart"]["items"][1]["id"]]
        assert after["total"]["includingVat"] == Decimal("0.1")

    def test_no_two_rows_get_the_id_of_one(self, api: Api, order: str) -> None:
        given = api("GET", order)["cart"]["items"][0]["id"]
        api("PUT", f"{order}/cart", {"items": [{"id": given, "reference": "row-1"}, {"reference": "row-1"}]})
        first, second = api("GET", order)["cart"]["items"]
        assert first["id"] == given != second["id"]

    def test_a_row_with_an_id_of_its_own_leaves_the_other_its_id(self, api: Api, order: str) -> None:
        given = api("GET", order)["cart"]["items"][0]["id"]
        for reference in ("row-1", "row-2"):
            api("PUT", f"{order}/cart", {"items": [{"id": "mine", "reference": reference}, ROWS[0]]})
            assert [each["id"] for each in api("GET", order)["cart"]["items"]] == ["mine", given]

    def test_of_a_row_that_was_seeded_without_rows_nothing_is_kept(self) -> None:
        sandbox = Sandbox()
        sandbox.add_order("o_1", cart={"items": [{"id": "a", "reference": "row-1", "items": None}]})
        api = Api(sandbox)
        api("PUT", "/o_1/cart", {"items": ROWS[:1]})
        assert api("GET", "/o_1")["cart"]["items"][0]["id"] == "a"

    def test_two_orders_cannot_have_one_cart_reference(self, api: Api, order: str) -> None:
        body = {"cart": {"reference": "cart-1"}}
        assert api.refusal("POST", "", body) == (409, "order-conflict")
        api("DELETE", order)
        assert api("POST", "", body)["id"]


class TestOrders:
    def test_location(self, api: Api, order: str) -> None:
        for path in ("", f"{order}/payments", f"{order}/shippings"):
            answer = api.answer("POST", path, SHIPPING if path.endswith("s") else None)
            made = json.loads(answer.body)["id"]
            assert answer.status == 201
            assert answer.headers["location"] == f"{ORDERS}{path}/{made}"
            assert api("GET", answer.headers["location"].removeprefix(ORDERS))["id"] == made

    def test_a_deleted_order_is_gone(self, api: Api, order: str) -> None:
        assert api.answer("DELETE", order).status == 204
        assert api.refusal("GET", order) == (404, "order-not-found")
        assert api.refusal("DELETE", order) == (404, "order-not-found")
        assert api("GET", "")["data"] == []

    def test_states_have_a_history(self, api: Api, order: str) -> None:
        for status in ("completed", "completed", "checkout"):
            api("PUT", f"{order}/state", {"currentStatus": status})
        state = api("GET", order)["state"]
        assert state["currentStatus"] == "checkout"
        assert [one["status"] for one in state["transitions"]] == ["checkout", "completed", "checkout"]
        stamps = [one["timeStamp"] for one in state["transitions"]]
        assert stamps == sorted(stamps)

    def test_a_required_consent_is_needed_for_processing(self, api: Api, order: str) -> None:
        api("POST", f"{order}/consents", {"id": "ci_terms", "required": True})
        assert api.refusal("PUT", f"{order}/state", {"currentStatus": "processing"}) == (400, "order-validation")
        api("PATCH", f"{order}/consents", [{"id": "ci_terms", "checked": True}])
        api("PUT", f"{order}/state", {"currentStatus": "processing"})

    def test_addresses_are_replaced(self, api: Api, order: str) -> None:
        api("PUT", f"{order}/customer/billing", {"type": "organization", "city": "Lund", "country": "SE"})
        api("PUT", f"{order}/customer/shipping", {"city": "Ystad"})
        api("PUT", f"{order}/customer/billing", {"city": "Kiruna"})
        assert api("GET", order)["customer"] == {
            "type": "organization",
            "billing": {"city": "Kiruna"},
            "shipping": {"city": "Ystad"},
        }

    def test_the_reference_is_a_string(self, api: Api, order: str) -> None:
        api("PUT", f"{order}/reference", "ORDER-1001")
        assert api("GET", order)["reference"] == "ORDER-1001"
        assert api.refusal("PUT", f"{order}/reference", 7) == (400, "bad-request")

    def test_several_consents_are_set_or_none(self, api: Api, order: str) -> None:
        for consent in ("a", "b"):
            api("POST", f"{order}/consents", {"id": consent, "checked": False})
        both = [{"id": "a", "checked": True}, {"id": "b", "checked": True}]
        for bad, status in (({"id": "c", "checked": True}, 404), ({"id": "b"}, 400), ({"checked": True}, 400)):
            assert api.refusal("PATCH", f"{order}/consents", [both[0], bad])[0] == status
        assert [one["checked"] for one in api("GET", order)["consents"]] == [False, False]
        api("PATCH", f"{order}/consents", both)
        assert [one["checked"] for one in api("GET", order)["consents"]] == [True, True]


REGISTRATIONS = [
    ("validations", "validation", {"adapterId": "stock", "url": "https://a.example/validate"}),
    ("hooks", "hook", {"adapterId": "crm", "subscribeTo": "/consents", "invoke": "https://a.example/h"}),
    ("notifications", "notification", {"adapterId": "crm", "scope": "/state", "invoke": "https://a.example/n"}),
]


@pytest.mark.parametrize(("name", "kind", "body"), REGISTRATIONS)
def test_what_is_registered_can_be_read_and_taken_off(
    api: Api, order: str, name: str, kind: str, body: dict[str, Any]
) -> None:
    for _ in range(2):
        assert api("POST", f"{order}/{name}", body) is None
    first, second = api("GET", order)[name]
    assert first["id"] != second["id"]
    assert first | body == first
    assert api("DELETE", f"{order}/{name}/{first['id']}") is None
    assert api("GET", order)[name] == [second]
    assert api.refusal("DELETE", f"{order}/{name}/{first['id']}") == (404, f"{kind}-not-found")


def test_a_validation_is_replaced(api: Api, order: str) -> None:
    api("POST", f"{order}/validations", {"adapterId": "stock", "url": "https://a.example/1"})
    made = api("GET", order)["validations"][0]["id"]
    api("PUT", f"{order}/validations/{made}", {"url": "https://a.example/2"})
    assert api("GET", order)["validations"] == [{"id": made, "url": "https://a.example/2"}]
    assert api.refusal("PUT", f"{order}/validations/other", {}) == (404, "validation-not-found")


def test_a_notification_keeps_the_id_it_has(api: Api, order: str) -> None:
    api("POST", f"{order}/notifications", {"id": "mine"})
    assert api.refusal("POST", f"{order}/notifications", {"id": "mine"}) == (409, "order-conflict")
    assert api("GET", order)["notifications"] == [{"id": "mine"}]


def test_a_new_order_may_bring_registrations(api: Api) -> None:
    given = {name: [body] for name, _, body in REGISTRATIONS} | {"consents": [{"text": "News?"}]}
    order = api("GET", "/" + api("POST", "", given)["id"])
    for name in given:
        assert order[name][0]["id"]


class TestPayments:
    @pytest.fixture
    def payment(self, api: Api, order: str) -> str:
        given = {"reference": "psp-1", "amount": 250.1, "actions": [self.action("capture"), self.action("other")]}
        return f"{order}/payments/{api('POST', f'{order}/payments', given)['id']}"

    @staticmethod
    def action(kind: str) -> dict[str, str]:
        return {"adapterId": "psp", "type": kind, "url": f"https://psp.example/{kind}"}

    def test_what_the_service_writes(self, api: Api, order: str, payment: str) -> None:
        read = api("GET", payment)
        assert (read["type"], read["state"], read["currency"]) == ("default", "intent", "SEK")
        assert (read["merchant"], read["channel"], read["orderId"]) == ("norce", "1", order[1:])
        assert api("GET", f"{order}/payments") == api("GET", order)["payments"] == [read]

    def test_one_reference_is_one_payment(self, api: Api, order: str, payment: str) -> None:
        assert api.refusal("POST", f"{order}/payments", {"reference": "psp-1"}) == (409, "payment-conflict")
        for _ in range(2):
            api("PUT", payment, {"reference": "psp-1", "state": "removed"})
        api("POST", f"{order}/payments", {"reference": "psp-1"})
        api("PUT", payment, {"reference": "psp-1", "state": "removed"})

    def test_it_is_replaced_and_keeps_what_the_service_wrote(self, api: Api, payment: str) -> None:
        before = api("GET", payment)
        updated = api("PUT", payment, {"amount": 7, "actions": [self.action("other"), self.action("refund")]})
        assert updated == api("GET", payment)
        assert "reference" not in updated
        assert {name: updated[name] for name in ("id", "state", "orderId")} == {
            name: before[name] for name in ("id", "state", "orderId")
        }
        kept, new = updated["actions"]
        assert kept == before["actions"][1]
        assert new["id"] not in {action["id"] for action in before["actions"]}

    def test_what_was_read_can_be_written_back(self, api: Api, payment: str) -> None:
        before = api("GET", payment)
        assert api("PUT", payment, json.loads(json.dumps(before, default=float))) == before

    def test_actions_are_added_and_run(self, api: Api, payment: str) -> None:
        api("POST", f"{payment}/actions", [self.action("Refund"), self.action("cancel")])
        actions = api("GET", payment)["actions"]
        assert [action["type"] for action in actions] == ["capture", "other", "Refund", "cancel"]
        states: list[str] = []
        for action in actions:
            assert api("POST", f"{payment}/actions/{action['id']}/execute") is None
            states.append(api("GET", payment)["state"])
        assert states == ["captured", "captured", "credited", "removed"]
        transactions = api("GET", f"{payment}/transactions")
        assert [one["event"] for one in transactions] == ["capture", "paymentAction", "refund", "cancel"]
        assert [one["paymentAction"] for one in transactions] == actions
        assert all(one["amount"] == Decimal("250.1") and one["isSuccess"] and one["created"] for one in transactions)
        assert api.refusal("POST", f"{payment}/actions/none/execute") == (404, "action-not-found")

    def test_transactions_are_noted(self, api: Api, order: str, payment: str) -> None:
        assert api("GET", f"{payment}/transactions") == []
        posted = api("POST", f"{payment}/transactions", {"event": "capture", "amount": 5, "created": "x"})
        assert posted["created"].endswith("Z")
        assert api("GET", f"{payment}/transactions") == [posted]
        other = api("POST", f"{order}/payments")["id"]
        assert api("GET", f"{order}/payments/{other}/transactions") == []
        assert api.refusal("GET", f"{order}/payments/none/transactions") == (404, "payment-not-found")

    @pytest.mark.parametrize(
        ("rows", "amounts", "codes"),
        [
            ([], [], ["cart-empty"]),
            (ROWS, [], ["payment-missing"]),
            (ROWS, [250], ["payment-amount-mismatch"]),
            (ROWS, [250, 0.1], []),
        ],
    )
    def test_validate(self, api: Api, rows: object, amounts: Sequence[float], codes: list[str]) -> None:
        order = "/" + api("POST", "", {"cart": {"items": rows}})["id"]
        for amount in amounts:
            api("POST", f"{order}/payments", {"amount": amount})
        with localcontext(Context(prec=3)):
            answer = api.answer("POST", f"{order}/validate")
        assert answer.status == (400 if codes else 200)
        assert [problem["code"] for problem in json.loads(answer.body)] == codes

    def test_a_validation_without_an_address_is_not_asked(self, api: Api, order: str, payment: str) -> None:
        api("POST", f"{order}/validations", {"adapterId": "stock"})
        assert api("POST", f"{order}/validate") == []


class TestShippings:
    def test_they_are_part_of_the_total(self, api: Api, order: str) -> None:
        made = api("POST", f"{order}/shippings", SHIPPING)["id"]
        path = f"{order}/shippings/{made}"
        read = api("GET", path)
        assert read | SHIPPING | {"state": "intent", "orderId": order[1:]} == read | {"vatRate": 0.25}
        assert api("GET", f"{order}/shippings") == [read]
        assert api("GET", order)["total"]["includingVat"] == Decimal("300.1")
        assert api.refusal("POST", f"{order}/shippings", SHIPPING) == (409, "shipping-conflict")
        updated = api("PUT", path, SHIPPING | {"state": "removed"})
        assert updated == api("GET", path)
        assert api("GET", order)["total"]["includingVat"] == Decimal("250.1")

    def test_without_a_body(self, api: Api, order: str) -> None:
        path = f"{order}/shippings/" + api("POST", f"{order}/shippings")["id"]
        assert api("GET", path)["total"] == {"includingVat": 0, "excludingVat": 0}
        assert api("PUT", path) == api("GET", path)
        assert api.refusal("POST", f"{order}/shippings", {}) == (400, "bad-request")


def _cart(api: Api, order: str) -> object:
    return api("PUT", f"{order}/cart", {"items": ROWS[:1]})


CHANGES: Mapping[str, Callable[[Api, str], object]] = {
    "cart": _cart,
    "bundle": lambda api, order: api("PUT", f"{order}/cart", {"items": [{"reference": "bundle", "items": ROWS}]}),
    "state": lambda api, order: api("PUT", f"{order}/state", {"currentStatus": "accepted"}),
    "billing": lambda api, order: api("PUT", f"{order}/customer/billing", {"city": "Lund"}),
    "reference": lambda api, order: api("PUT", f"{order}/reference", "R"),
    "attributes": lambda api, order: api("PATCH", f"{order}/attributes", {"a": 1}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_last_modified_moves_with_the_first_of_two_equal_changes(api: Api, order: str, name: str) -> None:
    stamps = [api("GET", order)["lastModified"]]
    for _ in range(2):
        CHANGES[name](api, order)
        stamps.append(api("GET", order)["lastModified"])
    assert stamps[0] < stamps[1] == stamps[2]


class TestLenience:
    """Norce's own samples differ from the contract in two ways."""

    SAMPLE: Mapping[str, Any] = {"customer": {"billing": {"type": "Person"}}}

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "", {"customer": {"billing": {"city": "Lund"}}}),
            ("POST", "", {"customer": {"type": "Person"}}),
            ("POST", "/o_1/payments", {"state": "Intent", "type": "DEFAULT"}),
            ("PUT", "/o_1/state", {"currentStatus": "Completed"}),
        ],
    )
    def test_strict_is_the_contract(self, method: str, path: str, body: object) -> None:
        for strict, taken in ((False, True), (True, False)):
            api = Api(Sandbox(strict=strict))
            api.sandbox.add_order("o_1")
            assert (api.answer(method, path, body).status < 300) is taken
        assert api.refusal("GET", "?status=Checkout") == (400, "bad-request")

    def test_what_is_stored_is_what_is_published(self, api: Api) -> None:
        order = api("GET", "/" + api("POST", "", self.SAMPLE)["id"])
        assert order["customer"] == {"type": "person", "billing": {"type": "person"}}
        assert api("GET", "?status=Checkout")["data"] == [order]


class TestFormats:
    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("date", ["tomorrow", "2026-02-30T00:00:00Z", "2026-01-12", "2026-01-12T08:00:00Z\n", ""])
    def test_a_date_time_is_one(self, date: str, strict: bool) -> None:
        api = Api(Sandbox(strict=strict))
        body = {"cart": {"items": [{"logistics": {"shippingDate": date}}]}}
        assert api.refusal("POST", "", body) == (400, "bad-request")
        assert api.refusal("GET", "?date_from=" + date.replace("\n", "%0A")) == (400, "bad-request")

    def test_numbers_in_the_form_of_their_kind(self, api: Api) -> None:
        body = b'{"cart":{"items":[{"quantity":84019.0,"logistics":{"shippingDate":"2026-01-12t08:00:00z"}}]}}'
        answer = api.sandbox.handle("POST", ORDERS, HEADERS, body)
        assert answer.status == 201
        row = api("GET", "/" + json.loads(answer.body)["id"])["cart"]["items"][0]
        assert repr(row["quantity"]) == "84019"
        assert row["logistics"]["shippingDate"] == "2026-01-12T08:00:00Z"

    @pytest.mark.parametrize(
        ("quantity", "taken"),
        [
            ("-2147483648", True),
            ("-2147483649", False),
            ("2147483647", True),
            ("2147483648", False),
            ("1e999999999", False),
        ],
    )
    def test_an_integer_has_32_bits(self, api: Api, quantity: str, taken: bool) -> None:
        body = b'{"cart":{"items":[{"quantity":%s}]}}' % quantity.encode()
        assert api.sandbox.handle("POST", ORDERS, HEADERS, body).status == (201 if taken else 400)

    def test_a_number_is_a_double(self, api: Api, order: str) -> None:
        for body in (b'{"amount":1e400}', b'{"amount":1' + b"0" * 400 + b"}"):
            assert api.sandbox.handle("POST", f"{ORDERS}{order}/payments", HEADERS, body).status == 400
