"""Random choices as the client makes them: one value that tests replace to get the same ones each time."""

import os
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


_own = _random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_own.seed)


class SystemRandomSource:
    """A generator of the package's own: it goes on where a program seeds Python's, and leaves that as it is.

    All share one, which a forked process seeds anew: it would repeat its parent's choices.
    """

    random = staticmethod(_own.random)
    uniform = staticmethod(_own.uniform)
    randrange = staticmethod(_own.randrange)
    randbytes = staticmethod(_own.randbytes)


SYSTEM_RANDOM: RandomSource = SystemRandomSource()
"""The one that is used unless another is given."""
