"""URLs as they may be shown and kept: without what may be a secret in them."""

import re
from typing import Final

HIDDEN: Final = "***"
"""What stands in place of a secret."""
CALLED: Final = frozenset({"invoke", "url"})
"""The members of hooks, notifications and validations with the address that Norce calls: it has a secret of theirs."""
_USER = re.compile(r"(?<=//)[^/?#]*(?=@)")


def without_secrets(url: str) -> str:
    """A URL without its user, the values of its query, and its fragment."""
    place, mark, query = url.partition("#")[0].partition("?")
    return _USER.sub(HIDDEN, place) + mark + without_values(query)


def user_of(url: str) -> str:
    """What a URL has in front of its host, ``name:password``; nothing if there is none."""
    found = _USER.search(url)
    return found[0] if found else ""


def without_values(query: str) -> str:
    """A query with the names of its parameters, and nothing of their values."""
    parts = [part.partition("=") for part in query.split("&") if part]
    return "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in parts)
