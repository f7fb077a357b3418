"""The client that the flags and the environment ask for."""

import argparse
from typing import Any

from norce_order_async.client import OrderClient
from norce_order_async.core.settings import Timeout
from norce_order_async.middleware.policy import RetryPolicy

SETTINGS = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id", "proxy_from_env")


def client_from(options: argparse.Namespace, *, retry: RetryPolicy, timeout: Timeout, **more: Any) -> OrderClient:
    """A client with these flags; what they leave open comes from ``NORCE_*``.

    ``more`` are further arguments of :class:`OrderClient`.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    given = {name: getattr(options, name) for name in SETTINGS}
    return OrderClient.from_env(**given, **more, retry=retry, timeout=timeout_from(options, timeout))


def timeout_from(options: argparse.Namespace, default: Timeout) -> Timeout:
    """The limits of each call."""
    return default if options.timeout is None else Timeout(total=options.timeout)
