"""What a sandbox remembers, while it goes on in another thread."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Remembered(deque[T]):
    """The latest of what was noted. It is iterated as it is at the start, whatever is noted meanwhile."""

    def __iter__(self) -> Iterator[T]:
        return iter(self._now())

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._now())

    def _now(self) -> list[T]:
        while True:
            with suppress(RuntimeError):  # something was noted between the iterator's making and its use
                return [*super().__iter__()]
