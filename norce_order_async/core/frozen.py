"""Frozen classes whose values are made for every call."""

from functools import partial
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from attrs import frozen
else:
    # Type checkers refuse to change a value. That Python refuses it too would make each two to three times as slow to
    # make, and there are seven for every change of a batch.
    frozen = partial(attrs.define, on_setattr=attrs.setters.NO_OP, unsafe_hash=True)

__all__ = ["frozen"]
