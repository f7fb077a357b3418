"""Payments of an order, their actions and transactions."""

from norce_order_async.testing.sandbox.exchange import Ask, Created, Result
from norce_order_async.testing.sandbox.registrations import objects_of
from norce_order_async.testing.sandbox.store import Part, Store, WireOrder, find_part, refuse_twin
from norce_order_async.wire.json import JSON

_MOVES = {"capture": ("capture", "captured"), "refund": ("refund", "credited"), "cancel": ("cancel", "removed")}
"""The event of the transaction that an action of this type makes, and the state in which it leaves the payment."""


def list_payments(store: Store, ask: Ask) -> Result:
    """All payments of an order."""
    payments: JSON = store.find(ask)["payments"]
    return payments


def create_payment(store: Store, ask: Ask) -> Result:
    """Add a payment."""
    order = store.find(ask)
    given = ask.members
    refuse_twin(order["payments"], "payment", "reference", given.get("reference"))
    payment = completed(store, ask, order, {}, given)
    order["payments"].append(payment)
    store.touch(order)
    return Created(payment["id"])


def get_payment(store: Store, ask: Ask) -> Result:
    """One payment."""
    return _payment(store.find(ask), ask)


def update_payment(store: Store, ask: Ask) -> Result:
    """Replace a payment; without a body nothing changes."""
    order = store.find(ask)
    payment = _payment(order, ask)
    if ask.body is None:
        return payment
    updated = completed(store, ask, order, payment, ask.body)
    store.write(order, order["payments"], order["payments"].index(payment), updated)
    return updated


def add_actions(store: Store, ask: Ask) -> Result:
    """Add actions to a payment."""
    order = store.find(ask)
    payment = _payment(order, ask)
    if ask.body:
        payment.setdefault("actions", []).extend({**action, "id": store.new_id("pa")} for action in ask.body)
        store.touch(order)
    return None


def execute_action(store: Store, ask: Ask) -> Result:
    """Run an action: note a transaction, and move the payment's state where the type of the action says so."""
    order = store.find(ask)
    payment = _payment(order, ask)
    action = find_part(payment.get("actions", ()), "action", ask.ids["action_id"])
    event, state = _MOVES.get(action.get("type", "").lower(), ("paymentAction", payment.get("state", "intent")))
    amount = {"amount": payment["amount"]} if "amount" in payment else {}
    store.transactions(ask).append(
        {"event": event, "isSuccess": True, "created": store.now(), "paymentAction": dict(action), **amount}
    )
    payment["state"] = state
    store.touch(order)
    return None


def list_transactions(store: Store, ask: Ask) -> Result:
    """All transactions of a payment."""
    _payment(store.find(ask), ask)
    return store.transactions(ask)


def add_transaction(store: Store, ask: Ask) -> Result:
    """Note a transaction; it moves nothing."""
    _payment(store.find(ask), ask)
    transaction = {**ask.members, "created": store.now()}
    store.transactions(ask).append(transaction)
    return transaction


def completed(store: Store, ask: Ask, order: WireOrder, before: Part, given: Part) -> Part:
    """A payment with what the service writes; actions that stay as they are keep their ids."""
    payment = {
        "type": "default",
        "state": before.get("state", "intent"),
        **({"currency": order["currency"]} if "currency" in order else {}),
        **given,
        "id": before.get("id") or store.new_id("p"),
        "orderId": order["id"],
        "merchant": ask.merchant,
        "channel": ask.channel,
    }
    left = objects_of(before.get("actions"))
    for action in objects_of(payment.get("actions")):
        same = next((one for one in left if "id" in one and one == action | {"id": one["id"]}), None)
        if same is not None:
            left.remove(same)
        action["id"] = same["id"] if same else store.new_id("pa")
    return payment


def _payment(order: WireOrder, ask: Ask) -> Part:
    return find_part(order["payments"], "payment", ask.ids["payment_id"])
