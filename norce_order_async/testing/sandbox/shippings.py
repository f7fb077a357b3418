"""Shippings of an order."""

from norce_order_async.testing.sandbox.exchange import Ask, Created, Result
from norce_order_async.testing.sandbox.store import Part, Store, WireOrder, find_part, refuse_twin
from norce_order_async.testing.sandbox.totals import total_of, update_total
from norce_order_async.wire.json import JSON


def list_shippings(store: Store, ask: Ask) -> Result:
    """All shippings of an order."""
    shippings: JSON = store.find(ask)["shippings"]
    return shippings


def create_shipping(store: Store, ask: Ask) -> Result:
    """Add a shipping; one without a body costs nothing."""
    order = store.find(ask)
    given = ask.body if ask.body is not None else {"total": total_of(()), "vatRate": 0}
    refuse_twin(order["shippings"], "shipping", "reference", given.get("reference"))
    shipping = completed(store, ask, {}, given)
    order["shippings"].append(shipping)
    update_total(order)
    store.touch(order)
    return Created(shipping["id"])


def get_shipping(store: Store, ask: Ask) -> Result:
    """One shipping."""
    return _shipping(store.find(ask), ask)


def update_shipping(store: Store, ask: Ask) -> Result:
    """Replace a shipping; without a body nothing changes."""
    order = store.find(ask)
    shipping = _shipping(order, ask)
    if ask.body is None:
        return shipping
    updated = completed(store, ask, shipping, ask.body)
    store.write(order, order["shippings"], order["shippings"].index(shipping), updated)
    update_total(order)
    return updated


def completed(store: Store, ask: Ask, before: Part, given: Part) -> Part:
    """A shipping with what the service writes."""
    return {
        "state": before.get("state", "intent"),
        **given,
        "id": before.get("id") or store.new_id("s"),
        "orderId": ask.ids["order_id"],
        "merchant": ask.merchant,
        "channel": ask.channel,
    }


def _shipping(order: WireOrder, ask: Ask) -> Part:
    return find_part(order["shippings"], "shipping", ask.ids["shipping_id"])
