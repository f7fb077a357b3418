"""What our sources of bearer tokens have in common."""

from typing import Never


class Secretive:
    """A base of sources that hold secrets: they do not pickle."""

    __slots__ = ()

    def __reduce__(self) -> Never:
        raise TypeError(f"{type(self).__name__} holds secrets and does not pickle")
