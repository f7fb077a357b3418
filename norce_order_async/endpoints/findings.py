"""Whether an order shows what a change asks for: pure, on JSON, but for the state in the spelling of the models.

Each operation has a finder. What it says holds ids and never values.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

import attrs

from norce_order_async.endpoints.comparison import NOTHING, elements_of, has_more, holds, is_object
from norce_order_async.wire.json import members_of

_WHOSE = frozenset({"orderId", "merchant", "channel"})
_WRITTEN_BY_THE_API = _WHOSE | {"id", "state", "type", "currency", "total", "originalTotal"}
"""Members that the service writes where a request leaves them out; those that say whose it is, perhaps in any case."""
_NEARLY = "as asked but for what a service may leave out, cut off or write itself"


class Sight(Enum):
    """What is seen of a change."""

    STANDS = auto()
    ABSENT = auto()
    UNCLEAR = auto()


@attrs.frozen
class Finding:
    """What is seen of a change.

    Attributes:
        sight: Whether what it asks for stands.
        what: That in words, without an end mark.
        since: When it came to stand, as the service writes it; None where only the whole order has a time.
    """

    sight: Sight
    what: str
    since: str | None = None


Json = Mapping[str, Any]
Finder = Callable[[Json, Any, Json], Finding]
"""Takes the ids in the path, what was sent, and the order."""


def _sight(wanted: object, stored: object) -> Sight:
    if holds(wanted, stored):
        return Sight.STANDS
    return Sight.UNCLEAR if holds(wanted, stored, loosely=True) else Sight.ABSENT


def _seen(stands: bool, yes: str, no: str) -> Finding:
    return Finding(Sight.STANDS, yes) if stands else Finding(Sight.ABSENT, no)


def _parts(order: Json, name: str) -> list[Json]:
    return [members_of(part) for part in elements_of(order.get(name)) if is_object(part)]


def _part(order: Json, name: str, part_id: str) -> Json | None:
    return next((part for part in _parts(order, name) if part.get("id") == part_id), None)


def stamp_of(members: Json, name: str) -> str | None:
    """A time as the service writes it; None where that is no text."""
    stamp = members.get(name)
    return stamp if isinstance(stamp, str) else None


def _is_spelt_otherwise(order: Json, name: str, part_id: str) -> bool:
    """Whether a part has this id but for the case of its letters: how the service spells ids is not established."""
    known = [part["id"] for part in _parts(order, name) if part.get("id") is not None]
    return any(str(one).casefold() == part_id.casefold() for one in known)


def _all_of(values: Sequence[tuple[object, object]], things: str) -> Finding:
    """Several values that were sent together, each with what is stored.

    A value that is stored nearly as asked speaks for the change; one that is left out does not.
    """
    sights = [_sight(wanted, stored) for wanted, stored in values]
    if Sight.ABSENT in sights:
        nearly = any(
            sight is Sight.UNCLEAR and stored is not None for sight, (_, stored) in zip(sights, values, strict=True)
        )
        if nearly or Sight.STANDS in sights:
            return Finding(Sight.UNCLEAR, f"some of the {things} are as asked and some are not")
        return Finding(Sight.ABSENT, f"the {things} are not as asked")
    if Sight.UNCLEAR in sights:
        return Finding(Sight.UNCLEAR, f"the {things} are {_NEARLY}")
    return Finding(Sight.STANDS, f"all {things} are as asked" if len(sights) > 1 else f"the {things} are as asked")


def _checked(ids: Json, wanted: Json, order: Json) -> Finding:
    consent_id = ids["consent_id"]
    consent = _part(order, "consents", consent_id)
    if consent is None:
        return Finding(Sight.UNCLEAR, f"the order has no consent {consent_id}")
    sight = _sight(wanted.get("checked"), consent.get("checked"))
    how = {Sight.STANDS: "as asked", Sight.UNCLEAR: _NEARLY, Sight.ABSENT: "not as asked"}[sight]
    return Finding(sight, f"the consent {consent_id} is {how}")


def _several_checked(ids: Json, wanted: Sequence[Json], order: Json) -> Finding:
    consents = [(_part(order, "consents", each["id"]), each) for each in wanted]
    missing = [each["id"] for consent, each in consents if consent is None]
    if missing:
        return Finding(Sight.UNCLEAR, f"the order has no consent {missing[0]}")
    return _all_of([(each["checked"], (consent or {}).get("checked")) for consent, each in consents], "consents")


def _attributes(ids: Json, wanted: Json, order: Json) -> Finding:
    stored = members_of(order.get("attributes"))
    # What is empty and is not there says nothing: it may not have been there before either.
    empty = [
        name
        for name, value in wanted.items()
        if value in NOTHING and (name not in stored or (stored[name] is None and value is not None))
    ]
    telling = [name for name in wanted if name not in empty]
    if empty and not telling:
        return Finding(Sight.UNCLEAR, "the attributes are not there and were sent empty")
    finding = _all_of([(wanted[name], stored.get(name)) for name in telling], "attributes")
    if finding.sight is Sight.STANDS and not holds(wanted, stored):
        return Finding(Sight.UNCLEAR, "some of the attributes are as asked and some are not")
    return finding


def _state(ids: Json, wanted: Json, order: Json) -> Finding:
    """The last move into the wanted state counts, also where the order has moved on since."""
    state, asked = members_of(order.get("state")), str(wanted["currentStatus"]).casefold()
    moves = [move for move in _parts(state, "transitions") if str(move.get("status")).casefold() == asked]
    since = stamp_of(moves[-1], "timeStamp") if moves else None
    if str(state.get("currentStatus")).casefold() == asked:
        return Finding(Sight.STANDS, "the order is in the state asked for", since)
    if since is not None:
        return Finding(Sight.STANDS, "the order was in the state asked for and has moved on", since)
    if moves:
        return Finding(Sight.UNCLEAR, "the order was in the state asked for, nobody says when")
    return Finding(Sight.ABSENT, "the order is not in the state asked for")


def _replacement(wanted: object, stored: object, name: str) -> Finding:
    """What was replaced as a whole: a member that was left out and is there speaks against it."""
    if not holds(wanted, stored):
        given = {member: value for member, value in members_of(wanted).items() if member not in _WHOSE}
        if holds(given if is_object(wanted) else wanted, stored, loosely=True):
            return Finding(Sight.UNCLEAR, f"{name} is {_NEARLY}")
        return Finding(Sight.ABSENT, f"{name} is not as asked")
    if has_more(wanted, stored, _WRITTEN_BY_THE_API):
        return Finding(Sight.UNCLEAR, f"{name} is as asked, but has members that were left out")
    return Finding(Sight.STANDS, f"{name} is as asked")


def _value(path: str, ids: Json, wanted: Any, order: Json) -> Finding:
    """What an order has once: a member, or a member of a member."""
    stored: Any = order
    for name in path.split("."):
        stored = members_of(stored).get(name)
    return _replacement(wanted, stored, "the order's " + path.replace(".", "'s "))


def _replaced(name: str, noun: str, ids: Json, wanted: Json | None, order: Json) -> Finding:
    part_id = ids[f"{noun}_id"]
    part = _part(order, name, part_id)
    if part is None:
        return Finding(Sight.UNCLEAR, f"the order has no {noun} {part_id}")
    return _replacement(wanted, part, f"the {noun} {part_id}")


def _gone(name: str, noun: str, ids: Json, wanted: Any, order: Json) -> Finding:
    part_id = ids[f"{noun}_id"]
    absent = _part(order, name, part_id) is None
    if absent and _is_spelt_otherwise(order, name, part_id):
        return Finding(Sight.UNCLEAR, f"the order has a {noun} {part_id} in other letters")
    return _seen(absent, f"the order has no {noun} {part_id}", f"the {noun} {part_id} is still there")


def _is_mark(wanted: object, stored: object, loosely: bool) -> bool:
    """Whether a mark is stored; of one that was left out, the service may write a value that says nothing."""
    return holds(wanted, stored, loosely=loosely) or (wanted is None and (stored is False or stored == ""))


@attrs.frozen
class Collection:
    """Where a change adds something, and how that is known again.

    Attributes:
        name: The order's member.
        noun: One of them.
        marks: The members to know one by.
        has_id: Whether a request may give it an id, which is then its mark.
    """

    name: str
    noun: str
    marks: tuple[str, ...]
    has_id: bool = False

    def marks_of(self, wanted: Json) -> tuple[str, ...]:
        """The members to know this one by."""
        return ("id",) if self.has_id and wanted.get("id") else self.marks

    def is_marked(self, wanted: Json) -> bool:
        """Whether there is anything to know this one by."""
        return any(wanted.get(member) not in NOTHING for member in self.marks_of(wanted))

    def is_twin(self, wanted: Json, part: Json, *, loosely: bool = False) -> bool:
        """Whether a part of an order has all the marks of what was, or is to be, added."""
        return all(_is_mark(wanted.get(member), part.get(member), loosely) for member in self.marks_of(wanted))

    def _may_be_there(self, wanted: Json, order: Json) -> bool:
        if self.marks_of(wanted) == ("id",) and _is_spelt_otherwise(order, self.name, str(wanted["id"])):
            return True
        return any(self.is_twin(wanted, part, loosely=True) for part in _parts(order, self.name))

    def find(self, ids: Json, wanted: Json | None, order: Json) -> Finding:
        """What was added, by its mark: all of these members."""
        given = wanted or {}
        marks = ", ".join(self.marks_of(given))
        if not self.is_marked(given):
            return Finding(Sight.UNCLEAR, f"the {self.noun} has none of {marks} to know it by")
        twins = [part for part in _parts(order, self.name) if self.is_twin(given, part)]
        if len(twins) > 1:
            return Finding(Sight.UNCLEAR, f"the order has {len(twins)} {self.name} of the same {marks}")
        if not twins and self._may_be_there(given, order):
            return Finding(Sight.UNCLEAR, f"the order has a {self.noun} of nearly this {marks}")
        yes, no = f"the order has a {self.noun} of this {marks}", f"the order has no {self.noun} of this {marks}"
        return _seen(bool(twins), yes, no)


COLLECTIONS: Mapping[str, Collection] = {
    "CreateCheckoutOrderConsent": Collection("consents", "consent", ("text", "required"), has_id=True),
    "CreateCheckoutOrderValidation": Collection("validations", "validation", ("adapterId", "url")),
    "CreateCheckoutOrderHook": Collection("hooks", "hook", ("adapterId", "subscribeTo", "target", "invoke")),
    "CreateCheckoutOrderNotification": Collection(
        "notifications", "notification", ("adapterId", "reference", "scope", "invoke"), has_id=True
    ),
    "CreateOrderPayment": Collection("payments", "payment", ("reference",)),
    "CreateOrderShipping": Collection("shippings", "shipping", ("reference",)),
}
"""What adds to an order, by its operationId."""

FINDERS: Mapping[str, Finder] = {
    **{operation: collection.find for operation, collection in COLLECTIONS.items()},
    "UpdateCheckoutOrderState": _state,
    "UpdateCheckoutOrderCart": partial(_value, "cart"),
    "UpdateCheckoutOrderCustomerBilling": partial(_value, "customer.billing"),
    "UpdateCheckoutOrderCustomerShipping": partial(_value, "customer.shipping"),
    "UpdateCheckoutOrderReference": partial(_value, "reference"),
    "PatchCheckoutOrderConsents": _several_checked,
    "PatchCheckoutOrderConsent": _checked,
    "RemoveCheckoutOrderConsent": partial(_gone, "consents", "consent"),
    "PatchCheckoutOrderAttributes": _attributes,
    "UpdateCheckoutOrderValidation": partial(_replaced, "validations", "validation"),
    "RemoveCheckoutOrderValidation": partial(_gone, "validations", "validation"),
    "DeleteCheckoutOrderHook": partial(_gone, "hooks", "hook"),
    "DeleteCheckoutOrderNotification": partial(_gone, "notifications", "notification"),
    "UpdateOrderPayment": partial(_replaced, "payments", "payment"),
    "UpdateOrderShipping": partial(_replaced, "shippings", "shipping"),
}
"""How to see what became of a change, by its operationId; orders as a whole, and what leaves no mark, are not here."""
