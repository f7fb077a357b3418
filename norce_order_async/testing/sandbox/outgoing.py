"""What the sandbox sends to adapters."""

from typing import Any
from urllib.parse import quote

from norce_order_async.core.logger import logger
from norce_order_async.core.wording import beginning
from norce_order_async.testing.sandbox import patching
from norce_order_async.testing.sandbox.exchange import AdapterCall, Ask
from norce_order_async.testing.sandbox.store import Part, WireOrder
from norce_order_async.testing.sandbox.writing import write
from norce_order_async.wire.json import JSON, members_of

_logger = logger.child("testing.sandbox.outgoing")


def call(kind: str, part: Part, url: str, ask: Ask, order: WireOrder, *, envelope: bool = False) -> AdapterCall:
    """The call to an adapter about an order, in the shape of v0 whatever the registration asks for."""
    order_id = quote(order["id"], safe="")
    # A copy, because the order goes on while the call waits.
    own: JSON = {"notification": part, "order": order} if envelope else order
    return AdapterCall(
        url=url.replace("{order_id}", order_id).replace("{order.id}", order_id),
        body=write(own),
        kind=kind,
        part_id=str(part.get("id")),
        adapter_id=part.get("adapterId"),
        order_id=order["id"],
        headers={"x-merchant": ask.merchant, "x-channel": ask.channel},
    )


def notifications(ask: Ask, before: WireOrder, after: WireOrder, *, envelope: bool) -> list[AdapterCall]:
    """The notifications that follow a change: what their scope points at changed, and their schema holds for it."""
    return [
        call("notification", one, one["invoke"], ask, after, envelope=envelope)
        for one in after.get("notifications", ())
        if one.get("invoke") and differ(one.get("scope"), before, after, into_lists=False) and _holds(one, after)
    ]


def differ(pointer: str | None, before: WireOrder, after: WireOrder, *, into_lists: bool = True) -> bool:
    """Whether what a JSON pointer leads to differs; nothing is watched without a pointer."""
    if not pointer:
        return False
    one, other = (_at(order, pointer, into_lists=into_lists) for order in (before, after))
    if not (patching.is_there(one) and patching.is_there(other)):
        return patching.is_there(one) or patching.is_there(other)
    return write(one) != write(other)


def _at(order: WireOrder, pointer: str, *, into_lists: bool) -> Any:
    return patching.at(order, patching.registered(pointer), into_lists=into_lists)


def problem_of(body: JSON, otherwise: str) -> tuple[str | None, str]:
    """The code and the message of a ``BaseError``, as far as there is one."""
    members = members_of(body)
    code, message = members.get("code"), members.get("message")
    return code if isinstance(code, str) and code else None, message if isinstance(message, str) else otherwise


def _holds(notification: Part, order: WireOrder) -> bool:
    if (schema := notification.get("schema")) is None:
        return True
    value = _at(order, notification["scope"], into_lists=False)
    try:
        return patching.is_there(value) and _fits(value, schema)
    except Exception as error:  # whatever is in a schema that somebody wrote
        part_id = beginning(str(notification.get("id")))
        _logger.warning("the schema of notification %s cannot be used: %s", part_id, type(error).__name__)
        return False


def _fits(value: Any, schema: Any) -> bool:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # A registry of its own, because the usual one fetches what a schema refers to.
    registry: Any = Registry[Any]()
    validator: Any = Draft202012Validator(schema, registry=registry)
    return next(validator.iter_errors(value), None) is None
