"""What does not pickle, so that no secret is kept or sent elsewhere with it."""

from typing import Never


class Secretive:
    """A base of what holds secrets: it neither pickles nor is deep-copied."""

    __slots__ = ()

    def __reduce__(self) -> Never:
        raise TypeError(f"{type(self).__name__} holds secrets and does not pickle: make one where it is needed")
