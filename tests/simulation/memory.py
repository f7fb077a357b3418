"""What of a client's structures grows: the entries of every container that its attributes lead to."""

import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from norce_order_async.sending.shops import KEPT

_OURS = ("norce_order_async", "aiohttp.connector", "aiohttp.client")
"""The modules whose objects are looked into."""
_MAPPINGS = (dict, OrderedDict, WeakKeyDictionary, WeakValueDictionary)
_COLLECTIONS = (list, tuple, set, frozenset, deque, WeakSet)
_ALWAYS = 64
"""Entries that a structure has at most while nothing is under way."""
_EACH = 16
"""Entries that each call under way and each connection add to it at most."""
_OF_SHOPS = ("Shops.", "Shop.", "Counts.")
_PER_SHOP = 8
"""Entries for each of the shops that a client remembers, at most."""
_GROWTH = 128
"""Entries by which what a module keeps may grow."""


def kept(root: object) -> Counter[str]:
    """How many entries the containers have that an object leads to, by the class and the attribute that they are of."""
    entries = Counter[str]()
    seen: dict[int, object] = {}
    left: list[tuple[str, object]] = [(type(root).__name__, root)]
    while left:
        where, value = left.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, _MAPPINGS):
            entries[where] += len(cast("Mapping[Any, Any]", value))
            left += [(where, each) for pair in list(cast("Mapping[Any, Any]", value).items()) for each in pair]
        elif isinstance(value, _COLLECTIONS):
            entries[where] += len(cast("list[Any]", value))
            left += [(where, each) for each in list(cast("Iterable[Any]", value))]
        elif type(value).__module__.startswith(_OURS) and not isinstance(value, type):
            left += [(f"{type(value).__name__}.{name}", each) for name, each in _attributes(value)]
    return entries


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    yield from getattr(value, "__dict__", {}).items()
    for each in type(value).__mro__:
        for name in each.__dict__.get("__slots__", ()):
            name = f"_{each.__name__.lstrip('_')}{name}" if name.startswith("__") and name[-2:] != "__" else name
            if name != "__weakref__" and hasattr(value, name):
                yield name, getattr(value, name)


def too_many(root: object, busy: int) -> list[str]:
    """Which containers have more entries than so many calls and connections explain."""
    most = _ALWAYS + _EACH * busy
    return [
        f"{where} has {count} entries with {busy} calls and connections"
        for where, count in kept(root).items()
        if count > most + (_PER_SHOP * KEPT if where.startswith(_OF_SHOPS) else 0)
    ]


def kept_by_modules() -> dict[str, int]:
    """How many entries the containers and caches have that the package's modules keep."""
    entries: dict[str, int] = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("norce_order_async"):
            for member, value in vars(module).items():
                if isinstance(value, (*_MAPPINGS, *_COLLECTIONS)):
                    entries[f"{name}.{member}"] = len(cast("list[Any]", value))
                elif (cache := getattr(value, "cache_info", None)) is not None and cache().maxsize is None:
                    entries[f"{name}.{member}"] = cache().currsize
    return entries


def grown(before: Mapping[str, int]) -> list[str]:
    """What the modules keep too much of, compared with what they had."""
    return [
        f"{where} has grown from {before[where]} to {count} entries"
        for where, count in kept_by_modules().items()
        if where in before and count > before[where] + _GROWTH
    ]
