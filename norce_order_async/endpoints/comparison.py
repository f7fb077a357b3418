"""Whether JSON that is stored is what was wanted: surely, perhaps, or not."""

import math
import re
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, Final, cast

from norce_order_async.core.kinds import own
from norce_order_async.endpoints.pairing import pairing
from norce_order_async.wire.json import members_of
from norce_order_async.wire.times import ZONED, read_time

NOTHING: Final[Sequence[object]] = (None, "", [], {})
"""What a service may leave out."""

_DATE_LENGTH = len("2026-01-02T03:04")
_FRACTION = re.compile(r"(?<=[Tt]\d\d:\d\d:\d\d)\.\d+(?=([Zz]|[+-]\d\d:\d\d)$)")
_NAMES = ("id", "reference", "sku")
_LEAST_DECIMALS = 2
"""How many decimals a service stores at least: amounts have hundredths."""
_SUBTRACTION = Context(prec=60, traps=[])


def is_object(value: object) -> bool:
    """Whether it is an object of JSON."""
    return isinstance(value, Mapping)


def is_list(value: object) -> bool:
    """Whether it is a list of JSON."""
    return isinstance(value, list)


def elements_of(value: object) -> Sequence[Any]:
    """The elements of a list; none of anything else."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def holds(wanted: object, stored: object, *, loosely: bool = False) -> bool:
    """Whether what is stored is what was wanted, or more: a service adds ids and totals of its own.

    A null is as good as nothing, and so is what was sent empty. Numbers are compared as doubles, which is what the
    contract calls them, but two integers by value; date-times that have a zone are compared as moments, and lists of
    objects without their order.

    Args:
        wanted: What was sent.
        stored: What was read.
        loosely: Take also what a service may have made of it: fewer digits of a number or a date-time, false and 0 left
            out, and texts of a list in another order.
    """
    if wanted is None or stored is None:
        return stored is None and (wanted in NOTHING or (loosely and not wanted))
    if is_object(wanted):
        members, known = members_of(wanted), members_of(stored)
        return is_object(stored) and all(
            holds(value, known.get(name), loosely=loosely) for name, value in members.items()
        )
    if is_list(wanted):
        return is_list(stored) and _pairs(elements_of(wanted), elements_of(stored), loosely) is not None
    if isinstance(wanted, bool) or isinstance(stored, bool):
        return wanted is stored
    if isinstance(wanted, str) and isinstance(stored, str):
        return _is_same_text(wanted, stored, loosely)
    return _is_same_number(own(wanted), own(stored), loosely)


def _is_same_text(wanted: str, stored: str, loosely: bool) -> bool:
    if wanted == stored:
        return True
    # A free text may look like a time: without a zone it is none.
    if not (ZONED.fullmatch(wanted) and ZONED.fullmatch(stored)):
        return False
    if loosely:
        wanted, stored = _FRACTION.sub("", wanted), _FRACTION.sub("", stored)
    moments = moment(wanted), moment(stored)
    return None not in moments and moments[0] == moments[1]


def moment(text: str) -> datetime | None:
    """The moment that a text names, in UTC where it has no time zone; None for any other text."""
    return read_time(text) if len(text) >= _DATE_LENGTH else None


def _is_same_number(wanted: object, stored: object, loosely: bool) -> bool:
    if wanted == stored:
        return True
    if not (isinstance(wanted, int | Decimal) and isinstance(stored, int | Decimal)):
        return False
    first, second = Decimal(wanted), Decimal(stored)
    # What no double holds is infinite as one.
    are_same_double = math.isfinite(float(first)) and float(first) == float(second)
    if not loosely:
        return are_same_double and not (isinstance(wanted, int) and isinstance(stored, int))
    decimals = max(_LEAST_DECIMALS, min(_decimals(first), _decimals(second)))
    difference = _SUBTRACTION.abs(_SUBTRACTION.subtract(first, second))
    return are_same_double or difference < Decimal((0, (1,), -decimals))


def _decimals(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _pairs(wanted: Sequence[Any], stored: Sequence[Any], loosely: bool) -> Sequence[tuple[Any, Any]] | None:
    """Each wanted element with the stored one that holds it; None if they cannot be paired."""
    if len(wanted) != len(stored):
        return None
    if _all_hold(wanted, stored, loosely):
        return list(zip(wanted, stored, strict=True))
    if loosely and all(isinstance(element, str) for element in (*wanted, *stored)):
        wanted, stored = sorted(wanted), sorted(stored)
        return list(zip(wanted, stored, strict=True)) if wanted == stored else None
    if not all(map(is_object, wanted)):
        return None
    if (named := _named_alike(wanted, stored)) is not None:
        return list(zip(wanted, named, strict=True)) if _all_hold(wanted, named, loosely) else None
    places = pairing(len(wanted), lambda element, place: holds(wanted[element], stored[place], loosely=loosely))
    return None if places is None else [(element, stored[place]) for element, place in zip(wanted, places, strict=True)]


def _all_hold(wanted: Sequence[Any], stored: Sequence[Any], loosely: bool) -> bool:
    return all(holds(element, other, loosely=loosely) for element, other in zip(wanted, stored, strict=True))


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
    return isinstance(value, str) and value != "" and not ZONED.fullmatch(value)


def has_more(wanted: object, stored: object, beside: Set[str]) -> bool:
    """Whether what is stored, and holds what was wanted, has members that were left out, others than these."""
    if is_object(wanted) and is_object(stored):
        members, known = members_of(wanted), members_of(stored)
        if any(known[name] not in NOTHING for name in known.keys() - members.keys() - beside):
            return True
        return any(has_more(value, known.get(name), beside) for name, value in members.items())
    if is_list(wanted) and is_list(stored):
        pairs = _pairs(elements_of(wanted), elements_of(stored), loosely=False) or ()
        return any(has_more(element, other, beside) for element, other in pairs)
    return False
