"""What the flags, the environment and a profile ask for, and the client that has it."""

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from norce_order_async.cli.output import tell
from norce_order_async.client import OrderClient
from norce_order_async.core.call import CallHook
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.precedence import CLIENT_SETTINGS
from norce_order_async.core.settings import Timeout
from norce_order_async.environ import proxy_from
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.telemetry.telemetry import Telemetry
from norce_order_async.transport import Transport

if TYPE_CHECKING:
    from norce_order_async.auth.file import TokenFile

_SETTINGS = (*CLIENT_SETTINGS, "proxy_from_env")


def client_from(
    options: argparse.Namespace,
    variables: Mapping[str, str] | None = None,
    *,
    retry: RetryPolicy | None,
    timeout: Timeout,
    **more: Any,
) -> OrderClient:
    """A client with these flags; what they leave open comes from ``NORCE_*``.

    ``variables`` are read instead of ``os.environ``, and ``more`` are further arguments of :class:`OrderClient`, which
    win over the flags.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    given = {name: getattr(options, name) for name in _SETTINGS} | more
    if given.get("auth") is None:
        given["auth"] = token_of_profile(options)
    given["telemetry"] = telemetry_from(os.environ)
    return OrderClient.from_env(variables, **given, retry=retry, timeout=timeout_from(options, timeout))


def single_client(
    options: argparse.Namespace, retry: RetryPolicy, timeout: Timeout | None = None, *, on_call: Sequence[CallHook] = ()
) -> OrderClient:
    """A client for one call at a time, over aiohttp unless another transport is asked for: it starts quicker.

    Raises:
        ConfigurationError: As :func:`client_from`.
    """
    transport = None if options.transport is None else transport_from(options)
    return client_from(options, retry=retry, timeout=timeout or Timeout(), transport=transport, on_call=on_call)


def token_of_profile(options: argparse.Namespace) -> "TokenFile | str | None":
    """What the profile says of the token; None where it says nothing, or the environment has one."""
    settings = options.settings
    if (path := token_file_of_profile(options)) is not None:
        from norce_order_async.auth.file import TokenFile

        return TokenFile(path)
    if "token_variable" not in settings:
        return None
    name = settings["token_variable"].value
    if token := os.environ.get(name):
        return token
    raise ConfigurationError(f"no token: the profile says that it is in {name}, which is not set")


def token_file_of_profile(options: argparse.Namespace) -> str | None:
    """The file that the profile names, where the environment has no token."""
    setting = options.settings.get("token_file")
    return None if setting is None or setting.source == "NORCE_TOKEN_FILE" else setting.value


def transport_from(options: argparse.Namespace) -> type[Transport]:
    """The transport that is asked for; by default the faster one, where it is installed and reaches the proxy."""
    name = options.transport or "auto"
    if name == "auto":
        proxy = proxy_from(os.environ, {name: getattr(options, name) for name in _SETTINGS}) or ""
        is_fit = find_spec("httptools") and find_spec("aiohappyeyeballs") and urlsplit(proxy).scheme != "https"
        name = "httptools" if is_fit else "aiohttp"
    transport: type[Transport]
    if name == "httptools":
        from norce_order_async.transport.httptools import HttptoolsTransport as transport
    else:
        from norce_order_async.transport.aiohttp import AiohttpTransport as transport
    if options.verbose:
        tell(f"Requests go over {transport.__name__}.")
    return transport


def telemetry_from(variables: Mapping[str, str]) -> Telemetry | None:
    """Telemetry, where the environment sets OpenTelemetry up and its API is installed.

    The providers are the program's around this one: ``opentelemetry-instrument norce-order ...``.
    """
    if not any(name.startswith("OTEL_") for name in variables):
        return None
    with suppress(ConfigurationError):
        return Telemetry()
    return None


def timeout_from(options: argparse.Namespace, default: Timeout) -> Timeout:
    """The limits of each call."""
    return default if options.timeout is None else Timeout(total=options.timeout)
