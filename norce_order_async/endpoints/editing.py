"""Read, change, write: for what the API only replaces as a whole."""

from collections.abc import Callable, Iterator, Sequence, Set
from copy import deepcopy
from typing import Any, Generic, TypeVar, cast

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.errors import DecodeError, InvalidRequestError
from norce_order_async.core.http import Response
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client, check_not_awaitable, check_plain_function
from norce_order_async.endpoints.reading import outcome_before, reading_for
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt, decode_receipt
from norce_order_async.wire.equality import same
from norce_order_async.wire.models import NOT_SET, Address, Cart, Model, Payment, Shipping
from norce_order_async.wire.models.base import models_in, unread_in
from norce_order_async.wire.operation import Operation
from norce_order_async.wire.table import ROWS
from norce_order_async.wire.unread import Unread

T = TypeVar("T", bound=Model)

_ORDER = ROWS["GetCheckoutOrder"]


@attrs.frozen
class Edited(Generic[T]):
    """What an edit did.

    Attributes:
        before: What was read first.
        after: What was read back. While the receipt says ``accepted``, that may be as before.
        receipt: What became of the write; None if there was nothing to change, so nothing was written.
    """

    before: T
    after: T
    receipt: Receipt | None


@attrs.frozen
class _Within(Generic[T]):
    """Reads what is replaced, in the result that it is in; an empty one where there is none.

    Attributes:
        model: What it is.
        place: The members that lead to it; none where it is the result itself.
        decode: Reads that result.
        members: The members of that result's object.
    """

    model: type[T]
    place: Sequence[str]
    decode: Callable[[Response], Any]
    members: Set[str] | None

    def __call__(self, response: Response) -> T:
        """Read it.

        Raises:
            DecodeError: It cannot be read.
        """
        result = self.decode(response)
        place = ".".join(self.place)
        if place and any(f"{place}.".startswith(f"{path}.") for path in result.unreadable):
            raise DecodeError(f"the order's {place} cannot be read, so it cannot be replaced either", result=result)
        value: Any = result
        for step in self.place:
            value = getattr(value, step, None)
        return cast("T", self.model() if value is None else value)


@attrs.frozen
class _Resource(Generic[T]):
    """What an operation of the table replaces: its model, what reads it, and what writes it."""

    model: type[T]
    read: Operation[T]
    write: Operation[Receipt]


def _resource(name: str, model: type[T]) -> _Resource[T]:
    """What an operation of the table replaces; what a GET of the same path does not read is in the order."""
    row = ROWS[name]
    reading = next((other for other in ROWS.values() if (other.method, other.path) == ("GET", row.path)), _ORDER)
    place = [step for step in row.path.removeprefix(reading.path).split("/") if step]
    read: Operation[Any] = OPERATIONS[reading.name]
    write: Operation[Any] = OPERATIONS[name]
    return _Resource(
        model,
        attrs.evolve(read, decode=_Within(model, place, read.decode, read.members)),
        attrs.evolve(write, decode=decode_receipt),
    )


_CART = _resource("UpdateCheckoutOrderCart", Cart)
_BILLING_ADDRESS = _resource("UpdateCheckoutOrderCustomerBilling", Address)
_SHIPPING_ADDRESS = _resource("UpdateCheckoutOrderCustomerShipping", Address)
_PAYMENT = _resource("UpdateOrderPayment", Payment)
_SHIPPING = _resource("UpdateOrderShipping", Shipping)


