"""One value for each event loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, ref

from norce_order_async.core.errors import ClientStateError

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs here.

    Raises:
        ClientStateError: None of asyncio's does.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ClientStateError(
            "no event loop of asyncio runs here: await this under asyncio.run(); trio and curio have other loops"
        ) from None


class PerLoop(Generic[T]):
    """Values that belong to one event loop each, and end with it.

    Args:
        make: Makes the value for a loop that has none yet. It may refer to the loop while something runs there: what
            a loop that was closed in the midst of that leaves is let go when the next loop gets a value.
    """

    __slots__ = ("_latest", "_make", "_values")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._latest: tuple[ref[asyncio.AbstractEventLoop], T] | None = None

    def of(self, loop: asyncio.AbstractEventLoop) -> T:
        """The value of a loop. The one asked for last is found without a look-up: mostly there is no other."""
        latest = self._latest  # one read, because another thread may ask for another loop meanwhile
        if latest is not None and latest[0]() is loop:
            return latest[1]
        value = self._values.get(loop)
        if value is None:
            for other, _ in self.items():
                if other.is_closed():
                    self._values.pop(other, None)
            value = self._values[loop] = self._make()
        self._latest = ref(loop), value
        return value

    def here(self) -> T:
        """The value of the loop that runs.

        Raises:
            ClientStateError: None of asyncio's does.
        """
        return self.of(running_loop())

    def items(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Every loop that has a value, with it."""
        # From a list of references, made at once: another thread may add a loop meanwhile.
        loops = [loop for reference in self._values.keyrefs() if (loop := reference()) is not None]
        return [(loop, value) for loop in loops if (value := self._values.get(loop)) is not None]
