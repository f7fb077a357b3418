"""A client's settings from environment variables."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from norce_order_async.auth.file import TokenFile
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.precedence import CLIENT_SETTINGS, layered
from norce_order_async.core.settings import NO_ADDRESS, Environment, is_loopback
from norce_order_async.core.token_source import TokenSource
from norce_order_async.core.wording import reason_of
from norce_order_async.transport import Transport
from norce_order_async.transport.default import default_transport, tls_context
from norce_order_async.transport.errors import place_of


def settings_from(variables: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for a client: what ``overrides`` has and is not None, and the rest from ``NORCE_*``.

    A ``transport`` that is a class is made with the proxy and the authorities that the variables name.
    An address that is given either way leaves the variables of the other way out. ``proxy_from_env`` among the
    overrides asks for ``HTTPS_PROXY`` and ``NO_PROXY``.

    Raises:
        ConfigurationError: The token, merchant, channel or address is missing, of which all are told that are, a file
            cannot be read, or a proxy is none.
    """
    proxy_from_env = overrides.get("proxy_from_env", False)
    given = _given(variables, overrides)
    problems: list[str] = []
    if "auth" not in given:
        try:
            given["auth"] = _token_from(variables)
        except ConfigurationError as error:
            problems.append(str(error))
    for name in ("merchant", "channel"):
        if name not in given:
            problems.append(f"no {name}: set NORCE_{name.upper()}, or give it as an argument")
    if not given.keys() & {"environment", "slug", "base_url"}:
        problems.append(NO_ADDRESS)
    if problems:
        raise ConfigurationError("; ".join(problems))
    if isinstance(given.get("transport", object), type):
        kind = given.pop("transport", None)
        if transport := _transport_from(variables, given, proxy_from_env, kind):
            given["transport"] = transport
    return given


def proxy_from(variables: Mapping[str, str], overrides: Mapping[str, Any]) -> str | None:
    """The URL of the proxy that a client with these settings reaches the API through; see :func:`settings_from`."""
    return _proxy_from(variables, _given(variables, overrides), overrides.get("proxy_from_env", False))[1]


def scope_from(variables: Mapping[str, str], overrides: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The merchant and channel of a client with these settings, where they are given; see :func:`settings_from`."""
    given = _given(variables, overrides)
    return given.get("merchant"), given.get("channel")


def _given(variables: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    overrides = {name: value for name, value in overrides.items() if name != "proxy_from_env"}
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None or name == "retry"}
    found = {name: value for name in CLIENT_SETTINGS if (value := variables.get(f"NORCE_{name.upper()}"))}
    return layered(given, found)


def _transport_from(
    variables: Mapping[str, str], given: Mapping[str, Any], proxy_from_env: bool, kind: Callable[..., Transport] | None
) -> Transport | None:
    """A transport that differs from the default one, if the variables or ``kind`` ask for that."""
    name, proxy = _proxy_from(variables, given, proxy_from_env)
    context = _context_from(variables.get("NORCE_CA_FILE"))
    if proxy is None and context is None and kind is None:
        return None
    try:
        return (kind or default_transport)(proxy=proxy, ssl_context=context)
    except ConfigurationError as error:
        if proxy is None or "proxy" not in str(error):  # httptools is missing, say
            raise
        raise ConfigurationError(f"{name}: {error}") from None


def _proxy_from(variables: Mapping[str, str], given: Mapping[str, Any], proxy_from_env: bool) -> tuple[str, str | None]:
    """The variable that names the proxy for the API's address, and what it says."""
    try:
        address = given.get("base_url") or Environment(given["environment"]).base_url(given["slug"])
        if not isinstance(address, str):
            return "", None
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
    except (KeyError, ValueError):
        return "", None  # the client says what is wrong with the address
    if is_loopback(host):
        return "", None
    if proxy := variables.get("NORCE_PROXY"):
        return "NORCE_PROXY", proxy
    proxy = variables.get("https_proxy") or variables.get("HTTPS_PROXY")
    if not proxy_from_env or not proxy or parts.scheme != "https":
        return "", None
    # Heavy, so only when it is wanted. typeshed only has `proxy_bypass`, which on some systems asks more than the
    # environment.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    exempt = {"no": variables.get("no_proxy") or variables.get("NO_PROXY") or ""}
    for name in (host, place_of(host, port)):
        if proxy_bypass_environment(name, exempt):
            return "", None
    return "HTTPS_PROXY", proxy if "://" in proxy else f"http://{proxy}"


def _context_from(path: str | None) -> ssl.SSLContext | None:
    if not path:
        return None
    try:
        return tls_context(path)
    except OSError as error:
        raise ConfigurationError(f"NORCE_CA_FILE cannot be read: {path!r}: {reason_of(error)}") from None


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
