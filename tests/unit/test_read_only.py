"""What only the service writes, and the answer to a hook must leave as it is."""

from copy import deepcopy
from typing import Any

import attrs
import pytest
from contract.openapi import ours

from norce_order_async import InvalidRequestError
from norce_order_async.models import Order, to_dict
from norce_order_async.receiving import change, parse_hook
from norce_order_async.testing.sandbox.patching import PatchError, apply
from norce_order_async.wire.json import encode_json
from norce_order_async.wire.read_only import INSIDE
from norce_order_async.wire.schemas import READ_ONLY

Wire = dict[str, Any]
SCHEMAS: dict[str, Wire] = ours()["schemas"]
ORDER: Wire = {
    "id": "o_1",
    "created": "2026-01-01T00:00:00Z",
    "state": {
        "currentStatus": "checkout",
        "transitions": [{"status": "checkout", "timeStamp": "2026-01-01T00:00:00Z"}],
    },
    "payments": [
        {"id": "p_1", "amount": 1, "actions": [{"id": "a_1", "type": "t"}]},
        {"id": "p_2", "amount": 2},
    ],
    "shippings": [{"id": "s_1"}],
    "hooks": [{"id": "h_1"}],
    "validations": [{"id": "oc_1"}],
    "notifications": [{"id": "n_1"}],
    "consents": [{"id": "c_1"}],
}
P_1, P_2 = ORDER["payments"]
WRITTEN: list[tuple[str, Any, str]] = [
    ("/id", "o_2", "id"),
    ("/created", "2026-01-01T00:00:01Z", "created"),
    ("/state/transitions", [], "state.transitions"),
    ("/state/transitions/0/status", "completed", "state.transitions"),
    ("/payments/0/id", "p_3", "payments.id"),
    ("/payments/0/id", "p_2", "payments.actions.id"),
    ("/payments/1/id", None, "payments.id"),
    ("/payments/0/actions/0/id", "a_2", "payments.actions.id"),
    ("/payments", [P_1, P_2, {"id": "p_3"}], "payments.id"),
    ("/shippings/0/id", "s_2", "shippings.id"),
    ("/hooks/0/id", "h_2", "hooks.id"),
    ("/validations/0/id", "oc_2", "validations.id"),
]
LEFT: list[tuple[str, Any]] = [
    ("/state/currentStatus", "completed"),
    ("/payments/0/amount", 7),
    ("/payments", [P_2, P_1]),
    ("/payments", [P_2]),
    ("/payments", []),
    ("/payments", [{"amount": 3}, P_1, P_2]),
    ("/payments", [{"amount": 3}]),
    ("/payments", [{"amount": 3}, P_2]),
    ("/payments", [P_1, P_2, {"amount": 3}]),
    ("/notifications/0/id", "n_2"),
    ("/consents/0/id", "c_2"),
    ("/reference", "R"),
]


def patch(path: str, value: Any) -> list[Any]:
    return [{"op": "add" if path == "/reference" else "replace", "path": path, "value": value}]


def patched(path: str, value: Any) -> Wire:
    order = deepcopy(ORDER)
    apply(order, patch(path, value))
    return order


def read(order: Wire) -> Order:
    return parse_hook({}, encode_json(order)).order


def without_check(path: str, value: Any) -> Order:
    """The order with this value at this place."""
    order = deepcopy(ORDER)
    place: Any = order
    *parents, last = path.split("/")[1:]
    for name in parents:
        key: Any = int(name) if name.isdigit() else name
        place = place[key]
    place[last] = value
    return read(order)


@pytest.mark.parametrize(("path", "value", "member"), WRITTEN)
def test_what_only_the_service_writes_is_told(path: str, value: Any, member: str) -> None:
    with pytest.raises(PatchError, match=f"changes {member}, which only the API writes"):
        patched(path, value)
    with pytest.raises(InvalidRequestError, match=f"^{member} differs: only the service writes it"):
        change(read(ORDER), without_check(path, value))


@pytest.mark.parametrize(("path", "value"), LEFT)
def test_what_hooks_write_is_not(path: str, value: Any) -> None:
    assert change(read(ORDER), read(patched(path, value))).status == 200


def test_it_knows_every_place_of_the_contract() -> None:
    found: dict[str, dict[str, str]] = {}
    left = ["Order"]
    for name in left:
        for member, value in SCHEMAS[name].get("properties", {}).items():
            inner = str(value.get("items", value).get("$ref", "")).rpartition("/")[2]
            if inner not in (*left, "") and f"{name}.{member}" != "State.transitions":
                left.append(inner)
            if inner in READ_ONLY and f"{name}.{member}" != "State.transitions":
                found.setdefault(name, {})[member] = inner
    assert found == INSIDE


@pytest.mark.parametrize("value", [None, 1])
def test_a_null_at_the_top_is_a_member(value: Any) -> None:
    bare, full = read({"id": "o_1"}), read({"id": "o_1", "new": None})
    assert to_dict(full) == {"id": "o_1", "new": None}
    assert change(bare, full).body == b'[{"op":"add","path":"/new","value":null}]'
    assert change(full, bare).body == b'[{"op":"remove","path":"/new"}]'
    assert change(full, attrs.evolve(full, extra={"new": value})).body == (
        b"[]" if value is None else b'[{"op":"replace","path":"/new","value":1}]'
    )
