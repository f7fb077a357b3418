"""Norce's calls to an integrator, read from headers and body: hooks, notifications, validations.

Reading is as tolerant as for responses: what is unknown to the models, or doesn't fit them, is kept. The content type
doesn't matter. A compressed body is refused.
"""

from collections.abc import Hashable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from norce_order_async.core.checks import check_choice
from norce_order_async.core.kinds import kind_of
from norce_order_async.receiving.enumerations import EnumNames, check_enums, named
from norce_order_async.receiving.errors import CallbackError
from norce_order_async.wire.codec import structure
from norce_order_async.wire.json import JSON, MAX_BYTES, WireError, decode_json
from norce_order_async.wire.models import Model, Notification, Order, OrderVersion

M = TypeVar("M", bound=Model)
_MAX_DIGITS = 18
_MAX_VALUES = 75_000
"""A model takes a hundred times the bytes of ``{},``, and some time: this holds for all of a body's values."""
_BEFORE_VALUES = (b",", b"{", b"[")
"""Each value but the whole is the first of an object or an array, or follows a comma: so these bound them."""

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers by name, in any case, or as pairs. They are texts: decode bytes, as ASGI's, as Latin-1."""

NotificationKey: TypeAlias = tuple[str | None, str, str, str]
"""What a repeat of a notification has in common with the first: notification id, order id, ``lastModified``, and a
checksum of the message, as two changes may come within what a clock tells apart."""


@attrs.frozen(kw_only=True)
class HookCall:
    """A hook: a change of an order that waits for the answer.

    Attributes:
        merchant: ``x-merchant``, or else what the order says.
        channel: ``x-channel``, or else what the order says.
        path: What follows the mount in the URL, if whoever received it says so.
        version: The order's shape, as the hook's registration asked for it. What only v1 has is in ``extra``.
        order: The whole order as it will be if nobody objects.
    """

    merchant: str | None
    channel: str | None
    path: str = attrs.field(default="", repr=False)
    version: OrderVersion = OrderVersion.V0
    order: Order = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class NotificationCall:
    """A notification: a change that is stored already.

    Attributes:
        merchant: As of a :class:`HookCall`; so are ``channel``, ``path`` and ``version``.
        order: The order after the change, or later.
        notification: What was registered, where the message has it.
        key: The same in a repeat of this message; None where the order has no ``lastModified``.
    """

    merchant: str | None
    channel: str | None
    path: str = attrs.field(default="", repr=False)
    version: OrderVersion = OrderVersion.V0
    order: Order = attrs.field(repr=False)
    notification: Notification | None = attrs.field(default=None, repr=False)
    key: NotificationKey | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ValidationCall:
    """A validation: somebody asks whether an order can be completed.

    Attributes:
        merchant: As of a :class:`HookCall`; so are ``channel``, ``path`` and ``version``.
        order: The order, where the call has a body. Its id may be in ``path``, if it was registered so.
    """

    merchant: str | None
    channel: str | None
    path: str = attrs.field(default="", repr=False)
    version: OrderVersion = OrderVersion.V0
    order: Order | None = attrs.field(default=None, repr=False)


def parse_hook(
    headers: Headers,
    body: bytes,
    version: str = "v0",
    *,
    path: str = "",
    enums: EnumNames | None = None,
    limit: int = MAX_BYTES,
) -> HookCall:
    """Read a hook.

    Args:
        headers: The request's headers.
        body: Its body, as it came.
        version: The shape of the order, ``v0`` or ``v1``: what the registration asked for. The body doesn't say it.
        path: What the call's ``path`` will be.
        enums: What integers in place of enumerations stand for. Others stay raw, in ``order.unreadable``.
        limit: How many bytes the body may have. It may have 75,000 of ``,``, ``{`` and ``[`` in all, as these
            bound its values.

    Raises:
        CallbackError: It is none; its ``status`` is what to answer.
        TypeError: ``headers`` or ``body`` is of another kind.
        ConfigurationError: ``enums`` is no such mapping, or ``version`` is neither.

    Source: https://docs.norce.io/developer-portal/app-development/nco/hooks
    """
    check_enums(enums)
    lower = joined(headers)
    order = _order(_json(lower, body, limit), enums)
    return HookCall(**_context(lower, order, version, path), order=order)


def parse_notification(
    headers: Headers,
    body: bytes,
    version: str = "v0",
    *,
    path: str = "",
    enums: EnumNames | None = None,
    limit: int = MAX_BYTES,
) -> NotificationCall:
    """Read a notification: an order, or an object of ``notification`` and ``order``. Both are published.

    Args:
        headers: As of :func:`parse_hook`; so are the others.
        body: Its body, as it came.
        version: The shape of the order.
        path: What the call's ``path`` will be.
        enums: What integers in place of enumerations stand for.
        limit: How many bytes the body may have.

    Raises:
        CallbackError: It is none; its ``status`` is what to answer.
        TypeError: ``headers`` or ``body`` is of another kind.
        ConfigurationError: ``enums`` is no such mapping, or ``version`` is neither.

    Source: https://docs.norce.io/solution-portal/nco/core/notification
    """
    check_enums(enums)
    lower = joined(headers)
    members = _json(lower, body, limit)
    notification: Notification | None = None
    if "notification" in members:
        if (registered := members["notification"]) is not None:
            notification = _structured(_members(registered, "notification"), Notification)
        members = _members(members.get("order"), "order")
    order = _order(members, enums)
    changed = members.get("lastModified")
    key: NotificationKey | None = None
    if order.id and isinstance(changed, str) and changed:
        # The text, because a datetime may be coarser than what the service wrote.
        key = notification.id if notification else None, order.id, changed, blake2b(body, digest_size=8).hexdigest()
    return NotificationCall(**_context(lower, order, version, path), order=order, notification=notification, key=key)


