"""Whether an order shows what a change asks for: pure, on JSON, but for the state in the spelling of the models.

Each operation has a finder. What it says holds ids and never values.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Any, cast

import attrs

from norce_order_async.core.kinds import own
from norce_order_async.endpoints.pairing import pairing
from norce_order_async.wire.json import members_of
from norce_order_async.wire.times import read_time

_DATE_LENGTH = len("2026-01-02T03:04")
_ZONED = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
_FRACTION = re.compile(r"(?<=[Tt]\d\d:\d\d:\d\d)\.\d+(?=([Zz]|[+-]\d\d:\d\d)$)")
_NAMES = ("id", "reference", "sku")
_WRITTEN_BY_THE_API = frozenset(
    {"id", "orderId", "merchant", "channel", "state", "type", "currency", "total", "originalTotal"}
)
"""Members that the service writes where a request leaves them out."""
_NOTHING: Sequence[object] = (None, "", [], {})
"""What a service may leave out."""


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


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def is_list(value: object) -> bool:
    """Whether it is a list of JSON."""
    return isinstance(value, list)


def elements_of(value: object) -> Sequence[Any]:
    """The elements of a list; none of anything else."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def holds(wanted: object, stored: object) -> bool:
    """Whether what is stored is what was wanted, or more: a service adds ids and totals of its own.

    A null is as good as nothing, and so is what was sent empty. Numbers are compared by value, date-times that have a
    zone as moments, and lists of objects without their order.
    """
    if wanted is None or stored is None:
        return stored is None and wanted in _NOTHING
    if _is_object(wanted):
        members, known = members_of(wanted), members_of(stored)
        return _is_object(stored) and all(holds(value, known.get(name)) for name, value in members.items())
    if is_list(wanted):
        return is_list(stored) and _pairs(elements_of(wanted), elements_of(stored)) is not None
    if isinstance(wanted, bool) or isinstance(stored, bool):
        return wanted is stored
    if isinstance(wanted, str) and isinstance(stored, str):
        return wanted == stored or _is_same_time(wanted, stored)
    return own(wanted) == own(stored)


def _is_same_time(wanted: str, stored: str) -> bool:
    # A free text may look like a time: without a zone it is none.
    if not (_ZONED.fullmatch(wanted) and _ZONED.fullmatch(stored)):
        return False
    moments = moment(wanted), moment(stored)
    return None not in moments and moments[0] == moments[1]


def moment(text: str) -> datetime | None:
    """The moment that a text names, in UTC where it has no time zone; None for any other text."""
    return read_time(text) if len(text) >= _DATE_LENGTH else None


def _pairs(wanted: Sequence[Any], stored: Sequence[Any]) -> Sequence[tuple[Any, Any]] | None:
    """Each wanted element with the stored one that holds it; None if they cannot be paired."""
    if len(wanted) != len(stored):
        return None
    if all(map(holds, wanted, stored)):
        return list(zip(wanted, stored, strict=True))
    if not all(_is_object(element) for element in wanted):
        return None
    if (named := _named_alike(wanted, stored)) is not None:
        return list(zip(wanted, named, strict=True)) if all(map(holds, wanted, named)) else None
    places = pairing(len(wanted), lambda element, place: holds(wanted[element], stored[place]))
    return None if places is None else [(element, stored[place]) for element, place in zip(wanted, places, strict=True)]


def _named_alike(wanted: Sequence[Any], stored: Sequence[Any]) -> Sequence[Any] | None:
    """The stored elements of the same names; None where no member names each one of both: any may then hold any."""
    for member in _NAMES:
        names = [members_of(element).get(member) for element in wanted]
        if all(map(_is_name, names)):
            known = {str(members_of(element).get(member)): element for element in stored}
            if len(known) == len(set(names)) == len(names) == len(stored):
                return [known.get(str(name)) for name in names]
    return None


def _is_name(value: object) -> bool:
    """Whether it is stored as it was sent: what is empty may be left out, and a time may have another spelling."""
    return isinstance(value, str) and value != "" and not _ZONED.fullmatch(value)


def _seen(stands: bool, yes: str, no: str) -> Finding:
    return Finding(Sight.STANDS, yes) if stands else Finding(Sight.ABSENT, no)


def _parts(order: Json, name: str) -> list[Json]:
    return [members_of(part) for part in elements_of(order.get(name)) if _is_object(part)]


def _part(order: Json, name: str, part_id: str) -> Json | None:
    return next((part for part in _parts(order, name) if part.get("id") == part_id), None)


def _all_of(seen: Sequence[bool], things: str) -> Finding:
    """Several values that were sent together."""
    if all(seen):
        return Finding(Sight.STANDS, f"all {things} are as asked" if len(seen) > 1 else f"the {things} are as asked")
    if any(seen):
        return Finding(Sight.UNCLEAR, f"some of the {things} are as asked and some are not")
    return Finding(Sight.ABSENT, f"the {things} are not as asked")


