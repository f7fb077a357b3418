"""URLs and paths as they may be shown and kept: without what may be a secret in them."""

import os
import re
from typing import Final

HIDDEN: Final = "***"
"""What stands in place of a secret."""
_USER = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)?(.*)(?=@)", re.IGNORECASE | re.DOTALL)
_LONG = 32
_PATHS = ("/", ".", "~")


def without_secrets(url: str) -> str:
    """A URL without its user, the values of its query, and its fragment; it need not be a URL.

    A password may hold a slash that is not escaped, so everything before the last ``@`` of the path counts as the user.
    """
    place, mark, query = url.partition("#")[0].partition("?")
    return _USER.sub(rf"\1{HIDDEN}", place) + mark + without_values(query)


def user_of(url: str) -> str:
    """What a URL has in front of its host, ``name:password``; nothing if there is none."""
    found = _USER.match(url.partition("#")[0].partition("?")[0])
    return found[2] if found else ""


def without_values(query: str) -> str:
    """A query with the names of its parameters, and nothing of their values."""
    parts = [part.partition("=") for part in query.split("&") if part]
    # What ends with "=" may be Base64, and no name.
    return "&".join(f"{name}={HIDDEN}" if value.strip("=") else HIDDEN for name, _, value in parts)


def shown_file(path: str) -> str:
    """The name of a file that should hold a token, unless there is no such file and the name looks like a token."""
    parts = path.split("/")
    longest = max(map(len, parts)) if path.startswith(_PATHS) else len(path) + _LONG
    looks_like_token = longest >= 2 * _LONG or any(part.startswith("eyJ") for part in parts)
    return "(looks like a token)" if looks_like_token and not os.path.exists(path) else path  # noqa: PTH110
