"""What the sandbox keeps: the orders of all merchants and channels."""

import copy
import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from norce_order_async.testing.sandbox.exchange import Ask, Refused
from norce_order_async.wire.equality import same
from norce_order_async.wire.json import JSON

WireOrder: TypeAlias = dict[str, Any]
"""An order as it is on the wire."""

Part: TypeAlias = dict[str, Any]
"""A part of an order that has an id: a consent, a payment, a hook ..."""

_NOTHING: Any = object()
_LETTERS = (string.ascii_letters * 5)[:256].encode()


def letters(random: random.Random, count: int) -> str:
    """Letters drawn at random."""
    return random.randbytes(count).translate(_LETTERS).decode()


def new_id(random: random.Random, prefix: str) -> str:
    """An id of the published look, such as ``o_`` and 26 letters."""
    return f"{prefix}_{letters(random, 26)}"


def time_text(moment: datetime) -> str:
    """A time in UTC, as on the wire."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def not_found(kind: str, part_id: str) -> Refused:
    """The refusal of a request for something that is not there."""
    return Refused(404, f"{kind}-not-found", f"{kind.capitalize()} with id:{part_id} not found.")


def not_taken(message: str) -> Refused:
    """The refusal of a request that keeps to the contract all the same."""
    return Refused(400, "order-bad-request", message)


def find_part(parts: Iterable[Part], kind: str, part_id: str) -> Part:
    """The part with this id.

    Raises:
        Refused: 404.
    """
    for part in parts:
        if part.get("id") == part_id:
            return part
    raise not_found(kind, part_id)


def refuse_twin(parts: Iterable[Part], kind: str, member: str, value: object) -> None:
    """Let only one part have this value of a member; parts that were removed do not count.

    Raises:
        Refused: 409.
    """
    for part in parts:
        if value and part.get(member) == value and part.get("state") != "removed":
            raise Refused(409, f"{kind}-conflict", f"Another one has the {member} {value!r} already.")


@attrs.frozen(eq=False)
class Store:
    """The orders of all merchants and channels.

    Attributes:
        random: Where new ids come from.
        wall: Seconds since 1970-01-01 UTC, for time stamps.
    """

    random: random.Random
    wall: Callable[[], float]
    _orders: dict[tuple[str, str], dict[str, WireOrder]] = attrs.field(
        factory=dict[tuple[str, str], dict[str, WireOrder]], init=False, repr=False
    )
    _transactions: dict[tuple[str, str, str], dict[str, list[JSON]]] = attrs.field(
        factory=dict[tuple[str, str, str], dict[str, list[JSON]]], init=False, repr=False
    )

    def get(self, merchant: str, channel: str, order_id: str) -> WireOrder | None:
        """The stored order itself."""
        return self._orders.get((merchant, channel), {}).get(order_id)

    def find(self, ask: Ask) -> WireOrder:
        """The stored order that a request is about.

        Raises:
            Refused: 404.
        """
        order_id = ask.ids["order_id"]
        order = self.get(ask.merchant, ask.channel, order_id)
        if order is None:
            raise not_found("order", order_id)
        return order

    def orders_of(self, merchant: str, channel: str) -> Iterable[WireOrder]:
        """The stored orders of a merchant and channel, in the order in which they came."""
        return self._orders.get((merchant, channel), {}).values()

    def all_orders(self) -> Iterator[WireOrder]:
        """The stored orders of all merchants and channels."""
        for orders in self._orders.values():
            yield from orders.values()

    def transactions(self, ask: Ask) -> list[JSON]:
        """The stored transactions of the payment that a request is about."""
        of_order = self._transactions.setdefault((ask.merchant, ask.channel, ask.ids["order_id"]), {})
        return of_order.setdefault(ask.ids["payment_id"], [])

    def draft(self, ask: Ask, seed: int) -> "Store":
        """A store with nothing but a copy of the order that a request is about.

        Args:
            ask: The request.
            seed: Two drafts of the same seed make the same ids.

        Raises:
            Refused: 404.
        """
        order, draft = self.find(ask), Store(random.Random(seed), self.wall)
        draft._orders[ask.merchant, ask.channel] = {order["id"]: copy.deepcopy(order)}
        place = (ask.merchant, ask.channel, order["id"])
        if place in self._transactions:
            draft._transactions[place] = copy.deepcopy(self._transactions[place])
        return draft

    def adopt(self, draft: "Store") -> None:
        """Put the orders of a draft in place of those that are stored."""
        for place, orders in draft._orders.items():
            self._orders[place].update(orders)
        self._transactions.update(draft._transactions)

    def put(self, merchant: str, channel: str, order_id: str, members: Mapping[str, JSON]) -> WireOrder:
        """Store a new order in state ``checkout``; ``members`` may say otherwise."""
        now = self.now()
        self.remove(merchant, channel, order_id)
        order = self._orders.setdefault((merchant, channel), {})[order_id] = {
            "id": order_id,
            "merchant": merchant,
            "channel": channel,
            "created": now,
            "lastModified": now,
            "state": {"currentStatus": "checkout", "transitions": [{"status": "checkout", "timeStamp": now}]},
            "shippings": [],
            "payments": [],
            "consents": [],
            "attributes": {},
            **members,
        }
        return order

    def remove(self, merchant: str, channel: str, order_id: str) -> None:
        """Forget an order, if there is one."""
        self._orders.get((merchant, channel), {}).pop(order_id, None)
        self._transactions.pop((merchant, channel, order_id), None)

    def write(self, order: WireOrder, place: Any, key: str | int, value: JSON) -> None:
        """Set a member, or what is at an index, somewhere in an order; note that it changed if it did."""
        try:
            before = place[key]
        except KeyError:
            before = _NOTHING
        if before is _NOTHING or not same(before, value):
            place[key] = value
            self.touch(order)

    def touch(self, order: WireOrder) -> None:
        """Note that an order changed."""
        order["lastModified"] = self.now()

    def new_id(self, prefix: str) -> str:
        """An id that no order has yet."""
        drawn = new_id(self.random, prefix)
        while any(drawn in orders for orders in self._orders.values()):
            drawn = new_id(self.random, prefix)
        return drawn

    def now(self) -> str:
        """The present time, as on the wire."""
        return time_text(datetime.fromtimestamp(self.wall(), UTC))
