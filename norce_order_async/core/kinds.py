"""What kind of value somebody gave: integers and truth values of other libraries count as Python's own."""

import builtins
from numbers import Integral
from operator import index

_OWN = frozenset({bool, int, float, str, type(None)})


def own(value: object) -> object:
    """An integer or truth value of another library, such as numpy, as Python's own; any other value as it is."""
    kind = type(value)
    if kind in _OWN:
        return value
    if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"):  # which is no integer, unlike Python's
        return bool(value)
    return index(value) if isinstance(value, Integral) else value


def exact(text: str) -> str:
    """The text that a str holds: as a member of ``class X(str, Enum)``, which would be written as ``X.MEMBER``, has."""
    return text if type(text) is str else str.__str__(text)


def kind_of(value: object) -> str:
    """What to call the type of a value, with its module where Python has a type of that name."""
    kind = type(value)
    if kind.__module__ != "builtins" and hasattr(builtins, kind.__name__.rstrip("_")):
        return f"{kind.__module__}.{kind.__name__}"
    return kind.__name__
