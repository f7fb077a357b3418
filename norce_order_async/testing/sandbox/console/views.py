"""What the console tells its page, as plain values: orders, requests, calls and faults."""

from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from norce_order_async.core.urls import HIDDEN
from norce_order_async.testing.recording.scrubbing import Scrubber
from norce_order_async.testing.sandbox.console.masking import Mask
from norce_order_async.testing.sandbox.exchange import AdapterExchange, ReceivedRequest
from norce_order_async.testing.sandbox.outline import body_outline, target_outline
from norce_order_async.testing.sandbox.store import WireOrder
from norce_order_async.wire.json_text import to_json
from norce_order_async.wire.secrets import hide_headers, holds_headers, is_secret

View: TypeAlias = dict[str, Any]

_LINE = 500
"""Characters of a line about a request."""
_BEGINNING = 400
"""Characters of a value, unless it is asked for as a whole."""
_MOST_PARTS = 5_000
"""Parts of an order."""
_SEARCHED = (
    ("id",),
    ("reference",),
    ("merchant",),
    ("cart", "reference"),
    ("state", "currentStatus"),
    *(
        ("customer", role, member)
        for role in ("billing", "shipping")
        for member in ("givenName", "familyName", "organizationName", "email", "phone")
    ),
)


def found(order: WireOrder, text: str) -> bool:
    """Whether a text is in what a search looks into, regardless of case."""
    if not text:
        return True
    values = [_at(order, *path) for path in _SEARCHED]
    return text.casefold() in " ".join([str(value) for value in values if value is not None]).casefold()


def modified(order: WireOrder) -> str:
    """When an order changed last."""
    return _text(order, "lastModified")


def row(order: WireOrder, mask: Mask) -> View:
    """One line of the list of orders."""
    total = _at(order, "total", "includingVat")
    return {
        # These three lead to the order, so they are as they are.
        "merchant": _text(order, "merchant"),
        "channel": _text(order, "channel"),
        "id": _text(order, "id"),
        "reference": mask(_text(order, "reference"))[:_LINE],
        "status": mask(_text(order, "state", "currentStatus"))[:_LINE],
        "total": "" if total is None else f"{total} {_text(order, 'currency')}"[:_LINE],
        "modified": modified(order)[:_LINE],
    }


def tree(order: WireOrder, mask: Mask, *, whole: bool) -> View:
    """An order in full: each part has a name, and a text or parts."""
    left = iter(range(_MOST_PARTS))
    view = _part("", order, mask, Scrubber(), None if whole else _BEGINNING, left)
    return view | {"cut": next(left, None) is None}


def _part(name: str, value: Any, mask: Mask, scrubber: Scrubber, most: int | None, left: Iterator[int]) -> View:
    shown = {"name": mask(name)[:_LINE]}
    if is_secret(name, value):
        return shown | {"text": HIDDEN}
    if isinstance(value, dict):
        own = cast("dict[str, Any]", value)
        members = list((hide_headers(own, HIDDEN) if holds_headers(name) else own).items())
    elif isinstance(value, list):
        members = [(_label(one, index), one) for index, one in enumerate(cast("list[object]", value))]
    else:
        text = mask(scrubber.value(name, value)) if isinstance(value, str) else to_json(value)
        more = {} if most is None or len(text) <= most else {"length": len(text)}
        return shown | {"text": text[:most], "kind": "text" if isinstance(value, str) else "value"} | more
    parts = [_part(*member, mask, scrubber, most, left) for member in members if next(left, None) is not None]
    return shown | {"parts": parts}


def _label(element: object, index: int) -> str:
    name = _at(element, "id") or _at(element, "status")
    return str(name) if name else str(index + 1)


def noted(one: ReceivedRequest | AdapterExchange, mask: Mask) -> View:
    """One line of what came in and went out: no header, and of queries and bodies the names only."""
    return _call(one, mask) if isinstance(one, AdapterExchange) else _request(one, mask)


def _request(received: ReceivedRequest, mask: Mask) -> View:
    fault, latency = received.mishap.fault, received.mishap.latency
    words = [f"latency:{latency:g}"] * bool(latency) + [str(fault)] * (fault is not None)
    return {
        "number": received.number,
        "at": received.at,
        "elapsed": received.elapsed,
        "status": received.status,
        "applied": received.applied,
        "method": received.method[:_LINE],
        "name": received.operation or "no operation of the API",
        "target": mask(target_outline(received.target))[:_LINE],
        "body": mask(body_outline(received.body))[:_LINE],
        "shop": mask(f"{received.headers.get('x-merchant', '')}/{received.headers.get('x-channel', '')}")[:_LINE],
        "fault": mask(", ".join(words))[:_LINE],
    }


def _call(called: AdapterExchange, mask: Mask) -> View:
    call, reply = called.call, called.reply
    return {
        "number": called.number,
        "at": called.at,
        "elapsed": called.elapsed,
        "status": reply.status,
        "call": call.kind,
        "name": mask(f"{call.kind} {call.part_id}")[:_LINE],
        "target": mask(f"order {call.order_id}, adapter {call.adapter_id or 'not named'}")[:_LINE],
        "problem": mask(reply.problem or "")[:_LINE],
        "skipped": reply.skipped,
    }


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value


def _text(order: WireOrder, *path: str) -> str:
    value = _at(order, *path)
    return "" if value is None else str(value)
