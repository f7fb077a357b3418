"""The changes a batch can make, as values that check themselves."""

import abc
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, cast

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.checks import check_header_value, check_id, check_members
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import own
from norce_order_async.core.options import CallOptions
from norce_order_async.core.settings import UNSET
from norce_order_async.core.shown import shown_names
from norce_order_async.endpoints.attributes import PATCH_ATTRIBUTES, attributes_body, patch_attributes
from norce_order_async.endpoints.consents import (
    DELETE_CONSENT,
    PATCH_CONSENT,
    consent_body,
    delete_consent,
    patch_consent,
)
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON
from norce_order_async.wire.operation import Operation, is_plain_id

OneCall = tuple[Operation[Receipt], Mapping[str, str], object]
"""An operation, the ids in its path, and its body."""
Scope = tuple[str | None, str | None]
"""The merchant and channel of changes that name none, as far as they are known."""
Order = tuple[str | None, str | None, str]
"""The merchant, channel and id of an order; one that has no id yet is known by what :func:`order_of` says."""
Calls = Mapping[object, Callable[[Any], OneCall]]
"""What gives the call that an ``apply`` makes, of a change with that ``apply``."""


def _check_id(instance: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if type(value) is not str or not is_plain_id(value):
        object.__setattr__(instance, attribute.name, check_id(attribute.name, value))


def _check_order(instance: "Change", attribute: "attrs.Attribute[str]", value: str) -> None:
    """Check all that a change has of its order at once, as a validator of each costs a call."""
    if type(value) is not str or not is_plain_id(value):
        object.__setattr__(instance, attribute.name, check_id(attribute.name, value))
    merchant, channel = instance.merchant, instance.channel
    if merchant is not None and (text := check_header_value("merchant", merchant)) is not merchant:
        object.__setattr__(instance, "merchant", text)
    if channel is not None and (text := check_header_value("channel", channel)) is not channel:
        object.__setattr__(instance, "channel", text)


def _own_bool(value: object) -> bool:
    if value is not True and value is not False and not isinstance(value := own(value), bool):
        quotes = " without quotes" if isinstance(value, str) and value in ("true", "false") else ""
        raise TypeError(f"checked must be true or false{quotes}, got {value!r}")
    return value


def _own_attributes(value: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """An attrs converter: a copy, as whoever makes changes may use the same dict for the next one."""
    kind = type(value)
    if kind is not dict or not value:  # nearly never: there is one of these for every line
        check_members("attributes", value)
    return dict(value)


class _Required:
    """In place of an attribute that a class must have so that anything can be made of it."""

    __isabstractmethod__ = True


@attrs.frozen(slots=False)  # made faster than with slots, and there is one for every line
class Change(abc.ABC):
    """One change of one order. Subclass it to run operations of your own in a batch.

    A change that is made again, because its outcome was lost, must leave the same state. One that must not be made
    twice says why in ``not_twice``: a batch takes it with ``once`` only, and makes it at most once.

    Attributes:
        op: What it is called in a batch file.
        order_id: The order to change.
        merchant: Whose order it is; None is the client's merchant.
        channel: The order's channel; None is the client's.

    Raises:
        TypeError: A member of the wrong type, or a class without ``op``, ``resource`` or ``apply``.
        InvalidRequestError: An id that would name another resource.
    """

    op: ClassVar[str] = cast("str", _Required())
    operation: ClassVar[str | None] = None
    """The API's operationId, if the change is one call of that operation's endpoint function."""
    not_twice: ClassVar[str | None] = None
    """Why it must not be made twice; None where that leaves the same state."""
    order_id: str = attrs.field(validator=_check_order)
    merchant: str | None = attrs.field(default=None, kw_only=True)
    channel: str | None = attrs.field(default=None, kw_only=True)

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if callable(cls.resource):
            raise TypeError(f"resource of {cls.__name__} must be a property: put @property above it")

    @property
    @abc.abstractmethod
    def resource(self) -> str:
        """What in the order is changed, as a path: ``consents/x`` lies in ``consents``, and both in the order, ``""``.

        Changes of the same resource, or of one that lies in another's, are made in turn, in the order they came.
        """

    @abc.abstractmethod
    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        """Make the change; raises what its endpoint function raises.

        Hand ``options`` on to every call: from them a batch learns what was sent.
        """

    def record(self) -> dict[str, Any]:
        """The change as a line of a batch file."""
        record: dict[str, Any] = {"op": self.op}
        for name in members_of(type(self)):
            if (value := getattr(self, name)) is not None:
                record[name] = value
        return record


@cache
def members_of(kind: type[Change]) -> Mapping[str, bool]:
    """The names of its members in their order, each with whether it cannot do without."""
    return {field.name: field.default is attrs.NOTHING for field in attrs.fields(kind) if field.init}


@attrs.frozen(slots=False)
class DeleteConsent(Change):
    """Take a consent off an order; see :func:`delete_consent`."""

    op = "delete_consent"
    operation = "RemoveCheckoutOrderConsent"
    consent_id: str = attrs.field(validator=_check_id)

    @property
    def resource(self) -> str:
        """The consent."""
        return f"consents/{self.consent_id}"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        """Make the change."""
        return await delete_consent(client, self.order_id, self.consent_id, options=options)


@attrs.frozen(slots=False)
class PatchConsent(Change):
    """Set whether a consent is given; see :func:`patch_consent`."""

    op = "patch_consent"
    operation = "PatchCheckoutOrderConsent"
    consent_id: str = attrs.field(validator=_check_id)
    checked: bool = attrs.field(kw_only=True, converter=_own_bool)

    @property
    def resource(self) -> str:
        """The consent."""
        return f"consents/{self.consent_id}"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        """Make the change."""
        return await patch_consent(client, self.order_id, self.consent_id, checked=self.checked, options=options)


@attrs.frozen(slots=False)
class PatchAttributes(Change):
    """Set attributes of an order; see :func:`patch_attributes`."""

    op = "patch_attributes"
    operation = "PatchCheckoutOrderAttributes"
    attributes: Mapping[str, JSON] = attrs.field(converter=_own_attributes, repr=shown_names)

    @property
    def resource(self) -> str:
        """The order's attributes."""
        return "attributes"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        """Make the change."""
        return await patch_attributes(client, self.order_id, self.attributes, options=options)


def order_of(change: Change, scope: Scope, number: int) -> Order:
    """The order of the change of this line, with the merchant and channel of those that name none.

    An order that is to be made has no id: it is that of its cart's reference, and without one that of its line.
    """
    order_id = change.order_id
    if change.operation == "CreateCheckoutOrder":
        order_id = change.resource or f"lines/{number}"
    return change.merchant or scope[0], change.channel or scope[1], order_id


FREQUENT: Mapping[str, type[Change]] = {kind.op: kind for kind in (DeleteConsent, PatchConsent, PatchAttributes)}
"""Those that most batches are of, by their ``op``."""


def _deletion(change: DeleteConsent) -> OneCall:
    return DELETE_CONSENT, {"order_id": change.order_id, "consent_id": change.consent_id}, UNSET


def _patch(change: PatchConsent) -> OneCall:
    ids = {"order_id": change.order_id, "consent_id": change.consent_id}
    return PATCH_CONSENT, ids, consent_body(change.consent_id, change.checked)


def _patch_of_attributes(change: PatchAttributes) -> OneCall:
    return PATCH_ATTRIBUTES, {"order_id": change.order_id}, attributes_body(change.attributes)


CALLS: Calls = {
    DeleteConsent.apply: _deletion,
    PatchConsent.apply: _patch,
    PatchAttributes.apply: _patch_of_attributes,
}
_PLAIN: Mapping[type[Change], int] = {DeleteConsent: 2, PatchConsent: 3}
"""How many members a record has, but for ``op``, that names no merchant and no channel."""


def make_change(given: dict[str, Any]) -> Change | None:
    """The change of a frequent kind that a record means; None where there is more to look at.

    The record is used up.
    """
    op = given.pop("op", None)
    kind = FREQUENT.get(op) if type(op) is str else None
    if kind is None:
        return None
    try:
        if len(given) == _PLAIN.get(kind):  # nearly always: the checks of its validators, in half the time
            order_id: Any = given["order_id"]
            consent_id: Any = given["consent_id"]
            checked: Any = given["checked"] if kind is PatchConsent else True
            if type(checked) is bool and is_plain_id(order_id) and is_plain_id(consent_id):
                members = {"order_id": order_id, "consent_id": consent_id, "merchant": None, "channel": None}
                if kind is PatchConsent:
                    members["checked"] = checked
                change = object.__new__(kind)
                object.__setattr__(change, "__dict__", members)
                return change
        try:
            return kind(**given)
        except TypeError:  # most records have no notes
            return kind(**{name: value for name, value in given.items() if name[:1] != "_"})
    except (KeyError, TypeError, InvalidRequestError):
        return None
