"""Random choices as the client makes them: one value that tests replace to get the same ones each time."""

import random as _random
from typing import Protocol


class RandomSource(Protocol):
    """Where random waits and request ids come from. A :class:`random.Random` is one."""

    def random(self) -> float:
        """A number from 0 to 1, without 1."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """A number from ``a`` to ``b``."""
        ...

    def randrange(self, start: int) -> int:
        """A whole number from 0 to ``start``, without ``start``."""
        ...

    def randbytes(self, n: int) -> bytes:
        """``n`` bytes."""
        ...


class SystemRandomSource:
    """Python's own generator.

    The module's functions and not an instance: a forked process would repeat its parent's choices with that.
    """

    random = staticmethod(_random.random)
    uniform = staticmethod(_random.uniform)
    randrange = staticmethod(_random.randrange)
    randbytes = staticmethod(_random.randbytes)


SYSTEM_RANDOM: RandomSource = SystemRandomSource()
"""The one that is used unless another is given."""
