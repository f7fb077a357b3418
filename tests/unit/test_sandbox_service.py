"""The sandbox's service, called directly: what each request does and what it is answered."""

import ast
import asyncio
import json
import random
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from command import run_code
from sandbox_requests import HEADERS, ORDERS, stored

from norce_order_async import ConfigurationError, InvalidRequestError, get_order, testing
from norce_order_async.models import Cart
from norce_order_async.receiving import Receiver, allow, web_app
from norce_order_async.testing import (
    SANDBOX_TOKEN,
    Callbacks,
    Fault,
    FaultKind,
    Sandbox,
    SandboxResponse,
    SandboxServer,
    SandboxTransport,
)
from norce_order_async.testing.contract import load_contract
from norce_order_async.testing.sandbox.mishaps import Faults


def ask(
    sandbox: Sandbox, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> SandboxResponse:
    """One request; ``body`` is bytes as they are, or else JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return sandbox.handle(method, path, HEADERS if headers is None else headers, content)


def refusal(answer: SandboxResponse) -> tuple[int, str, str]:
    body = json.loads(answer.body)
    assert body.keys() == {"code", "message"}
    assert answer.headers["content-type"] == "application/json"
    return answer.status, body["code"], body["message"]


def consents(sandbox: Sandbox) -> Any:
    return stored(sandbox)["consents"]


@pytest.fixture
def ticks() -> Iterator[float]:
    return (1_768_204_889.0 + second for second in range(1_000_000))


@pytest.fixture
def sandbox(ticks: Iterator[float]) -> Sandbox:
    """With one order; each look at its clock is a second later."""
    sandbox = Sandbox(wall=lambda: next(ticks))
    sandbox.add_order("o_1", consents=["ci_news", {"id": "ci_terms", "checked": True, "required": True}])
    return sandbox


class TestOrders:
    def test_a_new_order_is_read_back(self, sandbox: Sandbox) -> None:
        given = {"currency": "SEK", "cart": {"total": {"includingVat": 125.5}}, "consents": [{"id": "ci_a"}]}
        created = ask(sandbox, "POST", ORDERS, given)
        order_id = json.loads(created.body)["id"]
        answer = ask(sandbox, "GET", f"{ORDERS}/{order_id}")

        assert (created.status, created.operation) == (201, "CreateCheckoutOrder")
        assert re.fullmatch("o_[A-Za-z]{26}", order_id)
        assert answer.status == 200
        order = json.loads(answer.body)
        assert order | given == order
        assert (order["id"], order["merchant"], order["channel"]) == (order_id, "norce", "1")
        assert order["state"]["currentStatus"] == "checkout"
        assert order["created"] == order["lastModified"] == "2026-01-12T08:01:31.000Z"

    def test_an_order_needs_no_body(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, "POST", ORDERS).status == 201

    def test_what_only_the_api_writes_is_ignored_whatever_it_is(self, sandbox: Sandbox) -> None:
        given: dict[str, object] = {
            "id": "mine",
            "merchant": 7,
            "channel": "",
            "created": None,
            "payments": "x",
            "state": {},
        }
        created = ask(sandbox, "POST", ORDERS, given)
        order = stored(sandbox, json.loads(created.body)["id"])
        assert (order["merchant"], order["channel"], order["payments"]) == ("norce", "1", [])
        assert order["state"]["currentStatus"] == "checkout"
        assert sandbox.order("mine") is None

    def test_the_same_seed_makes_the_same_ids(self) -> None:
        made = [[ask(Sandbox(seed=seed), "POST", ORDERS).body for _ in range(3)] for seed in (1, 1, 2)]
        assert made[0] == made[1] != made[2]

    @pytest.mark.parametrize("where", [{"x-merchant": "other"}, {"x-channel": "2"}])
    def test_an_order_is_one_merchants_and_channels(self, sandbox: Sandbox, where: dict[str, str]) -> None:
        answer = ask(sandbox, "GET", f"{ORDERS}/o_1", headers=HEADERS | where)
        assert refusal(answer) == (404, "order-not-found", "Order with id:o_1 not found.")

    def test_ids_are_decoded(self, sandbox: Sandbox) -> None:
        sandbox.add_order("ö 1/2", consents=["å"])
        path = f"/checkout/order{ORDERS}/%C3%B6%201%2F2/consents/%C3%A5"
        assert ask(sandbox, "PATCH", path, {"checked": True}).status == 200
        assert stored(sandbox, "ö 1/2")["consents"] == [{"id": "å", "checked": True}]

    def test_what_a_test_gets_and_gives_is_a_copy(self, sandbox: Sandbox) -> None:
        given = {"nested": [1]}
        sandbox.add_order("o_2", attributes=given)
        given["nested"].append(2)
        stored(sandbox, "o_2")["attributes"]["nested"].append(3)
        assert stored(sandbox, "o_2")["attributes"] == {"nested": [1]}

    def test_a_model_has_to_be_made_json(self, sandbox: Sandbox) -> None:
        model: Any = Cart(reference="c")
        with pytest.raises(InvalidRequestError, match=r"^cart: Cart is not a JSON value \(to_dict makes JSON of it\)$"):
            sandbox.add_order("o_1", cart=model)
        with pytest.raises(InvalidRequestError, match=r"^created: object is not a JSON value$"):
            sandbox.add_order("o_1", created=object())  # type: ignore[arg-type]

    def test_a_test_may_set_any_member(self, sandbox: Sandbox) -> None:
        sandbox.add_order("o_2", state={"currentStatus": "completed"}, total={"includingVat": 1.5})
        order = stored(sandbox, "o_2")
        assert (order["state"], order["total"]) == ({"currentStatus": "completed"}, {"includingVat": Decimal("1.5")})


class TestConsents:
    def test_create(self, sandbox: Sandbox) -> None:
        answer = ask(sandbox, "POST", f"{ORDERS}/o_1/consents", {"id": "ci_sms", "text": "SMS?"})
        assert (answer.status, answer.body) == (200, b"")
        assert consents(sandbox)[-1] == {"id": "ci_sms", "text": "SMS?"}

    def test_create_refused(self, sandbox: Sandbox) -> None:
        before = consents(sandbox)
        assert refusal(ask(sandbox, "POST", f"{ORDERS}/o_1/consents", {"id": "ci_news"}))[0] == 409
        assert consents(sandbox) == before

    @pytest.mark.parametrize("body", [{"text": "SMS?"}, {"text": "SMS?", "id": ""}])
    def test_an_id_is_made_where_there_is_none(self, sandbox: Sandbox, body: object) -> None:
        assert ask(sandbox, "POST", f"{ORDERS}/o_1/consents", body).status == 200
        made = consents(sandbox)[-1]
        assert re.fullmatch("ci_[A-Za-z]{26}", made.pop("id"))
        assert made == {"text": "SMS?"}

    def test_patch_sets_checked_and_nothing_else(self, sandbox: Sandbox) -> None:
        body = {"id": "other", "checked": False, "text": "new", "required": False}
        answer = ask(sandbox, "PATCH", f"{ORDERS}/o_1/consents/ci_terms", body)
        assert (answer.status, answer.body) == (200, b"")
        assert consents(sandbox)[1] == {"id": "ci_terms", "checked": False, "required": True}

    @pytest.mark.parametrize(
        ("consent", "body", "status", "part"),
        [
            ("ci_none", {"checked": True}, 404, "Consent with id:ci_none not found."),
            ("ci_news", {}, 400, "$.checked"),
            ("ci_news", {"checked": None}, 400, "$.checked: None is not of type 'boolean'"),
            ("ci_news", {"checked": "yes"}, 400, "$.checked"),
            ("ci_news", [], 400, "$: "),
        ],
    )
    def test_patch_refused(self, sandbox: Sandbox, consent: str, body: object, status: int, part: str) -> None:
        before = consents(sandbox)
        answered = refusal(ask(sandbox, "PATCH", f"{ORDERS}/o_1/consents/{consent}", body))
        assert answered[0] == status
        assert part in answered[2]
        assert consents(sandbox) == before

    def test_remove_and_remove_again(self, sandbox: Sandbox) -> None:
        path = f"{ORDERS}/o_1/consents/ci_terms"
        first, second = ask(sandbox, "DELETE", path), ask(sandbox, "DELETE", path)
        assert (first.status, first.body) == (200, b"")
        assert refusal(second)[:2] == (404, "consent-not-found")
        assert [consent["id"] for consent in consents(sandbox)] == ["ci_news"]


class TestAttributes:
    @pytest.mark.parametrize(
        ("patch", "after"),
        [
            ({}, {"a": 1, "b": {"c": 1}}),
            ({"a": None}, {"a": None, "b": {"c": 1}}),
            ({"b": {"d": 2}, "e": []}, {"a": 1, "b": {"d": 2}, "e": []}),
            ({"a": True}, {"a": True, "b": {"c": 1}}),
        ],
    )
    def test_patch(self, sandbox: Sandbox, patch: object, after: object) -> None:
        sandbox.add_order("o_1", attributes={"a": 1, "b": {"c": 1}})
        answer = ask(sandbox, "PATCH", f"{ORDERS}/o_1/attributes", patch)
        assert (answer.status, answer.body) == (200, b"")
        assert repr(stored(sandbox)["attributes"]) == repr(after)

    def test_numbers_keep_their_digits(self, sandbox: Sandbox) -> None:
        ask(sandbox, "PATCH", f"{ORDERS}/o_1/attributes", b'{"n":0.10000000000000000001}')
        assert b"0.10000000000000000001" in ask(sandbox, "GET", f"{ORDERS}/o_1").body


@pytest.mark.parametrize(
    ("method", "path", "body", "changes"),
    [
        ("PATCH", "/consents/ci_news", {"checked": True}, True),
        ("PATCH", "/consents/ci_news", {"checked": False}, False),
        ("PATCH", "/consents/ci_none", {"checked": True}, False),
        ("DELETE", "/consents/ci_news", None, True),
        ("POST", "/consents", {"id": "ci_sms"}, True),
        ("POST", "/consents", {"id": "ci_news"}, False),
        ("POST", "/payments", {}, True),
        ("POST", "/validations", {}, True),
        ("PATCH", "/attributes", {"a": 1}, True),
        ("PATCH", "/attributes", {}, False),
        ("GET", "", None, False),
    ],
)
def test_last_modified_moves_with_changes_only(
    sandbox: Sandbox, method: str, path: str, body: object, changes: bool
) -> None:
    before = stored(sandbox)
    ask(sandbox, method, f"{ORDERS}/o_1{path}", body)
    after = stored(sandbox)
    assert before["created"] == after["created"]
    assert (before["lastModified"] < after["lastModified"]) is changes


class TestChecks:
    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"Authorization": None}, 401, "unauthorized"),
            ({"Authorization": "Bearer other"}, 401, "unauthorized"),
            ({"Authorization": SANDBOX_TOKEN}, 401, "unauthorized"),
            ({"Authorization": f"Basic {SANDBOX_TOKEN}"}, 401, "unauthorized"),
            ({"x-merchant": None}, 400, "bad-request"),
            ({"x-merchant": ""}, 400, "bad-request"),
            ({"x-merchant": " "}, 400, "bad-request"),
            ({"x-merchant": "\udcff"}, 400, "bad-request"),
            ({"x-channel": None}, 400, "bad-request"),
            ({"Content-Type": None}, 400, "bad-request"),
            ({"Content-Type": "application/merge-patch+json"}, 400, "bad-request"),
        ],
    )
    def test_headers(self, sandbox: Sandbox, change: dict[str, str | None], status: int, code: str) -> None:
        headers = {name: value for name, value in (HEADERS | change).items() if value is not None}
        answer = ask(sandbox, "PATCH", f"{ORDERS}/o_1/consents/ci_news", {"checked": True}, headers)
        assert refusal(answer)[:2] == (status, code)
        assert not sandbox.requests[-1].applied

    def test_header_names_and_the_scheme_are_read_in_any_case(self, sandbox: Sandbox) -> None:
        headers = {name.upper(): value for name, value in HEADERS.items()} | {
            "AUTHORIZATION": f"bearer {SANDBOX_TOKEN}",
            "CONTENT-TYPE": "Application/JSON; charset=utf-8",
        }
        assert ask(sandbox, "PATCH", f"{ORDERS}/o_1/attributes", {"a": 1}, headers).status == 200

    def test_its_own_tokens(self) -> None:
        for sandbox in (Sandbox(tokens=("one", "two")), Sandbox(tokens="two")):
            for token, status in (("two", 404), (SANDBOX_TOKEN, 401)):
                headers = HEADERS | {"Authorization": f"Bearer {token}"}
                assert ask(sandbox, "GET", f"{ORDERS}/o_1", headers=headers).status == status

    @pytest.mark.parametrize("tokens", [(), ("",), ("Bearer x",)])
    def test_tokens_that_cannot_be(self, tokens: tuple[str, ...]) -> None:
        with pytest.raises(ConfigurationError):
            Sandbox(tokens=tokens)

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/", 404, "unknown-path"),
            ("GET", "/api/v1/checkout/orders/o_1", 404, "unknown-path"),
            ("GET", f"{ORDERS}/o_1/", 404, "unknown-path"),
            ("GET", f"/nowhere?x={ORDERS}/o_1", 404, "unknown-path"),
            ("PUT", f"{ORDERS}/o_1", 405, "method-not-allowed"),
            ("get", f"{ORDERS}/o_1", 405, "method-not-allowed"),
        ],
    )
    def test_what_the_sandbox_lacks(self, sandbox: Sandbox, method: str, path: str, status: int, code: str) -> None:
        assert refusal(ask(sandbox, method, path))[:2] == (status, code)

    def test_a_405_names_the_methods_there_are(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, "PUT", f"{ORDERS}/o_1").headers["allow"] == "GET, DELETE"

    def test_all_34_operations_are_known(self, sandbox: Sandbox) -> None:
        contract = load_contract()
        assert len(contract.names) == 34
        reached: set[str | None] = set()
        for resource in contract.resources:
            path = re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "x", resource.pattern.pattern)
            for method in resource.operations:
                answer = ask(sandbox, method, path, b"{}")
                reached.add(answer.operation)
                assert answer.status in (200, 201, 400, 404)
        assert reached == contract.names

    @pytest.mark.parametrize(
        ("body", "part"),
        [
            (b"", "missing"),
            (b"{", "$: "),
            (b'{"a":NaN}', "NaN"),
            (b"\xff", "utf-8"),
            (b'{"a":"\\ud800"}', "surrogate"),
            (b"[" * 100_000, "nested"),
            (b'{"a":' * 61 + b"1" + b"}" * 61, "nested deeper than 60 levels"),
            (b'{"a":' + b"9" * 5000 + b"}", "$: a number with too many digits"),
            (b'"text"', "$: 'text' is not of type 'object'"),
        ],
    )
    def test_bodies(self, sandbox: Sandbox, body: bytes, part: str) -> None:
        status, code, message = refusal(ask(sandbox, "PATCH", f"{ORDERS}/o_1/attributes", body))
        assert (status, code) == (400, "bad-request")
        assert part in message
        assert len(message) < 300

    def test_what_is_taken_can_be_read(self, sandbox: Sandbox) -> None:
        deep = b'{"a":' * 60 + b"1" + b"}" * 60
        assert ask(sandbox, "PATCH", f"{ORDERS}/o_1/attributes", deep).status == 200
        assert ask(sandbox, "POST", f"{ORDERS}/o_1/payments", b'{"attributes":' + deep[5:]).status == 201
        for path in (f"{ORDERS}/o_1", ORDERS):
            assert deep in ask(sandbox, "GET", path).body

    def test_a_body_of_a_mebibyte_is_taken_one_of_three_is_not(self, sandbox: Sandbox) -> None:
        path = f"{ORDERS}/o_1/attributes"
        assert ask(sandbox, "PATCH", path, {"a": "x" * 2**20}).status == 200
        assert refusal(ask(sandbox, "PATCH", path, {"a": "x" * 3 * 2**20}))[:2] == (413, "too-large")

    @pytest.mark.parametrize(
        ("order", "path"),
        [
            ({"currency": "kronor"}, "$.currency"),
            ({"cart": {"items": [{"quantity": 1}, {"quantity": "2"}]}}, "$.cart.items[1].quantity"),
            ({"customer": {"type": "robot"}}, "$.customer.type"),
            ({"cart": {"items": [{"quantity": 1.5}]}}, "$.cart.items[0].quantity"),
            ({"cart": {"items": [{"quantity": 2**31}]}}, "$.cart.items[0].quantity"),
            ({"country": "SE\n"}, "$.country"),
            ({"consents": None}, "$.consents"),
        ],
    )
    def test_a_breach_of_the_contract_is_named_by_its_path(
        self, sandbox: Sandbox, order: dict[str, object], path: str
    ) -> None:
        status, _, message = refusal(ask(sandbox, "POST", ORDERS, order))
        assert status == 400
        assert message.startswith(f"{path}: ")

    @pytest.mark.parametrize("path", ["/", f"{ORDERS}/o_1", f"{ORDERS}/o_2"])
    def test_every_answer_has_a_date_and_echoes_the_request_id(self, sandbox: Sandbox, path: str) -> None:
        answer = ask(sandbox, "GET", path, headers=HEADERS | {"X-Request-Id": "r-1"})
        assert answer.headers["x-request-id"] == "r-1"
        assert re.fullmatch(r"Mon, 12 Jan 2026 08:01:\d\d GMT", answer.headers["date"])


class TestRecords:
    def test_what_arrived(self, sandbox: Sandbox) -> None:
        ask(sandbox, "PATCH", f"/checkout/order{ORDERS}/o_1/consents/ci_news?a=b", {"checked": True})
        ask(sandbox, "DELETE", f"{ORDERS}/o_1/consents/ci_none")
        first, second = sandbox.requests
        assert (first.method, first.target) == ("PATCH", f"{ORDERS}/o_1/consents/ci_news?a=b")
        assert (first.operation, first.status, first.applied) == ("PatchCheckoutOrderConsent", 200, True)
        assert json.loads(first.body) == {"checked": True}
        assert first.headers["x-merchant"] == "norce"
        assert (second.operation, second.status, second.applied) == ("RemoveCheckoutOrderConsent", 404, False)
        assert SANDBOX_TOKEN not in repr(sandbox.requests)

    def test_only_the_latest_are_kept(self) -> None:
        sandbox = Sandbox(remember=10)
        for number in range(100):
            ask(sandbox, "GET", f"{ORDERS}/o_{number}")
        assert sandbox.count == 100
        assert [seen.target[-2:] for seen in sandbox.requests] == [str(number) for number in range(90, 100)]


class TestFaults:
    def patch(self, sandbox: Sandbox) -> SandboxResponse:
        return ask(sandbox, "PATCH", f"{ORDERS}/o_1/consents/ci_news", {"checked": True})

    def test_a_status_for_the_next_n(self, sandbox: Sandbox) -> None:
        sandbox.faults.add(Fault.status(503, times=2))
        assert [self.patch(sandbox).status for _ in range(3)] == [503, 503, 200]
        assert list(sandbox.faults) == []
        assert [seen.applied for seen in sandbox.requests] == [False, False, True]

    def test_a_status_has_the_apis_body_or_its_own(self, sandbox: Sandbox) -> None:
        sandbox.faults.add(
            Fault.status(429, retry_after=2, times=1), Fault.status(502, body=b"<html>", times=1), Fault.status(302)
        )
        throttled, gateway, redirect = (self.patch(sandbox) for _ in range(3))
        assert refusal(throttled)[:2] == (429, "sandbox-fault")
        assert throttled.headers["retry-after"] == "2"
        assert (gateway.status, gateway.body) == (502, b"<html>")
        assert gateway.headers["content-type"] == "text/plain"
        assert (redirect.status, redirect.body) == (302, b"")

    def test_a_share_is_drawn_and_the_same_each_time(self) -> None:
        runs: list[list[int]] = []
        for _ in range(2):
            sandbox = Sandbox(seed=5)
            sandbox.faults.add(Fault.status(500, share=0.25))
            runs.append([ask(sandbox, "GET", f"{ORDERS}/o_1").status for _ in range(1000)])
        assert runs[0] == runs[1]
        assert 200 < runs[0].count(500) < 300

    def test_one_operation_only(self, sandbox: Sandbox) -> None:
        sandbox.faults.add(Fault.status(500, operation="GetCheckoutOrder"))
        assert self.patch(sandbox).status == 200
        assert ask(sandbox, "GET", "/nowhere").status == 404
        assert ask(sandbox, "GET", f"{ORDERS}/o_1").status == 500

    @pytest.mark.parametrize("only", [{"order": "o_2"}, {"merchant": "other"}])
    def test_one_order_or_merchant_only(self, sandbox: Sandbox, only: Any) -> None:
        for merchant in ("norce", "other"):
            for order_id in ("o_1", "o_2"):
                sandbox.add_order(order_id, merchant=merchant)
        sandbox.faults.add(Fault.status(503, **only))
        struck = {
            (merchant, order_id)
            for merchant in ("norce", "other")
            for order_id in ("o_1", "o_2")
            if ask(sandbox, "GET", f"{ORDERS}/{order_id}", headers=HEADERS | {"x-merchant": merchant}).status == 503
        }
        assert len(struck) == 2
        assert all(only.get("order", order_id) == order_id for _, order_id in struck)
        assert all(only.get("merchant", merchant) == merchant for merchant, _ in struck)
        assert ask(sandbox, "GET", ORDERS).status == 200

    def test_one_is_switched_off_by_its_text(self, sandbox: Sandbox) -> None:
        sandbox.faults.add("status:503", "status:503:times=2")
        assert sandbox.faults.remove("status:503:times=2")
        assert not sandbox.faults.remove(Fault.status(503, times=2))
        assert [str(fault) for fault in sandbox.faults] == ["status:503"]

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("PatchConsent", "'PatchConsent' (did you mean PatchCheckoutOrderConsent,"),
            ("DeleteCheckoutOrderConsent", "RemoveCheckoutOrderConsent"),
            ("delete_consent", "'delete_consent' (did you mean RemoveCheckoutOrderConsent?)"),
        ],
    )
    def test_an_operation_that_there_is_not(self, sandbox: Sandbox, given: str, told: str) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(told)):
            sandbox.faults.add("status:503", Fault.truncate(operation=given))
        assert list(sandbox.faults) == []

    def test_the_first_that_matches_strikes_and_latency_goes_with_it(self, sandbox: Sandbox) -> None:
        sandbox.faults.add(
            Fault.drop_after(times=1), Fault.latency(0.5), Fault.latency(9), Fault.slow(2, times=1), Fault.drop_before()
        )
        first, second, third = (self.patch(sandbox).mishap for _ in range(3))
        assert first.of(FaultKind.DROP_AFTER)
        assert (first.latency, first.delay) == (0.5, 0.5)
        assert second.of(FaultKind.SLOW)
        assert (second.latency, second.delay) == (0.5, 2.5)
        assert third.of(FaultKind.DROP_BEFORE)
        assert [seen.applied for seen in sandbox.requests] == [True, True, False]

    def test_all_off(self, sandbox: Sandbox) -> None:
        sandbox.faults.add("status:500", Fault.latency(1))
        sandbox.faults.clear()
        answer = self.patch(sandbox)
        assert (answer.status, answer.mishap.delay) == (200, 0)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("latency:0.2", Fault.latency(0.2)),
            ("status:503:times=3", Fault.status(503, times=3)),
            ("status:429:retry-after=2:share=5%", Fault.status(429, retry_after=2, share=0.05)),
            (
                "status:503:retry-after=Wed, 21 Oct 2015 07:28:00 GMT:times=1",
                Fault.status(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT", times=1),
            ),
            ("drop-before:times=1", Fault.drop_before(times=1)),
            ("drop-after:share=0.01", Fault.drop_after(share=0.01)),
            ("apply-late:2:times=3", Fault.apply_late(2, times=3)),
            ("truncate", Fault.truncate()),
            ("slow:1.5:operation=GetCheckoutOrder", Fault.slow(1.5, operation="GetCheckoutOrder")),
            ("latency:inf", Fault.latency(float("inf"))),
            ("refuse:times=2", Fault.refuse(times=2)),
            ("status:503:order=o:17:merchant=acme", Fault.status(503, order="o:17", merchant="acme")),
        ],
    )
    def test_the_text_form(self, text: str, fault: Fault) -> None:
        assert Fault.parse(text) == fault
        assert Fault.parse(str(fault)) == fault

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("", "none of latency, status, drop-before"),
            ("crash", "none of latency"),
            ("latency", "seconds above 0"),
            ("apply-late", "seconds above 0"),
            ("latency:soon", "seconds is a number, got 'soon'"),
            ("latency:-1", "seconds above 0"),
            ("slow:nan", "seconds above 0"),
            ("latency:1e18", "a number of seconds above 0 and below 1e9, or infinity, got 1e"),
            ("status", "200 to 599"),
            ("status:99", "200 to 599"),
            ("status:5xx", "code is a number"),
            ("status:503:times=0", "times must be"),
            ("status:503:times=1.5", "times is a number"),
            ("status:503:share=0", "share is above 0"),
            ("status:503:share=200%", "share is above 0"),
            ("status:503:often=1", "takes no often$"),
            ("status:503:retry_after=2", "takes no retry_after, retry-after is meant$"),
            ("status:503:", "code is a number"),
            ("truncate:5", "takes no value"),
            ("truncate:retry-after=5", "takes no code, retry-after"),
            ("drop-after:seconds=5", "takes no seconds"),
            ("slow:1:code=500", "takes no code"),
            ("status:503:retry-after=", "empty"),
            ("status:503:body=x", "takes no body"),
            ("status:503:times=2:times=3", "times is there twice"),
            ("status:503:code=500", "code is there twice"),
            ("status:503:order=", "order must be text and not empty, got ''"),
        ],
    )
    def test_text_that_is_no_fault(self, text: str, part: str) -> None:
        with pytest.raises(ConfigurationError, match=part) as caught:
            Fault.parse(text)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("adapter.example", "adapter.example"),
        ("Adapter.example.", "Adapter.example."),
        ("a_b", "a_b"),
        ("bücher.example", "bücher.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_a_host_that_may_be_called_is_given_by_its_name_or_its_address(host: str, known: str) -> None:
    assert Callbacks(hosts=host).hosts == Callbacks(hosts=[host]).hosts == (known,)


@pytest.mark.parametrize(
    "host", ["adapter:8080", "http://a.example", "a.example/", "[::1]", "u@a.example", "", "*", None]
)
def test_what_is_no_host_may_not_be_called(host: Any) -> None:
    with pytest.raises(ConfigurationError, match="a name or an address, without scheme or port"):
        Callbacks(hosts=[host])


FAULT: Any = Fault
SANDBOX: Any = Sandbox
SERVER: Any = SandboxServer
CALLBACKS: Any = Callbacks
NO_RETRY_AFTER: list[Any] = [[], 1j, True, timedelta(seconds=1)]
NO_SECONDS: list[Any] = ["1", True, 10**400, []]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FAULT.status(503, body="text"), "body must be bytes, got str"),
        (lambda: FAULT.status(204, body=b"text"), "an answer with status 204 has no body"),
        (lambda: FAULT.status(304, body=b""), "an answer with status 304 has no body"),
        (lambda: FAULT(kind=FaultKind.STATUS, code=503, retry_after=5), "retry-after"),
        (lambda: FAULT.status("503"), "code must be a number, got '503'"),
        (lambda: FAULT.status(503.5), "status takes an HTTP status of 200 to 599, got 503.5"),
        (lambda: FAULT.status(503, order=17), "order must be text and not empty, got 17"),
        *(
            (partial(FAULT.status, 503, retry_after=bad), "retry-after must be whole seconds or text")
            for bad in NO_RETRY_AFTER
        ),
        *((partial(FAULT.latency, bad), "seconds must be a number of seconds") for bad in NO_SECONDS),
        (lambda: FAULT(kind="latency", seconds=1), "kind must be a FaultKind, got 'latency'"),
        (lambda: FAULT(kind=FaultKind.TRUNCATE, seconds=[]), "truncate takes no seconds"),
        (lambda: FAULT.drop_after(share="5%"), "share must be a number"),
        (lambda: SANDBOX().faults.add(None), "a fault must be a Fault or a str, got NoneType"),
        (lambda: SANDBOX().faults.remove(503), "a fault must be a Fault or a str, got int"),
        (lambda: SANDBOX().faults.remove("status:5xx"), "code is a number"),
        (lambda: SANDBOX().add_order(123), "order_id must be text and not empty, got 123"),
        (lambda: SANDBOX().add_order(""), "order_id must be text and not empty, got ''"),
        (lambda: SANDBOX().add_order("o_1", consents=True), "consents must be a sequence, got bool"),
        (lambda: SANDBOX(tokens=None), "tokens must be a sequence, got NoneType"),
        (lambda: SANDBOX(ignored_filters=7), "ignored_filters must be a sequence, got int"),
        (lambda: CALLBACKS(hosts=None), "hosts must be a sequence, got NoneType"),
        (lambda: SERVER(SANDBOX(), host=""), "host must be text and not empty, got ''"),
        (lambda: SERVER(SANDBOX(), host=None), "host must be text and not empty, got None"),
        (lambda: SANDBOX(callbacks={}), "callbacks must be Callbacks, got dict"),
        (lambda: SANDBOX(remember=-1), "remember must be a whole number of requests, or 0, got -1"),
        (lambda: SANDBOX(remember="9"), "remember must be a whole number of requests, or 0, got '9'"),
        (lambda: CALLBACKS(adapters=None), "adapters must be a mapping of URLs to adapters, got NoneType"),
        (lambda: CALLBACKS(adapters=print), "adapters must be a mapping of URLs to adapters, got"),
        (lambda: CALLBACKS(adapters={"https://a.example": 3}), "the adapter of https://a.example must be a function"),
        (lambda: CALLBACKS(adapters={"a.example": print}), "an adapter's URL begins with https://, unlike 'a.example'"),
        (lambda: CALLBACKS(adapters={"a.x?secret=s": print}), "begins with https://, unlike 'a.x?secret=***'"),
        (lambda: CALLBACKS(adapters={"https://u:p@a.x?secret=s": 1}), "the adapter of https://***@a.x?secret=*** must"),
    ],
)
def test_what_a_sandbox_cannot_use_is_refused_when_it_is_given(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        make()


async def _asgi(scope: object, receive: object, send: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("adapter", [lambda: allow(), _asgi, web_app(Receiver())])
def test_an_adapter_that_takes_no_call_is_refused_when_it_is_given(adapter: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^the adapter of https://a\.example, where it is no Receiver, must"):
        Callbacks(adapters={"https://a.example": adapter})
    assert Callbacks(adapters={"https://a.example": Receiver()}).adapters


@pytest.mark.parametrize("order", [iter, reversed])
def test_requests_may_be_looked_at_while_more_come(sandbox: Sandbox, order: Callable[[Any], Iterator[Any]]) -> None:
    for _ in range(3):
        ask(sandbox, "GET", f"{ORDERS}/o_1")
    seen = [ask(sandbox, "GET", f"{ORDERS}/o_1").status for _ in order(sandbox.requests)]
    assert (seen, len(sandbox.requests)) == ([200] * 3, 6)


@pytest.mark.parametrize(
    ("switch_off", "which"), [(Faults.clear, []), (Faults.remove, ["status:503:times=1:share=0.5"])]
)
def test_faults_may_be_switched_off_while_a_request_is_struck(
    switch_off: Callable[..., object], which: list[str]
) -> None:
    class Meanwhile(random.Random):
        def random(self) -> float:
            other.start()
            other.join(0.05)
            return 0.0

    faults = Faults((), Meanwhile())
    other = threading.Thread(target=switch_off, args=[faults, *which])
    faults.add("status:503:times=1:share=0.5")
    assert faults.draw(None, None, None).fault is not None
    other.join()
    assert list(faults) == []


def test_one_may_be_given_alone_in_place_of_several() -> None:
    sandbox = Sandbox(tokens=SANDBOX_TOKEN, ignored_filters="status")
    sandbox.add_order("o_1", consents={"id": "ci_terms", "checked": True})
    assert consents(sandbox) == [{"id": "ci_terms", "checked": True}]
    sandbox.add_order("o_1", consents="ci_terms")
    assert consents(sandbox) == [{"id": "ci_terms", "checked": False}]
    transport = SandboxTransport(sandbox, hosts="Orders.example")
    client = sandbox.client(transport=transport, base_url="https://orders.example")
    assert asyncio.run(get_order(client, "o_1")).id == "o_1"


@pytest.mark.parametrize(
    ("method", "path", "members", "violation"),
    [
        ("PUT", "/o_1/cart", {"shippings": [{"id": "s_1"}]}, "$.shippings[0]: 'total' is a required property"),
        ("POST", "/o_1/validate", {"total": 5}, "$.total: 5 is not of type 'object'"),
        ("PUT", "/o_1/state", {"state": "completed"}, "$.state: 'completed' is not of type 'object'"),
        ("PUT", "/o_1/customer/billing", {"customer": "Bob"}, "$.customer: 'Bob' is not of type 'object'"),
        ("GET", "?order_by=created", {"created": 5}, "$.created: 5 is not of type 'string'"),
    ],
)
@pytest.mark.parametrize("hooks", [[], [{"id": "h_1", "subscribeTo": "/state", "invoke": "https://a.example"}]])
def test_an_order_that_breaks_the_contract_is_told(
    sandbox: Sandbox, method: str, path: str, members: Any, violation: str, hooks: Any
) -> None:
    sandbox.add_order("o_2", **members, hooks=hooks)
    sandbox.add_order("o_1", **members, hooks=hooks)
    body = {"currentStatus": "completed", "reference": "c", "type": "person"} if method == "PUT" else None
    status, code, message = refusal(ask(sandbox, method, f"{ORDERS}{path}", body))
    assert (status, code) == (500, "sandbox-failed")
    assert re.fullmatch(rf"Order with id:o_[12] breaks the contract: {re.escape(violation)}", message)
    assert (sandbox.count, sandbox.requests[-1].status, sandbox.requests[-1].applied) == (1, 500, False)


@pytest.mark.parametrize("base", ["", "/checkout/order", "/api", "/x/api/y", "/api/api"])
@pytest.mark.parametrize("order_id", ["o_1", "api"])
def test_a_base_url_may_have_any_path(base: str, order_id: str) -> None:
    sandbox = Sandbox()
    sandbox.add_order(order_id, consents=["c"])
    target = f"{ORDERS}/{order_id}/consents/c"
    assert ask(sandbox, "PATCH", f"{base}{target}", {"checked": True}).status == 200
    assert sandbox.requests[-1].target == target


@pytest.mark.parametrize("seed", [0, 1])
def test_a_new_order_takes_the_id_of_none_that_is_there(seed: int) -> None:
    def made(sandbox: Sandbox) -> list[str]:
        return [json.loads(ask(sandbox, "POST", ORDERS, {}).body)["id"] for _ in range(200)]

    sandbox = Sandbox(seed=seed)
    seeded = sandbox.seed_orders(50)
    first = made(sandbox)
    assert not set(first) & set(seeded)
    again = Sandbox(seed=seed)
    for order_id in first:
        again.add_order(order_id)
    assert not set(made(again)) & set(first)


def test_without_jsonschema_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    load_contract.cache_clear()
    with pytest.raises(ConfigurationError, match=r'pip install "norce-order-async\[sandbox\]"'):
        Sandbox()


def test_without_pytest_the_conformance_suite_says_what_to_install() -> None:
    code = "import sys; sys.modules['pytest'] = None; from norce_order_async.testing import TransportConformance"
    assert run_code(code).stderr.endswith(
        "ConfigurationError: the conformance suite needs pytest: pip install pytest\n"
    )


def test_without_pytest_what_looks_at_the_names_finds_all_others() -> None:
    code = (
        "import inspect, sys; sys.modules['pytest'] = None; from norce_order_async import testing;"
        "from norce_order_async.testing import *; print([name for name, _ in inspect.getmembers(testing)])"
    )
    listed = {name for name in dir(testing) if not name.endswith("Conformance")}
    assert set(ast.literal_eval(run_code(code).stdout)) == listed
