"""Checks of the objects and functions that a client is given: what cannot be called later is told at once."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of

T = TypeVar("T")


@attrs.frozen
class Shape:
    """What a setting has to be.

    Attributes:
        what: In words.
        methods: The methods that are called.
        awaited: Whether they may be async.
        kind: The class that it is of.
    """

    what: str
    methods: tuple[str, ...] = ("__call__",)
    awaited: bool = True
    kind: type = object

    def fits(self, value: object) -> bool:
        """Whether a value is that."""
        if not isinstance(value, self.kind) or not all(has_method(value, name) for name in self.methods):
            return False
        functions = (value, *(getattr(value, name) for name in self.methods))
        return self.awaited or not any(map(inspect.iscoroutinefunction, functions))


HANDLER = Shape("a function")
HOOK = Shape("a function that is not async", awaited=False)
MIDDLEWARE = Shape("an async function, or an object with such a __call__")
OBSERVER = Shape(
    "an object with call_started(), attempt_started(), attempt_ended() and call_ended(), none of them async",
    ("call_started", "attempt_started", "attempt_ended", "call_ended"),
    awaited=False,
)
TRANSPORT = Shape("an object with send() and aclose()", ("send", "aclose"))
CLOCK = Shape("an object with monotonic(), wall() and sleep()", ("monotonic", "wall", "sleep"))
RANDOM = Shape(
    "an object with random(), uniform(), randrange() and randbytes()", ("random", "uniform", "randrange", "randbytes")
)


def has_method(value: object, name: str) -> bool:
    """Whether a method can be called as it stands: one of a class often needs an instance."""
    if not callable(getattr(value, name, None)):
        return False
    return not isinstance(value, type) or isinstance(inspect.getattr_static(value, name), staticmethod | classmethod)


def described(value: object) -> str:
    """What to call a value that does not fit."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "an async function" if inspect.iscoroutinefunction(value) else kind_of(value)


def check_shape(name: str, value: T, shape: Shape) -> T:
    """Return a setting if it has a shape.

    Raises:
        ConfigurationError: It hasn't.
    """
    if not shape.fits(value):
        raise ConfigurationError(f"{name} must be {shape.what}, got {described(value)}")
    return value


def check_client(client: T) -> T:
    """Return what can run operations.

    Raises:
        TypeError: It cannot; arguments may have changed places.
    """
    if isinstance(client, type) or not hasattr(client, "execute"):
        raise TypeError(f"client must be an OrderClient, got {described(client)}")
    return client


def check_takes_call(name: str, function: Callable[..., object]) -> None:
    """See that a function can be called with one argument, the call. One whose signature cannot be seen is taken.

    Raises:
        ConfigurationError: It cannot.
    """
    if {"__wrapped__", "__signature__"} <= getattr(function, "__dict__", {}).keys():
        return  # functools.wraps copies the signature of the wrapped function
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # a decorator may give it other arguments
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise ConfigurationError(f"{name} must take one argument, the call: {error}") from None


def check_each(name: str, values: Iterable[T], shape: Shape) -> tuple[T, ...]:
    """Return a setting as a tuple if each of its items has a shape.

    Raises:
        ConfigurationError: It has no items, or one of them hasn't.
    """
    try:
        items = tuple(values)
    except TypeError:
        raise ConfigurationError(f"{name} must be a sequence, got {described(values)}") from None
    return tuple(check_shape(f"each of {name}", item, shape) for item in items)


def check_plain_function(name: str, value: object) -> None:
    """See that an argument is a function that is not async.

    Raises:
        TypeError: It isn't.
    """
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise TypeError(f"{name} must be a plain function, got {described(value)}")


def check_not_awaitable(name: str, told: object) -> None:
    """See that a plain function has not returned what is to be awaited; a coroutine of it is closed.

    Raises:
        TypeError: It has.
    """
    if inspect.isawaitable(told):
        if inspect.iscoroutine(told):
            told.close()  # so that nothing says that it was never awaited
        raise TypeError(f"{name} must be a plain function, but returns a {kind_of(told)} to be awaited")


def an_optional_hook(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """An attrs validator: a function that is not async, or None."""
    if value is not None:
        check_shape(attribute.name, value, HOOK)
