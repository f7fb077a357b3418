"""The table of operations against the contract, the functions and the models."""

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from contract.openapi import EVIDENCE, ours
from endpoint_calls import CALLS

import norce_order_async
from norce_order_async import Receipt
from norce_order_async.operations import OPERATIONS, Operation, OperationEvidence, Repeat
from norce_order_async.wire import models
from norce_order_async.wire.schemas import READ_ONLY, REQUIRED
from norce_order_async.wire.table import ROWS

CONTRACT = {row["operationId"]: row for row in ours()["operations"]}
SCHEMAS: dict[str, dict[str, Any]] = ours()["schemas"]
every_operation = pytest.mark.parametrize("name", list(CONTRACT))


def schema_of(text: str | None) -> Any:
    """The contract's schema that a row of the table names."""
    if text is None:
        return None
    if " | " in text:
        return {"anyOf": [schema_of(each) for each in text.split(" | ")]}
    if text.startswith("list["):
        return {"type": "array", "items": schema_of(text[5:-1])}
    return {"type": "string"} if text == "str" else {"$ref": f"#/schemas/{text}"}


def function_of(name: str) -> Any:
    module, _, function = ROWS[name].function.partition(".")
    return getattr(import_module(f"norce_order_async.endpoints.{module}"), function)


def test_there_are_exactly_the_operations_of_the_contract() -> None:
    assert list(OPERATIONS) == list(CONTRACT)
    assert len(OPERATIONS) == 34
    assert "GetEverything" not in OPERATIONS
    with pytest.raises(KeyError):
        OPERATIONS["GetEverything"]


@every_operation
def test_a_row_is_as_the_contract_has_it(name: str) -> None:
    row, contract = ROWS[name], CONTRACT[name]
    assert (row.name, row.method, row.path) == (name, contract["method"], contract["path"])
    assert row.query == tuple(contract["query"])
    assert schema_of(row.body) == contract["request"]
    assert schema_of(row.result) == contract["response"]
    assert row.success == tuple(contract["success"])
    weakest = min(contract["evidence"].values(), key=EVIDENCE.index)
    assert row.evidence == weakest


@every_operation
def test_an_operation_is_made_of_its_row(name: str) -> None:
    operation, row = OPERATIONS[name], ROWS[name]
    assert isinstance(operation, Operation)
    assert OPERATIONS[name] is operation
    assert (operation.name, operation.method, operation.path) == (name, row.method, row.path)
    assert operation.repeat is Repeat(row.repeat)
    assert operation.evidence is row.evidence
    assert operation.changes is row.changes
    assert operation.changes is (row.method != "GET" and name != "Validate")


def test_evidence_is_readable() -> None:
    assert OPERATIONS["PatchCheckoutOrderConsent"].evidence is OperationEvidence.DOCUMENTED
    assert OPERATIONS["UpdateOrderPayment"].evidence == "v1_types"
    assert OPERATIONS["ExecutePaymentAction"].evidence == "inferred"
    assert Operation("Mine", "GET", "/x", Repeat.SAFE, lambda _: None).evidence is None


@every_operation
def test_a_function_stands_for_each_operation(name: str) -> None:
    function, row = function_of(name), ROWS[name]
    public = row.function.rpartition(".")[2]
    assert getattr(norce_order_async, public) is function
    parameters = list(inspect.signature(function).parameters)
    assert parameters[: 1 + len(row.ids)] == ["client", *row.ids]
    result = {None: Receipt, "list[ValidationError]": Receipt, "CreateResponse | str": str, "CreateResponse": str}
    expected: Any = result.get(row.result)
    if expected is None:
        kind: Any = getattr(models, str(row.result).removeprefix("list[").removesuffix("]"))
        expected = list.__class_getitem__(kind) if str(row.result).startswith("list[") else kind
    if name == "UpdateOrderPayment":
        expected = expected | None
    assert get_type_hints(function)["return"] == expected


@every_operation
def test_a_docstring_says_whether_it_is_tried_again_and_where_it_is_from(name: str) -> None:
    told = " ".join((function_of(name).__doc__ or "").split())
    said = {"safe": "It is tried again: ", "if_unsent": "It is only tried again while nothing was sent, or when it was"}
    assert said.get(ROWS[name].repeat, "It is never tried again, because ") in told
    assert ROWS[name].twice in told
    assert f"Source: {name}," in told
    assert "Raises: " in told


def test_every_operation_has_a_call_in_the_tests() -> None:
    assert [given.name for given in CALLS] == list(ROWS)


def test_the_type_checkers_see_a_call_of_every_function() -> None:
    typed = Path(__file__).parents[1] / "typing" / "endpoints.py"
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(typed.read_text())) if isinstance(node, ast.Call)}
    assert {row.function.partition(".")[2] for row in ROWS.values()} <= calls


def test_what_may_not_be_written_and_what_is_required_is_the_contracts() -> None:
    members = {
        name: {member for member, value in schema.get("properties", {}).items() if value.get("readOnly")}
        for name, schema in SCHEMAS.items()
    }
    assert {name: set(found) for name, found in members.items() if found} == READ_ONLY
    required = {
        name: tuple(each for each in schema["required"] if each not in members[name])
        for name, schema in SCHEMAS.items()
        if "required" in schema
    }
    assert required.pop("Customer") == ("type",)  # Norce's own samples come without it
    assert {name: found for name, found in required.items() if found} == REQUIRED
