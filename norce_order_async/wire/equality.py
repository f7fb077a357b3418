"""When two values are the same on the wire."""

from collections.abc import Mapping, Sequence
from typing import cast

import attrs

from norce_order_async.core.kinds import own
from norce_order_async.wire.models import NOT_SET


def same(one: object, other: object) -> bool:
    """Whether two JSON values, which may hold models, are the same: numbers by their value, objects in any order.

    Unlike Python's equality it tells true from 1, and in a model a list without elements from none.
    """
    if one is other:
        return True
    kind, plain, plain_other = type(one), own(one), own(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        members, others = cast("Mapping[str, object]", one), cast("Mapping[str, object]", other)
        return members.keys() == others.keys() and all(same(members[name], others[name]) for name in members)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        elements, those = cast("Sequence[object]", one), cast("Sequence[object]", other)
        alike = len(elements) == len(those) and (one is NOT_SET) == (other is NOT_SET)
        return alike and all(map(same, elements, those))
    if attrs.has(kind) and kind is type(plain_other):
        return all(same(getattr(plain, field.name), getattr(plain_other, field.name)) for field in attrs.fields(kind))
    return isinstance(plain, bool) == isinstance(plain_other, bool) and plain == plain_other
