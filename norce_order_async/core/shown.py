"""Values as reprs may show them."""

import reprlib
from collections.abc import Mapping

SHORT = reprlib.Repr()
"""Shows values in short."""
SHORT.maxstring = 60


def shown_names(members: Mapping[str, object]) -> str:
    """The first names of an object, as its values may be anything."""
    return SHORT.repr(list(members))
