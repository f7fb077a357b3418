"""Profiles: what one types each time, in a TOML file, never a secret."""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from norce_order_async.cli.choices import OUTPUTS, TRANSPORTS
from norce_order_async.core.checks import wanted_seconds
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.precedence import CLIENT_SETTINGS
from norce_order_async.core.wording import reason_of

_CHOICES = {"output": OUTPUTS, "transport": TRANSPORTS}
_KEYS = (*CLIENT_SETTINGS, "token_file", "token_variable", *_CHOICES, "timeout")
_POSITION = re.compile(r"\(at [^)]*\)")
_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*").fullmatch
_SECRETS = ("token", "secret", "password", "authorization")


def profile_file(variables: Mapping[str, str]) -> Path:
    """Where the profiles are: ``NORCE_CONFIG``, or ``norce-order/config.toml`` in the user's folder for settings."""
    if named := variables.get("NORCE_CONFIG"):
        return Path(named)
    if sys.platform == "win32" and (data := variables.get("APPDATA")):
        return Path(data, "norce-order", "config.toml")
    # The specification of these folders has relative ones ignored.
    folder = Path(variables.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():
        folder = Path(os.path.expanduser("~/.config"))  # noqa: PTH111 (also without a home directory)
    return folder / "norce-order" / "config.toml"


def read_profile(name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a profile.

    Raises:
        ConfigurationError: The file cannot be read, has no such profile, or one with a key that it cannot have.
    """
    import tomllib

    path = profile_file(variables)
    profiles: dict[str, Any] = {}
    problem = ""
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problem = reason_of(error)
    except ValueError as error:
        # The position only: what stands there may be a token.
        found = _POSITION.search(str(error))
        problem = f"not TOML {found[0] if found else ''}".rstrip()
    if problem:
        raise ConfigurationError(f"the profiles in {path} cannot be read: {problem}")
    profile = profiles.get(name)
    if not isinstance(profile, dict):
        known = ", ".join(profiles) or "none"
        raise ConfigurationError(f"there is no profile {name!r} in {path}, which has {known}")
    settings = cast("dict[str, Any]", profile)
    for key, value in settings.items():
        _check(f"the profile {name!r} in {path}", key, value)
    if file := settings.get("token_file"):
        settings["token_file"] = str(path.parent / os.path.expanduser(file))  # noqa: PTH111 (also `~absent/x`)
    return settings


def _check(where: str, key: str, value: object) -> None:
    if key not in _KEYS and any(secret in key.lower() for secret in _SECRETS):
        raise ConfigurationError(
            f"{where} has {key!r}: a profile holds no secret; name a file with token_file = ..., or an environment "
            "variable with token_variable = ..."
        )
    if key not in _KEYS:
        near = get_close_matches(key, _KEYS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(_KEYS)}"
        raise ConfigurationError(f"{where} has {key!r}, which is no setting: {hint}")
    if key == "timeout":
        wanted = wanted_seconds(value, endless=True)
        fits = wanted is None
    elif key == "token_variable":
        # In capitals, so that a token in its place is not shown.
        fits, wanted = isinstance(value, str) and _VARIABLE(value) is not None, "the name of a variable, in capitals"
    elif key in _CHOICES:
        fits, wanted = value in _CHOICES[key], f"one of {', '.join(_CHOICES[key])}"
    else:
        fits, wanted = isinstance(value, str) and value != "", "text"
    if not fits:
        raise ConfigurationError(f"{where}: {key} must be {wanted}")
