"""Which settings hold: an option, else the environment, else the profile; and where each comes from."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

_NAMES = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id")
_FLAGS = (*_NAMES, "timeout", "transport", "output")
_WAYS = (frozenset({"base_url"}), frozenset({"environment", "slug"}))
_TOKEN = frozenset({"token", "token_file", "token_variable"})


class Setting(NamedTuple):
    """A setting, and where it comes from."""

    value: Any
    source: str


def settle(options: argparse.Namespace, variables: Mapping[str, str]) -> None:
    """Have ``options`` say what holds, and ``options.settings`` where it comes from.

    An address that is given in one way (a URL, or environment and slug) leaves out what comes later of the other, and a
    token that is given leaves out where else one could be.

    Raises:
        ConfigurationError: The profile cannot be read.
    """
    settings: dict[str, Setting] = {}
    for layer in (_typed(options), _environment(variables), _profile(options, variables)):
        left_out = {name for group in (*_WAYS, _TOKEN) if not group.isdisjoint(settings) for name in _rivals(group)}
        for name, setting in layer.items():
            if name not in left_out:
                settings.setdefault(name, setting)
    if "output" in settings and settings["output"].value not in options.outputs:
        del settings["output"]  # the profile's, and this command has no such
    settings.setdefault("output", Setting("text", "default"))
    for name in _FLAGS:
        setattr(options, name, settings[name].value if name in settings else None)
    options.settings = settings


def _rivals(group: frozenset[str]) -> frozenset[str]:
    """What is left out where something of the group is given."""
    return group if group is _TOKEN else frozenset[str]().union(*_WAYS) - group


def _typed(options: argparse.Namespace) -> dict[str, Setting]:
    given = {name: getattr(options, name, None) for name in _FLAGS}
    return {name: Setting(value, f"--{name.replace('_', '-')}") for name, value in given.items() if value is not None}


def _environment(variables: Mapping[str, str]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name in (*_NAMES, "token", "token_file"):
        variable = f"NORCE_{name.upper()}"
        if value := variables.get(variable):
            found[name] = Setting("set" if name == "token" else value, variable)
    return found


def _profile(options: argparse.Namespace, variables: Mapping[str, str]) -> dict[str, Setting]:
    name = options.profile or variables.get("NORCE_PROFILE")
    if not name:
        return {}
    from norce_order_async.cli.profile import read_profile

    return {key: Setting(value, f"profile {name}") for key, value in read_profile(name, variables).items()}