async def edit_cart(
    client: OrderClient, order_id: str, change: Callable[[Cart], Cart], *, options: CallOptions | None = None
) -> Edited[Cart]:
    """Read the cart of an order, change it, write it, and read it back.

    ::

        await edit_cart(client, "o_1", lambda cart: attrs.evolve(cart, items=[*cart.items, row], total=None))

    Between the read and the write somebody else may write, and that is lost: the API has no version to compare. Where
    the order has no cart, ``change`` gets an empty one. If it gives back what it got, or changes only what no request
    has, such as the id of a payment, nothing is written.

    What cannot be read of the cart goes back as it came, as long as ``change`` gives back a copy
    (:func:`attrs.evolve`). A result without it is refused, and so is a change of a cart that cannot be read at all.

    Args:
        client: What to call with.
        order_id: Which order.
        change: Makes the new one of the present one: a plain function. It may also change dicts in place, such as
            ``attributes``.
        options: What each of the three calls has otherwise than the client; its ``timeout`` is not for all of them.

    Raises:
        TypeError: ``change`` is no plain function, or returns something else; or ``order_id`` is not a str.
        InvalidRequestError: ``change`` returns what cannot be sent, or leaves out what could not be read; or an id
            would name another resource.
        CallError: A call did not succeed. The outcome is the change's: ``not_sent`` when the first read failed, and
            that of the write when the last read did.
    """
    return await _edit(client, _CART, change, options, order_id=order_id)


async def edit_billing_address(
    client: OrderClient, order_id: str, change: Callable[[Address], Address], *, options: CallOptions | None = None
) -> Edited[Address]:
    """Read the billing address of an order, change it, write it, and read it back; see :func:`edit_cart`."""
    return await _edit(client, _BILLING_ADDRESS, change, options, order_id=order_id)


async def edit_shipping_address(
    client: OrderClient, order_id: str, change: Callable[[Address], Address], *, options: CallOptions | None = None
) -> Edited[Address]:
    """Read the shipping address of an order, change it, write it, and read it back; see :func:`edit_cart`."""
    return await _edit(client, _SHIPPING_ADDRESS, change, options, order_id=order_id)


async def edit_payment(
    client: OrderClient,
    order_id: str,
    payment_id: str,
    change: Callable[[Payment], Payment],
    *,
    options: CallOptions | None = None,
) -> Edited[Payment]:
    """Read a payment, change it, write it without what only the service writes, and read it back.

    See :func:`edit_cart`.
    """
    return await _edit(client, _PAYMENT, change, options, order_id=order_id, payment_id=payment_id)


async def edit_shipping(
    client: OrderClient,
    order_id: str,
    shipping_id: str,
    change: Callable[[Shipping], Shipping],
    *,
    options: CallOptions | None = None,
) -> Edited[Shipping]:
    """Read a shipping, change it, write it without what only the service writes, and read it back.

    See :func:`edit_cart`.
    """
    return await _edit(client, _SHIPPING, change, options, order_id=order_id, shipping_id=shipping_id)


async def _edit(
    client: OrderClient, resource: _Resource[T], change: Callable[[T], T], options: CallOptions | None, **ids: Any
) -> Edited[T]:
    check_plain_function("change", change)
    with reading_for(outcome_before(options)):
        before = await check_client(client).execute(resource.read, options=options, **ids)
    wanted = change(deepcopy(before))  # what it changes in place is a change too
    check_not_awaitable("change", wanted)
    body = body_of("the result of change", wanted, resource.model)
    if lost := _lost(before, wanted):
        raise InvalidRequestError(f"the result of change lacks what could not be read of {', '.join(lost)}")
    if same(wanted, before) or body == _unchanged(resource.model, before):
        return Edited(before, before, None)
    written = await client.execute(resource.write, body=body, options=options, **ids)
    with reading_for(written.outcome):
        return Edited(before, await client.execute(resource.read, options=options, **ids), written)


def _unchanged(model: type[Model], before: Model) -> bytes | None:
    """The request that would change nothing; None where what was read cannot be sent."""
    try:
        return body_of("what was read", before, model)
    except InvalidRequestError:
        return None


def _lost(before: Model, after: Model) -> Sequence[str]:
    """The members of which something could not be read before, and is no longer there."""
    kept, lost = list(_unread(after)), list[str]()
    for unread in _unread(before):
        if unread in kept:
            kept.remove(unread)
        else:
            lost.append(unread.member)
    return lost


def _unread(model: Model) -> Iterator[Unread]:
    """What could not be read in it, and is written with it."""
    for _, inner in models_in(model):
        for _, unread, value in unread_in(inner):
            if None in unread.raws or (value is not None and value is not NOT_SET):
                yield unread
