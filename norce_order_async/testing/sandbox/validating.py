"""Validating an order: the service's own rules, and the callbacks that adapters registered, asked in parallel."""

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import Any

from norce_order_async.testing.sandbox import outgoing
from norce_order_async.testing.sandbox.callbacks import Callbacks
from norce_order_async.testing.sandbox.exchange import AdapterReply, Ask, Refused, Steps
from norce_order_async.testing.sandbox.store import Part, Store, WireOrder
from norce_order_async.testing.sandbox.totals import EXACT
from norce_order_async.wire.json import JSON

_COUNT_FOR_NOTHING = frozenset({"removed", "failed", "declined"})
"""The states in which a payment pays nothing."""


def validate(store: Store, ask: Ask, callbacks: Callbacks) -> Steps:
    """Check an order by the service's own rules, and ask its callbacks.

    Raises:
        Refused: 400 with a list of all problems.
    """
    order = store.find(ask)
    found: list[JSON] = [{"code": problem, "adapterId": "order"} for problem in _own_problems(order)]
    asked = [one for one in order.get("validations", ()) if one.get("url")]
    calls = [outgoing.call("validation", one, one["url"], ask, order) for one in asked]
    if calls:
        replies = yield calls
        for one, reply in zip(asked, replies, strict=True):
            found += _problems(one, reply, passes=callbacks.on_validation_failure == "allow")
    if found:
        message = ", ".join(str(one.get("code")) for one in found if isinstance(one, Mapping))
        raise Refused(400, "order-validation", message, body=found)
    return []


def _own_problems(order: WireOrder) -> list[str]:
    problems: list[str] = []
    if not order.get("cart", {}).get("items"):
        problems.append("cart-empty")
    total = _amount(order.get("total", {}).get("includingVat"))
    amounts = [_amount(one.get("amount")) for one in order["payments"] if one.get("state") not in _COUNT_FOR_NOTHING]
    if total > 0 and reduce(EXACT.add, amounts, Decimal(0)) != total:
        problems.append("payment-amount-mismatch" if amounts else "payment-missing")
    return problems


def _problems(validation: Part, reply: AdapterReply, *, passes: bool) -> list[JSON]:
    """What an adapter finds wrong, each problem with the adapter that found it."""
    if reply.skipped:
        return []
    owner = {"adapterId": validation["adapterId"]} if validation.get("adapterId") else {}
    if reply.problem is not None:
        return [] if passes else [{"code": "validation-unanswered", **owner}]
    if reply.status < 400:
        return []
    told = reply.body if isinstance(reply.body, list) else [reply.body]
    problems: list[JSON] = [{**owner, **one} for one in told if isinstance(one, Mapping)]
    return problems or [{"code": "validation-failed", **owner}]


def _amount(value: Any) -> Decimal:
    return Decimal(value or 0)
