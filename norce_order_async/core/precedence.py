"""Which settings of a client hold, where several places have some."""

from collections.abc import Mapping
from typing import Final, TypeVar

T = TypeVar("T")

CLIENT_SETTINGS: Final = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id")
"""Settings of a client that are texts: each is an argument, an option, a variable ``NORCE_*``, a profile's key."""
_TOKEN = ("token", "token_file", "token_variable")
_RIVALS = {
    "base_url": ("environment", "slug"),
    "environment": ("base_url",),
    "slug": ("base_url",),
    **dict.fromkeys(_TOKEN, _TOKEN),
}
"""What a setting leaves out of what comes after it."""


def layered(*layers: Mapping[str, T]) -> dict[str, T]:
    """What the layers say together: the first that has a setting wins, and leaves out its rivals of later ones."""
    settings: dict[str, T] = {}
    for layer in layers:
        left_out = {rival for name in settings for rival in _RIVALS.get(name, ())}
        settings = {name: value for name, value in layer.items() if name not in left_out} | settings
    return settings
