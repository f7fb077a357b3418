"""What the flags, the environment and a profile ask for, and the client that has it."""

import argparse
import os
from importlib.util import find_spec
from typing import Any

from norce_order_async.cli.output import tell
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.settings import Timeout
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.transport import Transport

SETTINGS = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id", "proxy_from_env")


def client_from(
    options: argparse.Namespace, *, retry: RetryPolicy | None, timeout: Timeout, **more: Any
) -> OrderClient:
    """A client with these flags; what they leave open comes from ``NORCE_*``.

    ``more`` are further arguments of :class:`OrderClient`.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    given = {name: getattr(options, name) for name in SETTINGS}
    if more.get("auth") is None:
        more["auth"] = token_of_profile(options)
    return OrderClient.from_env(**given, **more, retry=retry, timeout=timeout_from(options, timeout))


def single_client(options: argparse.Namespace, retry: RetryPolicy) -> OrderClient:
    """A client for one call, over aiohttp unless another transport is asked for: it starts quicker.

    Raises:
        ConfigurationError: As :func:`client_from`.
    """
    transport = None if options.transport is None else transport_from(options)
    return client_from(options, retry=retry, timeout=Timeout(), transport=transport)


def token_of_profile(options: argparse.Namespace) -> Any:
    """What the profile says of the token; None where it says nothing, or the environment has one."""
    settings = options.settings
    if "token_file" in settings and settings["token_file"].source != "NORCE_TOKEN_FILE":
        from norce_order_async.auth.file import TokenFile

        return TokenFile(settings["token_file"].value)
    if "token_variable" not in settings:
        return None
    name = settings["token_variable"].value
    if token := os.environ.get(name):
        return token
    raise ConfigurationError(f"no token: the profile says that it is in {name}, which is not set")


def transport_from(options: argparse.Namespace) -> type[Transport]:
    """The transport that is asked for; by default the faster one, where it is installed."""
    name = options.transport or "auto"
    if name == "auto":
        name = "httptools" if find_spec("httptools") and find_spec("aiohappyeyeballs") else "aiohttp"
    transport: type[Transport]
    if name == "httptools":
        from norce_order_async.transport.httptools import HttptoolsTransport as transport
    else:
        from norce_order_async.transport.aiohttp import AiohttpTransport as transport
    if options.verbose:
        tell(f"Requests go over {transport.__name__}.")
    return transport


def timeout_from(options: argparse.Namespace, default: Timeout) -> Timeout:
    """The limits of each call."""
    return default if options.timeout is None else Timeout(total=options.timeout)
