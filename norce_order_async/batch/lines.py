"""From a line of a batch file to the change that it means."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from norce_order_async.batch import kinds
from norce_order_async.batch.changes import FREQUENT, Change, members_of
from norce_order_async.batch.kinds import TableChange, models_of
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.endpoints.requested import requested
from norce_order_async.wire.json import JSON
from norce_order_async.wire.models import Model
from norce_order_async.wire.models.base import slips_in

_OTHERS: Mapping[str, type[TableChange]] = {
    kind.op: kind
    for kind in vars(kinds).values()
    if isinstance(kind, type) and issubclass(kind, TableChange) and kind is not TableChange
}
KINDS: Mapping[str, type[Change]] = {**FREQUENT, **_OTHERS}
"""The changes of a batch file by their ``op``."""

NOT_TWICE = frozenset(op for op, kind in KINDS.items() if kind.not_twice is not None)
"""Those that must not be made twice."""


def parse_change(record: Mapping[str, JSON]) -> Change:
    """The change that a line of a batch file means.

    ``op`` says which, as the endpoint functions are called (``delete_consent``, ``update_cart`` ...); the other members
    are their arguments, models as JSON with the names of the wire. Members whose names begin with an underscore are
    notes and are passed over.

    Raises:
        InvalidRequestError: A member is missing, left over or wrong; the message says which.
    """
    given: dict[str, Any] = {name: value for name, value in record.items() if not name.startswith("_")}
    op = given.pop("op", None)
    kind = KINDS.get(op) if isinstance(op, str) else None
    if kind is None:
        near = get_close_matches(op, KINDS, 4, 0.4) if isinstance(op, str) else []
        known = f"{', '.join(near or FREQUENT)} and {len(KINDS) - len(near or FREQUENT)} others"
        raise InvalidRequestError(f"op {op!r} is none of {known}" if op is not None else f"no op: one of {known}")
    members = members_of(kind)
    if missing := sorted(name for name, needed in members.items() if needed and name not in given):
        raise InvalidRequestError(f"{op} needs {', '.join(missing)}")
    if extra := sorted(given.keys() - members.keys()):
        raise InvalidRequestError(f"{op} does not take {', '.join(map(repr, extra))}")
    for name, (model, is_list) in models_of(kind).items():
        given[name] = _read(name, given[name], model, is_list)
    try:
        change = kind(**given)
        if isinstance(change, TableChange):
            requested(change)  # so that all that is wrong with it is known before anything is sent
    except TypeError as error:
        raise InvalidRequestError(str(error)) from None
    return change


def _read(name: str, value: JSON, model: type[Model], is_list: bool) -> Model | Sequence[Model]:
    """A model that somebody wrote by hand: a member that it does not know is misspelt, and nothing may be lost.

    Raises:
        InvalidRequestError: It does not fit; the message begins with the path to what doesn't.
    """
    if not is_list:
        return _read_one(name, value, model)
    if not isinstance(value, list):
        raise InvalidRequestError(f"{name} must be a list, got {kind_of(value)}")
    return [_read_one(f"{name}[{index}]", element, model) for index, element in enumerate(value)]


def _read_one(name: str, value: JSON, model: type[Model]) -> Model:
    from norce_order_async.wire.json_text import from_dict  # heavy, so only where there is a model

    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{name} must be an object, got {kind_of(value)}")
    read = from_dict(value, model)
    for slip in slips_in(read, name):
        raise InvalidRequestError(slip)
    return read
