"""Reading what a change was to change."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.errors import DecodeError, NotFoundError
from norce_order_async.core.http import Response
from norce_order_async.core.options import CallOptions
from norce_order_async.core.retry_after import http_date
from norce_order_async.endpoints.comparison import elements_of, is_list, moment
from norce_order_async.endpoints.findings import COLLECTIONS, FINDERS, Finding, Sight, stamp_of
from norce_order_async.endpoints.normal import normal, normal_body
from norce_order_async.endpoints.requested import Requested
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import json_body
from norce_order_async.wire.json import JSON, WireError, members_of
from norce_order_async.wire.models import Cart, Order
from norce_order_async.wire.operation import Operation

_MOST_PAGES = 50
_PAGE = 100
_SAME_CLOCK = 2.0
"""Seconds by which the ``Date`` of an answer may differ from a clock that agrees with the service's."""

Begun: TypeAlias = tuple[float, float]
"""When something began, in wall time: as our clock said then, and as it says now."""

_FRACTION = re.compile(r"\.(\d+)")


@attrs.frozen
class _Answer:
    body: Any
    ahead: float


def _read(response: Response) -> _Answer:
    date = http_date(response.headers.get("date", ""))
    return _Answer(json_body(response), date.timestamp() if date else 0.0)


def _reading(name: str) -> Operation[_Answer]:
    """An operation whose answer is read as it is on the wire, so that nothing is made of it."""
    return attrs.evolve(OPERATIONS[name], decode=_read)


_ORDER, _ORDERS = _reading("GetCheckoutOrder"), _reading("GetCheckoutOrders")
_LISTS = {"CreateOrderPayment": _reading("GetOrderPayments"), "CreateOrderShipping": _reading("GetOrderShippings")}
"""What the order itself may not list."""


@attrs.frozen
class Look:
    """What was read.

    Attributes:
        finding: Whether what the change asks for stands.
        looked_at: What was read: an operationId and an order's id.
        modified: When the order was last changed, as the service writes it.
        ahead: Seconds by which the service's clock is ahead of ours.
        is_gone: Whether the order is not there, which is what was asked for.
    """

    finding: Finding
    looked_at: str
    modified: str | None = None
    ahead: float = 0.0
    is_gone: bool = False

    def is_after(self, stamp: str | None, begun: Begun | None, apart: float = 0.0) -> bool | None:
        """Whether a time of the service is not before a time of ours; None where that is not known.

        The clocks may be so many seconds ``apart``.
        """
        if stamp is None or begun is None or (found := moment(stamp)) is None:
            return None
        digits = _FRACTION.search(stamp)
        cut_off = 10.0 ** -len(digits[1]) if digits else 1.0
        first, last = sorted(begun)
        at = found.timestamp() + cut_off + apart - self.ahead
        return None if first <= at < last else at >= last


def can_look(operation: str) -> bool:
    """Whether what an operation leaves can be known again."""
    return operation in FINDERS or operation in ("CreateCheckoutOrder", "DeleteCheckoutOrder")


async def look_for(
    client: OrderClient,
    operation: str,
    sent: Requested,
    begun: Begun | None,
    *,
    redelivered: bool,
    options: CallOptions | None,
) -> Look:
    """Read what a change was to change, and compare.

    Args:
        client: What to read with.
        operation: Of the change.
        sent: What was sent.
        begun: When the first attempt began; None where that is not known.
        redelivered: Whether an earlier call of the change may have carried it out.
        options: What each read has otherwise than the client.

    Raises:
        CallError: It cannot be read.
    """
    if operation == "CreateCheckoutOrder":
        return await _look_for_order(client, sent, begun, redelivered, options)
    order_id = sent.ids["order_id"]
    looked_at = f"GetCheckoutOrder {order_id}"
    try:
        listed = None
        if operation in _LISTS:
            listed = (await client.execute(_LISTS[operation], options=options, order_id=order_id)).body
            looked_at = f"{_LISTS[operation].name} and {looked_at}"
        answer = await client.execute(_ORDER, options=options, order_id=order_id)
    except NotFoundError as error:
        if operation == "DeleteCheckoutOrder" and error.code == "order-not-found":
            return Look(Finding(Sight.STANDS, f"the order {order_id} is not there"), looked_at, is_gone=True)
        return Look(Finding(Sight.UNCLEAR, f"the order {order_id} was not found"), looked_at)
    order = dict(members_of(answer.body))
    check_answer(order, order_id)
    if listed is not None:
        order[COLLECTIONS[operation].name] = listed
    if operation == "DeleteCheckoutOrder":
        finding = Finding(Sight.ABSENT, f"the order {order_id} is still there")
    else:
        finding = FINDERS[operation](sent.ids, normal_body(operation, sent.body), _normal_order(order))
    return Look(finding, looked_at, stamp_of(order, "lastModified"), _ahead(answer, client))


