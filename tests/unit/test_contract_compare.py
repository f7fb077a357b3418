"""Another version of the contract: what changed, and where in the package it would be changed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from contract import openapi
from contract.__main__ import main
from contract.compare import differences

CHECKOUT = Path(__file__).parents[2]
GONE = object()
STATES: list[str] = openapi.ours()["schemas"]["PaymentState"]["enum"]
FILTERS = list(openapi.ours()["parameters"])
TIME = {"type": "string", "format": "date-time"}


def changed(place: str, value: Any) -> list[tuple[str, str]]:
    """What is told of a contract that has another value in one place."""
    theirs = copy.deepcopy(openapi.ours())
    named: dict[str, Any] = {row["operationId"]: row for row in theirs["operations"]}
    *steps, last = place.split("/")
    target: dict[str, Any] = theirs | named | theirs["schemas"] if steps else theirs["schemas"]
    for step in steps:
        target = target[step]
    if value is GONE:
        del target[last]
    else:
        target[last] = value
    return [(found.what, found.where) for found in differences(openapi.ours(), theirs)]


@pytest.mark.parametrize(
    ("place", "value", "what", "where"),
    [
        ("Validate/method", "GET", "Validate: method is GET, was POST", "row Validate"),
        ("Validate/path", "/x", "Validate: path is /x, was /api", "row Validate"),
        ("Validate/success", [204], "Validate: success is [204], was [200]", "row Validate"),
        ("Validate/errors", [400], "Validate: its errors are [400], were [400, 401, 404, 500]", "validate()"),
        ("GetCheckoutOrder/response", None, "its result is nothing, was Order", "get_order()"),
        (
            "AddPaymentAction/request",
            {"$ref": "#/schemas/PaymentAction"},
            "its body is PaymentAction, was a list of PaymentAction",
            "add_payment_actions()",
        ),
        ("CreateOrderPayment/requestRequired", True, "its body is required", "create_payment()"),
        ("GetCheckoutOrders/query", FILTERS[1:], "GetCheckoutOrders: query parameter offset is gone", "filters.py"),
        ("GetCheckoutOrders/query", [*FILTERS, "q"], "GetCheckoutOrders: query parameter q is new", "filters.py"),
        ("parameters/offset", {"type": "string"}, "offset is string, was integer format int32", "filters.py"),
        ("Addon", GONE, "the schema Addon is gone", "class Addon"),
        ("Gift", {"type": "object"}, "the schema Gift is new", "(a class)"),
        ("PaymentState/enum", [*STATES, "refunded"], "PaymentState: the value refunded is new", "class PaymentState"),
        ("PaymentState/enum", STATES[1:], "PaymentState: the value intent is gone", "class PaymentState"),
        ("Price/properties/includingVat", GONE, "Price.includingVat is gone", "class Price"),
        ("Consent/properties/since", TIME, "Consent.since is new: string format date-time", "class Consent"),
        (
            "Cart/properties/items",
            {"type": "array", "items": {"type": "string"}},
            "Cart.items is a list of string, was a list of Item",
            "class Cart",
        ),
        ("Consent/properties/id/readOnly", True, "Consent.id is read-only", "schemas.py, READ_ONLY"),
        ("Payment/properties/id/readOnly", GONE, "Payment.id is not read-only any more", "schemas.py, READ_ONLY"),
        ("Consent/required", ["id"], "Consent.id is required", "schemas.py, REQUIRED"),
        ("Recurring/required", GONE, "Recurring.token is not required any more", "schemas.py, REQUIRED"),
    ],
)
def test_a_change_is_told_with_its_place(place: str, value: Any, what: str, where: str) -> None:
    ((told, place),) = changed(place, value)
    assert what in told
    assert where in place
    file = place.removeprefix("docs of ").partition(",")[0].partition(" ")[0]
    assert (CHECKOUT / file).is_file()


def test_operations_that_come_and_go() -> None:
    theirs = openapi.ours()
    theirs["operations"][0] = theirs["operations"][0] | {"operationId": "FindOrders"}
    gone, new = differences(openapi.ours(), theirs)
    assert gone.what == "GetCheckoutOrders is gone"
    assert "orders.py, list_orders()" in gone.where
    assert new.what == "FindOrders is new: GET /api/v0/checkout/orders"


def document() -> dict[str, Any]:
    """Our contract as an OpenAPI document, with some things written in another way."""

    def there(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("#/schemas/", "#/components/schemas/"))

    paths: dict[str, Any] = {}
    for row in openapi.ours()["operations"]:
        result = {"content": {"application/json": {"schema": there(row["response"])}}} if row["response"] else {}
        item: dict[str, Any] = {"operationId": row["operationId"], "responses": {"default": {}}}
        known = openapi.ours()["parameters"]
        item["parameters"] = [{"in": "query", "name": name, "schema": there(known[name])} for name in row["query"]]
        item["responses"] |= {str(status): result for status in row["success"]}
        item["responses"] |= {str(status): {"$ref": "#/components/responses/Error"} for status in row["errors"]}
        if row["request"]:
            content = {"application/json": {"schema": there(row["request"])}}
            item["requestBody"] = {"required": row["requestRequired"], "content": content}
        paths.setdefault(row["path"], {"parameters": [{"in": "path", "name": "x"}]})[row["method"].lower()] = item
    schemas = there(openapi.ours()["schemas"])
    del schemas["Attributes"]
    text = json.dumps({"paths": paths, "components": {"schemas": schemas, "responses": {"Error": {}}}})
    text = text.replace('{"$ref": "#/components/schemas/Attributes"}', '{"type": "object", "additionalProperties": {}}')
    text = text.replace('{"$ref": "#/components/schemas/Price"}', '{"allOf": [{"$ref": "#/components/schemas/Price"}]}')
    text = text.replace('"tmsReference": {"type": "string"}', '"tmsReference": {"type": ["string", "null"]}')
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_same_contract_written_in_another_way_has_no_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document()), encoding="utf-8")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == "no differences\n"


def test_differences_are_printed_and_make_the_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = document()
    other["components"]["schemas"]["OrderStatus"]["enum"].append("parked")
    file = tmp_path / "openapi.yaml"
    file.write_text(json.dumps(other), encoding="utf-8")  # JSON is YAML
    assert main([str(file)]) == 1
    assert "OrderStatus: the value parked is new\n    norce_order_async/" in capsys.readouterr().out


def test_the_package_s_contract_is_written_as_the_command_writes_it() -> None:
    assert openapi.CONTRACT.read_text(encoding="utf-8") == openapi.text(openapi.ours())


@pytest.mark.parametrize(
    ("mark", "source"),
    [
        ("documented (a; b (c)); v1 lists 403", "documented"),
        ("v1-types (path rewritten; the POST on this path is documented)", "v1_types"),
        ("inferred (same set); 401 and 404 also v1-types", "v1_types"),
        ("operationId documented (x); path v1-types", "documented"),
        ("inferred; v1 lists 400 and 403", "inferred"),
        ("nobody knows", None),
    ],
)
def test_of_several_sources_the_strongest_counts(mark: str, source: str | None) -> None:
    assert openapi.strongest(mark) == source
