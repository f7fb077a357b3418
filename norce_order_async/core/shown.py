"""Values as errors, reports and reprs may show them: without what may be a secret."""

import os
import re
import reprlib
from collections.abc import Mapping

_LONG = 32
_PATHS = ("/", ".", "~")
_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_REST = re.compile(r"([?#]).*", re.DOTALL)

SHORT = reprlib.Repr()
"""Shows values in short."""
SHORT.maxstring = 60


def shown_names(members: Mapping[str, object]) -> str:
    """The first names of an object, as its values may be anything."""
    return SHORT.repr(list(members))


def shown_url(url: str) -> str:
    """An address, without its user, query and fragment; dots stand where they were. It need not be a URL."""
    return _USER.sub(r"\1...@", _REST.sub(r"\1...", url))


def shown_file(path: str) -> str:
    """The name of a file that should hold a token, unless there is no such file and the name looks like a token."""
    parts = path.split("/")
    longest = max(map(len, parts)) if path.startswith(_PATHS) else len(path) + _LONG
    looks_like_token = longest >= 2 * _LONG or any(part.startswith("eyJ") for part in parts)
    return "(looks like a token)" if looks_like_token and not os.path.exists(path) else path  # noqa: PTH110
