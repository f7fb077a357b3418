"""Orders: create, read, list, delete, and the parts that an order has once."""

from collections.abc import Callable

from norce_order_async.testing.sandbox.exchange import Ask, Created, Refused, Result
from norce_order_async.testing.sandbox.listing import page_of
from norce_order_async.testing.sandbox.registrations import with_ids
from norce_order_async.testing.sandbox.store import Store, not_taken
from norce_order_async.testing.sandbox.totals import complete_cart, update_total

_WRITTEN_BY_THE_API = frozenset({"state", "total"})


def create_order(store: Store, ask: Ask) -> Result:
    """Put a new order in; its cart's reference is the only one of its merchant and channel."""
    members = {name: value for name, value in ask.members.items() if name not in _WRITTEN_BY_THE_API}
    if reference := members.get("cart", {}).get("reference"):
        for other in store.orders_of(ask.merchant, ask.channel):
            if other.get("cart", {}).get("reference") == reference:
                raise Refused(409, "order-conflict", f"Order with id:{other['id']} has the cart reference.")
    if "cart" in members:
        complete_cart(store, members["cart"])
    with_ids(store, members)
    order = store.put(ask.merchant, ask.channel, store.new_id("o"), members)
    update_total(order)
    return Created(order["id"])


def get_order(store: Store, ask: Ask) -> Result:
    """The whole order."""
    return store.find(ask)


def list_orders(store: Store, ask: Ask) -> Result:
    """One page of the orders of the merchant and channel."""
    return page_of(list(store.orders_of(ask.merchant, ask.channel)), ask.query)


def delete_order(store: Store, ask: Ask) -> Result:
    """Forget an order."""
    store.find(ask)
    store.remove(ask.merchant, ask.channel, ask.ids["order_id"])
    return None


def update_state(store: Store, ask: Ask) -> Result:
    """Move an order to any other state; to ``processing`` only with its required consents."""
    order = store.find(ask)
    wanted = ask.body.get("currentStatus")
    if wanted is None:
        raise not_taken("$.currentStatus: is missing.")
    open_consents = [one.get("id") for one in order["consents"] if one.get("required") and not one.get("checked")]
    if wanted == "processing" and open_consents:
        raise Refused(400, "order-validation", f"Consent with id:{open_consents[0]} is required.")
    state = order["state"]
    if state.get("currentStatus") != wanted:
        state["currentStatus"] = wanted
        state.setdefault("transitions", []).append({"status": wanted, "timeStamp": store.now()})
        store.touch(order)
    return None


def update_cart(store: Store, ask: Ask) -> Result:
    """Replace the cart."""
    order = store.find(ask)
    store.write(order, order, "cart", complete_cart(store, ask.body, order.get("cart")))
    update_total(order)
    return None


def update_address(role: str) -> Callable[[Store, Ask], Result]:
    """The operation that replaces an address of the customer."""

    def handler(store: Store, ask: Ask) -> Result:
        order = store.find(ask)
        customer = order.setdefault("customer", {"type": ask.body.get("type", "person")})
        store.write(order, customer, role, ask.body)
        return None

    return handler


def update_reference(store: Store, ask: Ask) -> Result:
    """Set the order's reference."""
    order = store.find(ask)
    store.write(order, order, "reference", ask.body)
    return None


def patch_attributes(store: Store, ask: Ask) -> Result:
    """Set some of the order's attributes."""
    order = store.find(ask)
    for name, value in ask.body.items():
        store.write(order, order["attributes"], name, value)
    return None
