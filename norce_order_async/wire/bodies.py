"""Requests' bodies: what the contract takes of a model, checked before anything is sent."""

from collections.abc import Mapping, Sequence
from typing import cast

from norce_order_async.core.checks import check_id
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.wire.codec import encode, one_level
from norce_order_async.wire.json import WireError
from norce_order_async.wire.member_checks import an
from norce_order_async.wire.models import Model
from norce_order_async.wire.schemas import ADDRESSED, READ_ONLY, REQUIRED


def body_of(name: str, value: object, cls: type[Model]) -> bytes:
    """The JSON of a model as a request takes it: without the members that only the service writes.

    Args:
        name: What the caller's argument is called; messages of errors begin with it.
        value: The argument.
        cls: What it has to be.

    Raises:
        TypeError: It is something else.
        InvalidRequestError: A member that the contract requires is missing, or a value cannot be sent; the message
            says where.
    """
    check_model(name, value, cls)
    return encode(value, root=name, default=_sent_members)


def list_body_of(name: str, values: object, cls: type[Model]) -> bytes:
    """The JSON of several models as a request takes it.

    Raises:
        TypeError: ``values`` is no list or tuple of them.
        InvalidRequestError: It is empty; or as :func:`body_of`.
    """
    check_models(name, values, cls)
    if not values:
        raise InvalidRequestError(f"{name} is empty")
    return encode(values, root=name, default=_sent_members)


def check_model(name: str, value: object, cls: type[Model]) -> None:
    """See that an argument is a model of a class.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, cls):
        raise TypeError(f"{name} must be {an(cls)}, got {kind_of(value)}")


def check_models(name: str, values: object, cls: type[Model]) -> None:
    """See that an argument is a list or tuple of models of a class.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name} must be a list, got {kind_of(values)}")
    for index, element in enumerate(cast("Sequence[object]", values)):
        check_model(f"{name}[{index}]", element, cls)


def _sent_members(value: object) -> object:
    if not isinstance(value, Model):
        return one_level(value)
    members = cast("Mapping[str, object]", one_level(value))
    schemas = [cls.__name__ for cls in type(value).__mro__]
    read_only = frozenset[str]().union(*(READ_ONLY.get(schema, ()) for schema in schemas))
    for schema in schemas:
        for member in REQUIRED.get(schema, ()):
            if members.get(member) in (None, ""):
                raise WireError("it is required").inside(member)
        if schema in ADDRESSED and members.get("id") is not None:
            _check_addressed(members["id"])
    return {member: given for member, given in members.items() if member not in read_only}


def _check_addressed(value: object) -> None:
    try:
        check_id("the id", value)
    except (TypeError, InvalidRequestError) as error:
        reason = str(error)
    else:
        return
    raise WireError(reason).inside("id")
