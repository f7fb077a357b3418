"""How each kind of change is taken back: a table, by ``op``."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from norce_order_async.batch.changes import Change, Order
from norce_order_async.batch.columns import BODIES
from norce_order_async.batch.lines import KINDS, parse_change
from norce_order_async.batch.shown import shown_record
from norce_order_async.batch.undo.parts import CannotUndo, find, is_as_it_was, members_of
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.wording import listed
from norce_order_async.endpoints.requested import requested
from norce_order_async.wire.json import JSON

_AGAIN = "it is made again, at most once (--once), and stands last"
_NEW_ID = f"{_AGAIN}, with another id"
_NO_ID = "the service makes its id, and the answer does not have it"
_OWN = "it is of a class of your own"


@attrs.frozen(kw_only=True)
class Back:
    """What takes one change back.

    Attributes:
        record: A line of a batch file; None where none can be, or none is needed.
        remark: What does not come back, or why nothing does; None where all does.
        piece: What of the order the change is about; None for one that can never be taken back.
        is_whole: Whether the piece is as it was before the batch once this is made.
        once: Whether the record is of a change that must not be made twice.
    """

    record: Mapping[str, JSON] | None = attrs.field(default=None, repr=shown_record)
    remark: str | None = None
    piece: str | None = None
    is_whole: bool = False
    once: bool = False


@attrs.frozen(kw_only=True)
class Way:
    """How a kind of change is taken back.

    Attributes:
        part: What of the order is read before it is made, as a path of members; None where nothing is.
        back: Makes what takes a change back, of it and of that part; raises :class:`CannotUndo`.
        given_id: The member whose id has to be given by the change.
        remark: What never comes back even so.
        never: Why it cannot be taken back, whatever is there.
    """

    part: str | None = None
    back: Callable[[Any, JSON], Back] | None = None
    given_id: str | None = None
    remark: str | None = None
    never: str | None = None


def _attributes(change: Any, old: JSON) -> Back:
    stored = members_of(old, "attributes")
    new = [name for name in change.attributes if name not in stored]
    shown = f"{listed([name[:64] for name in new], 5)} {'are' if len(new) > 1 else 'is'} new"
    remark = f"{shown}, and can only be set to null" if new else None
    return Back(record={"attributes": {name: stored.get(name) for name in change.attributes}}, remark=remark)


def _checked(consent_id: str, old: JSON) -> bool:
    consent = find(old, "consents", consent_id)
    if consent is None:
        raise CannotUndo(f"the order had no consent {consent_id}: whatever the API makes of that stays")
    if not isinstance(checked := consent.get("checked"), bool):
        raise CannotUndo(f"the consent {consent_id} was neither checked nor unchecked, and cannot be set to that")
    return checked


def _consent(change: Any, old: JSON) -> Back:
    record = {"consent_id": change.consent_id, "checked": _checked(change.consent_id, old)}
    return Back(record=record)


def _consents(change: Any, old: JSON) -> Back:
    before: dict[str, bool] = {}
    remarks: list[str] = []
    for consent_id in change.checked:
        try:
            before[consent_id] = _checked(consent_id, old)
        except CannotUndo as error:
            remarks.append(str(error))
    return Back(record={"checked": before} if before else None, remark="; ".join(remarks) or None)


def _replaced(member: str, change: Any, old: JSON) -> Back:
    if old is None:
        raise CannotUndo("there was none before, and no operation takes it off")
    return Back(record={member: old}, is_whole=True)


def _part_replaced(noun: str, change: Any, old: JSON) -> Back:
    part_id = getattr(change, f"{noun}_id")
    if (part := find(old, f"{noun}s", part_id)) is None:
        raise CannotUndo(f"the order had no {noun} {part_id}")
    remark = "its actions may get other ids" if part.get("actions") else None
    record = {f"{noun}_id": part_id, BODIES[f"create_{noun}"]: part}
    return Back(record=record, remark=remark, is_whole=True)


def _deleted(noun: str, change: Any, old: JSON) -> Back:
    part_id = getattr(change, f"{noun}_id")
    if (part := find(old, f"{noun}s", part_id)) is None:
        return Back(is_whole=True)  # it is as it was: not there
    return Back(record={"op": f"create_{noun}", BODIES[f"create_{noun}"]: part}, is_whole=True)


def _created(noun: str, change: Any, old: JSON) -> Back:
    part_id = getattr(change, noun).id
    record = {"op": f"delete_{noun}", f"{noun}_id": part_id}
    if find(old, f"{noun}s", part_id) is None:
        return Back(record=record, is_whole=True)
    # Whether the batch had deleted that one is known when the record is used.
    return Back(record=record, remark=f"the order had a {noun} {part_id} before: to delete it could take that off")


_NO_REMOVAL = "no operation takes it off again"

WAYS: Mapping[str, Way] = {
    "patch_consent": Way(part="consents", back=_consent),
    "patch_consents": Way(part="consents", back=_consents),
    "delete_consent": Way(part="consents", back=partial(_deleted, "consent"), remark=_AGAIN),
    "create_consent": Way(part="consents", back=partial(_created, "consent"), given_id="consent"),
    "patch_attributes": Way(part="attributes", back=_attributes),
    "update_cart": Way(part="cart", back=partial(_replaced, "cart")),
    "update_billing_address": Way(part="customer.billing", back=partial(_replaced, "address")),
    "update_shipping_address": Way(part="customer.shipping", back=partial(_replaced, "address")),
    "update_reference": Way(part="reference", back=partial(_replaced, "reference")),
    "update_validation": Way(part="validations", back=partial(_part_replaced, "validation")),
    "delete_validation": Way(part="validations", back=partial(_deleted, "validation"), remark=_NEW_ID),
    "create_validation": Way(never=_NO_ID),
    "delete_hook": Way(part="hooks", back=partial(_deleted, "hook"), remark=_NEW_ID),
    "create_hook": Way(never=_NO_ID),
    "delete_notification": Way(part="notifications", back=partial(_deleted, "notification"), remark=_AGAIN),
    "create_notification": Way(part="notifications", back=partial(_created, "notification"), given_id="notification"),
    "update_payment": Way(part="payments", back=partial(_part_replaced, "payment")),
    "create_payment": Way(never=_NO_REMOVAL),
    "add_payment_actions": Way(never=_NO_REMOVAL),
    "execute_payment_action": Way(never="it moves money"),
    "add_transaction": Way(never="nothing is removed from that ledger"),
    "update_shipping": Way(part="shippings", back=partial(_part_replaced, "shipping")),
    "create_shipping": Way(never=_NO_REMOVAL),
    "update_state": Way(never="it sets off other things, and which moves back there are is not published"),
    "create_order": Way(never=_NO_ID),
    "delete_order": Way(never="no operation makes an order of that id"),
}
"""How the changes of a batch file are taken back, by their ``op``."""


def never(change: Change) -> str | None:
    """Why a change cannot be taken back, whatever is there before; None where that has to be read."""
    if type(change) is not KINDS.get(change.op):
        return _OWN
    way = WAYS[change.op]
    if way.given_id is not None and getattr(change, way.given_id).id is None:
        return f"it names no id: {_NO_ID}"
    return way.never


def part_of(change: Change) -> str | None:
    """What of the order has to be read before a change is made, as a path of members; None where nothing has."""
    return None if never(change) is not None else WAYS[change.op].part


def undo_of(change: Change, order: Order, old: JSON) -> Back:
    """What takes a change back.

    Args:
        change: The change.
        order: The merchant, channel and id of its order.
        old: What that part of the order was before the batch; None where it was not there.
    """
    if (why := never(change)) is not None:
        return Back(remark=why)
    way = WAYS[change.op]
    assert way.back is not None
    try:
        back = way.back(change, old)
        if back.record is not None:
            back = _sendable(back, change, order, way.remark)
    except (CannotUndo, InvalidRequestError) as error:
        back = Back(remark=str(error))
    return attrs.evolve(back, piece=_piece_of(change, way))


def _piece_of(change: Change, way: Way) -> str:
    """What of the order a change is about, also where it is made new."""
    if way.given_id is not None:
        return f"{change.resource}/{getattr(change, way.given_id).id}"
    return change.resource


def _sendable(back: Back, change: Change, order: Order, remark: str | None) -> Back:
    """The same with the record of a whole line, once it is seen that what was there goes back as it was.

    Raises:
        CannotUndo: It would not.
        InvalidRequestError: It cannot be sent.
    """
    merchant, channel, order_id = order
    where: dict[str, JSON] = {"op": change.op, "order_id": order_id}
    where |= {name: value for name, value in (("merchant", merchant), ("channel", channel)) if value is not None}
    record = where | dict(back.record or {})
    line = parse_change(record)
    sent = requested(line)
    body = next((name for name in record if name in _WRITTEN), None)
    if body is not None and (sent is None or not is_as_it_was(record[body], sent.body)):
        raise CannotUndo(f"what was there before cannot be sent as it was: see {body}")
    remarks = "; ".join(text for text in (remark, back.remark) if text is not None)
    return attrs.evolve(back, record=record, remark=remarks or None, once=line.not_twice is not None)


_WRITTEN = frozenset({*BODIES.values(), "reference"})
"""The members of a record that go back as they were."""
