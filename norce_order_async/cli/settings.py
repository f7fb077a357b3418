"""The client that the flags and the environment ask for."""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from norce_order_async.cli.output import tell
from norce_order_async.client import OrderClient
from norce_order_async.core.settings import Timeout
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.transport import Transport

SETTINGS = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id", "proxy_from_env")


def client_from(options: argparse.Namespace, *, retry: RetryPolicy, timeout: Timeout, **more: Any) -> OrderClient:
    """A client with these flags; what they leave open comes from ``NORCE_*``.

    ``more`` are further arguments of :class:`OrderClient`.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    given = {name: getattr(options, name) for name in SETTINGS}
    return OrderClient.from_env(**given, **more, retry=retry, timeout=timeout_from(options, timeout))


def transport_from(options: argparse.Namespace) -> Transport:
    """The transport that is asked for; by default the faster one, where it is installed.

    Raises:
        ConfigurationError: It is not installed.
    """
    transport = transport_kind(options.transport)()
    if options.verbose:
        tell(f"Requests go over {type(transport).__name__}.")
    return transport


def transport_kind(name: str) -> Callable[[], Transport]:
    """What makes the transport of this name.

    Raises:
        ConfigurationError: It is not installed.
    """
    if name == "auto":
        name = "httptools" if find_spec("httptools") and find_spec("aiohappyeyeballs") else "aiohttp"
    if name == "httptools":
        from norce_order_async.transport.httptools import HttptoolsTransport

        return HttptoolsTransport
    from norce_order_async.transport.aiohttp import AiohttpTransport

    return AiohttpTransport


def timeout_from(options: argparse.Namespace, default: Timeout) -> Timeout:
    """The limits of each call."""
    return default if options.timeout is None else Timeout(total=options.timeout)
