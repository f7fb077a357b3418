"""Frozen classes for the values that the package makes for every call, and programs only read.

What programs make is frozen by attrs itself: changed after it was handed in, it would change what is sent.
"""

from functools import partial
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from attrs import frozen
else:
    # Type checkers refuse to change a value. That Python refuses it too would make each two to three times as slow to
    # make.
    frozen = partial(attrs.define, on_setattr=attrs.setters.NO_OP, unsafe_hash=True)

__all__ = ["frozen"]
