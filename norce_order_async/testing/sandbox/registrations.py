"""What adapters register on an order: validations, hooks and notifications."""

from collections.abc import Callable
from typing import cast

from norce_order_async.testing.sandbox.exchange import Ask, Result
from norce_order_async.testing.sandbox.store import Part, Store, find_part, refuse_twin

_PREFIXES = {"validations": "oc", "hooks": "h", "notifications": "n", "consents": "ci"}


def with_ids(store: Store, members: Part) -> None:
    """Give the consents and registrations of an order the ids that they lack."""
    for name, prefix in _PREFIXES.items():
        for part in without_id(members.get(name)):
            part["id"] = store.new_id(prefix)


def without_id(parts: object) -> list[Part]:
    """Those of an order's parts that have no id."""
    return [part for part in objects_of(parts) if not part.get("id")]


def objects_of(parts: object) -> list[Part]:
    """Those of an order's parts that are objects; an order that a test put in may have anything."""
    listed = cast("list[Part]", parts) if isinstance(parts, list) else []
    return [part for part in listed if isinstance(part, dict)]


def create(name: str) -> Callable[[Store, Ask], Result]:
    """The operation that adds one to ``order[name]``."""

    def handler(store: Store, ask: Ask) -> Result:
        order = store.find(ask)
        parts = order.setdefault(name, [])
        refuse_twin(parts, "order", "id", ask.body.get("id"))
        parts.append({**ask.body, "id": ask.body.get("id") or store.new_id(_PREFIXES[name])})
        store.touch(order)
        return None

    return handler


def update(name: str, kind: str) -> Callable[[Store, Ask], Result]:
    """The operation that replaces one in ``order[name]``."""

    def handler(store: Store, ask: Ask) -> Result:
        order = store.find(ask)
        part_id = ask.ids[f"{kind}_id"]
        parts = order.get(name, [])
        store.write(order, parts, parts.index(find_part(parts, kind, part_id)), {**ask.body, "id": part_id})
        return None

    return handler


def remove(name: str, kind: str) -> Callable[[Store, Ask], Result]:
    """The operation that takes one off ``order[name]``."""

    def handler(store: Store, ask: Ask) -> Result:
        order = store.find(ask)
        parts = order.get(name, [])
        parts.remove(find_part(parts, kind, ask.ids[f"{kind}_id"]))
        store.touch(order)
        return None

    return handler
