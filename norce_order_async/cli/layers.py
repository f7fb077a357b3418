"""Which settings hold: an option, else the environment, else the profile; and where each comes from."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from norce_order_async.cli.choices import OUTPUTS_OF_ALL
from norce_order_async.core.precedence import CLIENT_SETTINGS, layered

_FLAGS = (*CLIENT_SETTINGS, "timeout", "transport", "output")


class Setting(NamedTuple):
    """A setting, and where it comes from."""

    value: Any
    source: str


def settle(options: argparse.Namespace, variables: Mapping[str, str]) -> None:
    """Have ``options`` say what they and the profile ask for, and ``options.settings`` all that holds.

    An address that is given in one way (a URL, or environment and slug) leaves out what comes later of the other, and a
    token that is given leaves out where else one could be.

    Raises:
        ConfigurationError: The profile cannot be read.
    """
    settings = layered(_typed(options), _environment(variables), _profile(options, variables))
    outputs = OUTPUTS_OF_ALL if getattr(options, "all", False) else options.outputs
    if (given := settings.get("output")) is not None and given.source != "--output" and given.value not in outputs:
        del settings["output"]  # the profile's, and this command has no such
    settings.setdefault("output", Setting("text", "default"))
    for name in _FLAGS:
        if name in settings and not settings[name].source.startswith("NORCE_"):  # which the client looks at itself
            setattr(options, name, settings[name].value)
    options.settings = settings


def _typed(options: argparse.Namespace) -> dict[str, Setting]:
    given = {name: getattr(options, name, None) for name in _FLAGS}
    return {name: Setting(value, f"--{name.replace('_', '-')}") for name, value in given.items() if value is not None}


def _environment(variables: Mapping[str, str]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name in (*CLIENT_SETTINGS, "token", "token_file"):
        variable = f"NORCE_{name.upper()}"
        if value := variables.get(variable):
            found[name] = Setting("set" if name == "token" else value, variable)
    if "token" in found:
        found.pop("token_file", None)  # as the client has it
    return found


def _profile(options: argparse.Namespace, variables: Mapping[str, str]) -> dict[str, Setting]:
    name = options.profile or variables.get("NORCE_PROFILE")
    if not name:
        return {}
    from norce_order_async.cli.profile import read_profile

    return {key: Setting(value, f"profile {name}") for key, value in read_profile(name, variables).items()}
