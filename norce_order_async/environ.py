"""A client's settings from environment variables."""

from collections.abc import Mapping
from typing import Any

from norce_order_async.auth.file import TokenFile
from norce_order_async.auth.source import TokenSource
from norce_order_async.core.errors import ConfigurationError


def settings_from(variables: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for a client: what ``overrides`` has and is not None, and the rest from ``NORCE_*``.

    An address that is given either way leaves the variables of the other way out.

    Raises:
        ConfigurationError: The token, merchant or channel is missing, or the token's file cannot be read.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None or name == "retry"}
    names = ["merchant", "channel", "adapter_id"]
    if "base_url" not in given:
        names += ["environment", "slug"]
    if "environment" not in given and "slug" not in given:
        names.append("base_url")
    for name in names:
        if name not in given and (value := variables.get(f"NORCE_{name.upper()}")):
            given[name] = value
    if "auth" not in given:
        given["auth"] = _token_from(variables)
    for name in ("merchant", "channel"):
        if name not in given:
            raise ConfigurationError(f"no {name}: set NORCE_{name.upper()}, or give it as an argument")
    return given


def _token_from(variables: Mapping[str, str]) -> TokenSource | str:
    if token := variables.get("NORCE_TOKEN"):
        return token
    path = variables.get("NORCE_TOKEN_FILE")
    if not path:
        raise ConfigurationError("no token: set NORCE_TOKEN, or NORCE_TOKEN_FILE to a file that holds it")
    try:
        return TokenFile(path)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("the token file", "NORCE_TOKEN_FILE", 1)) from None