def _checked(ids: Json, wanted: Json, order: Json) -> Finding:
    consent_id = ids["consent_id"]
    consent = _part(order, "consents", consent_id)
    if consent is None:
        return Finding(Sight.UNCLEAR, f"the order has no consent {consent_id}")
    stands = holds(wanted.get("checked"), consent.get("checked"))
    return _seen(stands, f"the consent {consent_id} is as asked", f"the consent {consent_id} is not as asked")


def _several_checked(ids: Json, wanted: Sequence[Json], order: Json) -> Finding:
    consents = [(_part(order, "consents", each["id"]), each) for each in wanted]
    missing = [each["id"] for consent, each in consents if consent is None]
    if missing:
        return Finding(Sight.UNCLEAR, f"the order has no consent {missing[0]}")
    return _all_of([holds(each["checked"], (consent or {}).get("checked")) for consent, each in consents], "consents")


def _attributes(ids: Json, wanted: Json, order: Json) -> Finding:
    stored = members_of(order.get("attributes"))
    # What is empty and is not there says nothing: it may not have been there before either.
    empty = [name for name, value in wanted.items() if value in _NOTHING and stored.get(name) is None]
    telling = [name for name, value in wanted.items() if value is not None and name not in empty]
    if not telling and any(wanted[name] is not None for name in empty):
        return Finding(Sight.UNCLEAR, "the attributes are not there and were sent empty")
    telling = telling or list(wanted)
    seen = [holds(wanted[name], stored.get(name)) for name in telling]
    if all(seen) and not holds(wanted, stored):
        return Finding(Sight.UNCLEAR, "some of the attributes are as asked and some are not")
    return _all_of(seen, "attributes")


def _state(ids: Json, wanted: Json, order: Json) -> Finding:
    """The last move into the wanted state counts, also where the order has moved on since."""
    state, asked = members_of(order.get("state")), str(wanted["currentStatus"]).casefold()
    moves = [move for move in _parts(state, "transitions") if str(move.get("status")).casefold() == asked]
    if str(state.get("currentStatus")).casefold() == asked:
        stamp = moves[-1].get("timeStamp") if moves else None
        return Finding(Sight.STANDS, "the order is in the state asked for", stamp if isinstance(stamp, str) else None)
    if moves and isinstance(stamp := moves[-1].get("timeStamp"), str):
        return Finding(Sight.STANDS, "the order was in the state asked for and has moved on", stamp)
    if moves:
        return Finding(Sight.UNCLEAR, "the order was in the state asked for, nobody says when")
    return Finding(Sight.ABSENT, "the order is not in the state asked for")


def _replacement(wanted: object, stored: object, name: str) -> Finding:
    """What was replaced as a whole: a member that was left out and is there speaks against it."""
    if not holds(wanted, stored):
        if holds(_to_the_second(wanted), _to_the_second(stored)):
            return Finding(Sight.UNCLEAR, f"{name} is as asked but for parts of a second")
        return Finding(Sight.ABSENT, f"{name} is not as asked")
    if _has_more(wanted, stored):
        return Finding(Sight.UNCLEAR, f"{name} is as asked, but has members that were left out")
    return Finding(Sight.STANDS, f"{name} is as asked")


def _to_the_second(value: object) -> object:
    """JSON whose date-times have no parts of a second: a service may store fewer digits than it is sent."""
    if _is_object(value):
        return {name: _to_the_second(member) for name, member in members_of(value).items()}
    if is_list(value):
        return [_to_the_second(element) for element in elements_of(value)]
    return _FRACTION.sub("", value) if isinstance(value, str) else value


def _has_more(wanted: object, stored: object) -> bool:
    if _is_object(wanted) and _is_object(stored):
        members, known = members_of(wanted), members_of(stored)
        if any(known[name] not in _NOTHING for name in known.keys() - members.keys() - _WRITTEN_BY_THE_API):
            return True
        return any(_has_more(value, known.get(name)) for name, value in members.items())
    if is_list(wanted) and is_list(stored):
        pairs = _pairs(elements_of(wanted), elements_of(stored)) or ()
        return any(_has_more(element, other) for element, other in pairs)
    return False


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
    return _seen(absent, f"the order has no {noun} {part_id}", f"the {noun} {part_id} is still there")


def _is_mark(wanted: object, stored: object) -> bool:
    """Whether a mark is stored; of one that was left out, the service may write a value that says nothing."""
    return holds(wanted, stored) or (wanted is None and (stored is False or stored == ""))


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
        return any(wanted.get(member) not in _NOTHING for member in self.marks_of(wanted))

    def is_twin(self, wanted: Json, part: Json) -> bool:
        """Whether a part of an order has all the marks of what was, or is to be, added."""
        return all(_is_mark(wanted.get(member), part.get(member)) for member in self.marks_of(wanted))

    def find(self, ids: Json, wanted: Json | None, order: Json) -> Finding:
        """What was added, by its mark: all of these members."""
        given = wanted or {}
        marks = ", ".join(self.marks_of(given))
        if not self.is_marked(given):
            return Finding(Sight.UNCLEAR, f"the {self.noun} has none of {marks} to know it by")
        twins = [part for part in _parts(order, self.name) if self.is_twin(given, part)]
        if len(twins) > 1:
            return Finding(Sight.UNCLEAR, f"the order has {len(twins)} {self.name} of the same {marks}")
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
