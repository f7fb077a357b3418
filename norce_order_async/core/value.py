"""The classes of values that are made for every call."""

from functools import partial
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    # Type checkers refuse to change one. That Python refuses it too would make it two to three times as slow to make,
    # and there are seven for every change of a batch.
    value = partial(attrs.define, on_setattr=attrs.setters.NO_OP, unsafe_hash=True)
    """Class decorator: a frozen class of attrs."""

__all__ = ["value"]