def _normal_order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        # The times of the state keep their digits: they say how exact they are.
        return {**members_of(normal(order, Order)), "state": order.get("state")}
    except WireError as error:
        raise DecodeError(f"the order cannot be read: {error}") from None


def _ahead(answer: _Answer, client: OrderClient) -> float:
    difference = answer.ahead - client.clock.wall() if answer.ahead else 0.0
    return difference if abs(difference) > _SAME_CLOCK else 0.0


def check_answer(order: Mapping[str, Any], order_id: str) -> None:
    """See that an answer is the order that was asked for.

    Raises:
        DecodeError: It is none, or another one.
    """
    if str(order.get("id")).casefold() != order_id.casefold():
        raise DecodeError("the answer is not this order")


async def _look_for_order(
    client: OrderClient, sent: Requested, begun: Begun | None, redelivered: bool, options: CallOptions | None
) -> Look:
    """Look for an order by its cart's reference; a service may ignore the filter, so each order is checked."""
    reference = _cart_reference(sent.body)
    looked_at = "GetCheckoutOrders by cart_reference"
    if not reference:
        return Look(Finding(Sight.UNCLEAR, "the order has no cart reference to know it by"), looked_at)
    offset, look, found = 0, Look(Finding(Sight.UNCLEAR, ""), looked_at), dict[str, str | None]()
    for _ in range(_MOST_PAGES):
        query: dict[str, Any] = {"cart_reference": reference, "offset": offset, "limit": _PAGE}
        answer = await client.execute(_ORDERS, query=query, options=options)
        page = members_of(answer.body).get("data")
        if not is_list(page):
            raise DecodeError("the answer is no page of orders")
        look = attrs.evolve(look, ahead=_ahead(answer, client))
        orders = list(map(members_of, elements_of(page)))
        for order in orders:
            if _cart_reference(order) == reference:
                found[str(order.get("id"))] = stamp_of(order, "created")
        if not orders:
            return attrs.evolve(look, finding=_of_orders(found, look, begun, redelivered))
        offset += len(orders)
    return attrs.evolve(look, finding=Finding(Sight.UNCLEAR, f"there are more than {offset} orders to look through"))


def _cart_reference(order: JSON) -> Any:
    reference = members_of(members_of(order).get("cart")).get("reference")
    return normal({"reference": reference}, Cart).get("reference")


def _of_orders(found: Mapping[str, str | None], look: Look, begun: Begun | None, redelivered: bool) -> Finding:
    """Of the orders that have the reference, one may be ours: one that was created after the first attempt.

    One of before may be that of an earlier call.
    """
    new = {
        order_id: stamp for order_id, stamp in found.items() if look.is_after(stamp, begun, _SAME_CLOCK) is not False
    }
    if not new:
        told = "no order of this cart reference was created since"
        before = f"; {len(found)} of it had been before" if found else ""
        if found and redelivered:
            return Finding(Sight.UNCLEAR, f"{told}{before}, and may be the work of an earlier call")
        return Finding(Sight.ABSENT, f"{told}{before}")
    if len(new) > 1:
        return Finding(Sight.UNCLEAR, f"{len(new)} orders of this cart reference were created since")
    order_id, stamp = next(iter(new.items()))
    return Finding(Sight.STANDS, f"the order {order_id} has this cart reference", stamp)