def parse_validation(
    headers: Headers,
    body: bytes = b"",
    version: str = "v0",
    *,
    path: str = "",
    enums: EnumNames | None = None,
    limit: int = MAX_BYTES,
) -> ValidationCall:
    """Read a validation: a POST or a GET, with or without a body. Both are published.

    Args:
        headers: As of :func:`parse_hook`; so are the others.
        body: Its body, as it came; it may be empty.
        version: The shape of the order.
        path: What the call's ``path`` will be.
        enums: What integers in place of enumerations stand for.
        limit: How many bytes the body may have.

    Raises:
        CallbackError: There is a body, and it is no order; its ``status`` is what to answer.
        TypeError: ``headers`` or ``body`` is of another kind.
        ConfigurationError: ``enums`` is no such mapping, or ``version`` is neither.

    Source: https://docs.norce.io/developer-portal/app-development/nco/validations
    """
    check_enums(enums)
    lower = joined(headers)
    order = _order(_json(lower, body, limit), enums) if _checked(body).strip() else None
    return ValidationCall(**_context(lower, order, version, path), order=order)


def notification_key(call: NotificationCall) -> Hashable | None:
    """What tells a repeat by default: where it was sent, and the call's own key; None where it has none."""
    return call.key and (call.merchant, call.channel, call.path, *call.key)


def joined(headers: Headers) -> dict[str, str]:
    """Headers by their names in lower case, without blanks around values; several of one name are joined by commas.

    Raises:
        TypeError: They are neither a mapping of texts nor pairs of them.
    """
    found: dict[str, str] = {}
    kinds = ""
    given = cast("Iterable[tuple[object, object]]", headers.items() if isinstance(headers, Mapping) else headers)
    try:
        for name, value in given:
            if not isinstance(name, str) or not isinstance(value, str):
                kinds = f" of {kind_of(name)} and {kind_of(value)}"
                break
            lower, text = name.lower(), value.strip(" \t")
            found[lower] = f"{found[lower]}, {text}" if lower in found else text
        else:
            return found
    except (TypeError, ValueError):
        pass
    got = kind_of(cast("object", headers))
    raise TypeError(f"headers must be a mapping of texts, or pairs of them, got {got}{kinds}")


def check_head(headers: Mapping[str, str], limit: int) -> int | None:
    """The length of the body by its header, if that says it.

    Raises:
        CallbackError: The body is compressed (a small one may hold very much), or has more than ``limit`` bytes; or its
            length is no number.
    """
    if headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise CallbackError("a compressed body is not read", status=415)
    length = headers.get("content-length")
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()):
        raise CallbackError("the header with the body's length is no number")
    if len(length) > _MAX_DIGITS or int(length) > limit:
        raise too_large(limit)
    return int(length)


def too_large(limit: int) -> CallbackError:
    """The error for a body of more than ``limit`` bytes."""
    return CallbackError(f"the body has more than {limit} bytes", status=413)


def _checked(body: bytes) -> bytes:
    if not isinstance(body, bytes | bytearray):
        raise TypeError(f"the body must be bytes, got {kind_of(body)}")
    return body


def _json(headers: Mapping[str, str], body: bytes, limit: int) -> Mapping[str, JSON]:
    check_head(headers, limit)
    if len(_checked(body)) > limit:
        raise too_large(limit)
    # Brackets are counted later: what is nested too deeply has many of them, and is told as that.
    _check_values(body.count(b","))
    try:
        value = decode_json(body)
    except WireError as error:
        problem = str(error)
    else:
        _check_values(sum(map(body.count, _BEFORE_VALUES)))
        if isinstance(value, Mapping):
            return value
        problem = "it is no object"
    raise CallbackError(f"the body cannot be read: {problem}")


def _check_values(most: int) -> None:
    if most > _MAX_VALUES:
        raise CallbackError(f"the body has more than {_MAX_VALUES} commas and opening brackets", status=413)


def _members(value: JSON, what: str) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise CallbackError(f"the body's {what} is no object")
    return value


def _order(value: Mapping[str, JSON], enums: EnumNames | None) -> Order:
    order = _structured(value, Order, enums)
    if not order.id:
        raise CallbackError("the body is no order: it has no id")
    return order


def _structured(value: Mapping[str, JSON], cls: type[M], enums: EnumNames | None = None) -> M:
    try:
        return structure(named(value, cls, enums) if enums else value, cls)
    except (WireError, RecursionError):
        pass
    # Raised out here because the errors above hold the body in their frames.
    raise CallbackError("the body cannot be read: nested too deeply")


def _context(headers: Mapping[str, str], order: Order | None, version: str, path: str) -> dict[str, Any]:
    check_choice("version", version, OrderVersion)
    return {
        "merchant": headers.get("x-merchant") or (order.merchant if order else None),
        "channel": headers.get("x-channel") or (order.channel if order else None),
        "version": OrderVersion(version),
        "path": path,
    }
