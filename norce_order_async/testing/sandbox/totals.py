"""What the service computes of a cart and an order: row ids and totals."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any

from norce_order_async.testing.sandbox.store import Part, Store, WireOrder

Price = Mapping[str, Any]

_MEMBERS = ("includingVat", "excludingVat")
EXACT = Context(prec=60)
"""What prices are computed in, whatever the context of the program is."""
_WITHOUT_COST = frozenset({"removed", "failed"})


def complete_cart(store: Store, cart: Part, before: Part | None = None) -> Part:
    """Give the rows of a cart their ids and totals, and the cart its total; what it has already stays.

    A row without an id keeps that of the row with the same reference at its place in the cart ``before``.
    """
    _complete_rows(store, cart, before or {})
    if "total" not in cart:
        of_rows = [row["total"] for row in cart.get("items") or () if "total" in row]
        cart["total"] = total_of(of_rows, _values(cart))
    return cart


def update_total(order: WireOrder) -> None:
    """Compute an order's total of its cart and its shippings; an order with neither has none."""
    prices = [cart["total"]] if "total" in (cart := order.get("cart", {})) else []
    prices += [shipping["total"] for shipping in order["shippings"] if shipping.get("state") not in _WITHOUT_COST]
    if prices or "total" in order:
        order["total"] = total_of(prices)


def total_of(prices: Iterable[Price], discounts: Iterable[Price] = (), *, times: int = 1) -> dict[str, Decimal]:
    """The sum of prices, so many times, without the discounts."""
    total: dict[str, Decimal] = dict.fromkeys(_MEMBERS, Decimal(0))
    for factor, summands in ((times, prices), (-1, discounts)):
        for price in summands:
            for member in _MEMBERS:
                total[member] = EXACT.fma(Decimal(price.get(member, 0)), factor, total[member])
    return total


def _complete_rows(store: Store, holder: Part, before: Part) -> None:
    """Do this to the rows in a cart, or in a row."""
    known: dict[str, Part] = {row["reference"]: row for row in before.get("items") or () if "reference" in row}
    rows: list[Part] = holder.get("items") or []
    taken = {row.get("id") for row in rows}
    for row in rows:
        same = known.get(row.get("reference", ""), {})
        if not row.get("id"):
            row["id"] = store.new_id("ci") if same.get("id") in {None, "", *taken} else same["id"]
            taken.add(row["id"])
        _complete_rows(store, row, same if row["id"] == same.get("id") else {})
        if "total" not in row and "price" in row:
            row["total"] = total_of([row["price"]], _values(row), times=row.get("quantity", 1))


def _values(discounted: Part) -> list[Price]:
    return [discount["value"] for discount in discounted.get("discounts", ()) if "value" in discount]
