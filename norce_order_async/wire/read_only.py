"""What the answer to a hook must leave as it is: what only the service writes, wherever it is in an order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from norce_order_async.wire.equality import same
from norce_order_async.wire.json import members_of
from norce_order_async.wire.schemas import READ_ONLY

_Members: TypeAlias = Mapping[str, Any]

_WRITTEN_BY_HOOKS = frozenset({"shippings", "payments"})
"""What requests write with operations of its own."""

INSIDE: Mapping[str, Mapping[str, str]] = {
    "Order": {
        "state": "State", "shippings": "Shipping", "payments": "Payment", "validations": "Callback", "hooks": "Hook",
    },
    "Payment": {"actions": "PaymentAction"},
}  # fmt: skip
"""The members of an order, and those inside, of which only the service writes a part; and their schemas."""


def read_only_change(before: _Members, after: _Members, schema: str = "Order") -> str | None:
    """The path of a member that differs although only the service writes it; None if there is none.

    Elements of a list are known by their ids: they may go, and others without an id may come.
    """
    for member in sorted(READ_ONLY[schema] - _WRITTEN_BY_HOOKS):
        if not same(before.get(member), after.get(member)):
            return member
    for member, inner in INSIDE.get(schema, {}).items():
        for old, new in _with_what_was(before.get(member), after.get(member)):
            if (path := read_only_change(old, new, inner)) is not None:
                return f"{member}.{path}"
    return None


def _with_what_was(before: object, after: object) -> Iterator[tuple[_Members, _Members]]:
    """Each object of after, with what it was before."""
    if not isinstance(after, list):
        yield members_of(before), members_of(after)
        return
    olds = [members_of(element) for element in cast("Sequence[object]", before if isinstance(before, list) else ())]
    for new in map(members_of, cast("Sequence[object]", after)):
        yield next((old for old in olds if _is_of(new, old)), members_of(None)), new


def _is_of(new: _Members, old: _Members) -> bool:
    """Whether two objects have one id, or are the same but for an id that the new one has lost."""
    if new.get("id") is not None:
        return bool(new["id"] == old.get("id"))
    return same({**new, "id": None}, {**old, "id": None})
