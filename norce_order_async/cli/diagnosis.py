"""Which setting an error of a call points to, and what to do about it."""

import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from norce_order_async.core.errors import (
    AuthenticationError,
    CallError,
    ConnectError,
    ConnectTimeout,
    DecodeError,
    NotTheApiError,
    PermissionDeniedError,
    ProxyError,
    RateLimitedError,
    ServerError,
    StatusError,
    TLSError,
    TokenError,
)
from norce_order_async.wire.refusals import is_foreign

CHECK_PROXY = "check NORCE_PROXY, or HTTPS_PROXY with --proxy-from-env"
_NO_NAME = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_AGAIN", "EAI_FAIL", "EAI_NODATA")}
_WHERE = "check --base-url, or --environment and --slug"
_WHO = "check --merchant and --channel"


class Finding(NamedTuple):
    """What is wrong.

    Attributes:
        aspect: Of what: ``address``, ``TLS``, ``token`` or ``merchant and channel``.
        text: What it is and what to do, in one sentence.
        passing: Whether it may be over soon, so that no setting need be wrong.
    """

    aspect: str
    text: str
    passing: bool = False


def diagnose(error: CallError, base_url: str) -> Finding:
    """What a call's error says of the settings."""
    host = urlsplit(base_url).netloc
    match error:
        case ConnectError() if getattr(error.__cause__, "errno", 0) in _NO_NAME:
            return Finding("address", f"there is no host {host}: {_WHERE}")
        case ConnectError() if isinstance(error.__cause__, ConnectionRefusedError):
            return Finding("address", f"nothing listens at {host}: {_WHERE}")
        case ConnectError():
            return Finding("address", f"{error.reason}: {_WHERE}, and the network")
        case ConnectTimeout():
            return Finding("address", f"{host} does not answer in time: {_WHERE}, and firewalls on the way", True)
        case ProxyError():
            return Finding("address", f"{error.reason}: {CHECK_PROXY}")
        case TLSError():
            return Finding("TLS", f"{error.reason}: check the address, and for a private authority NORCE_CA_FILE")
        case TokenError():
            return Finding("token", f"no token could be had: {error.reason}")
        case StatusError() if is_foreign(error):
            return _of_another(error)
        case AuthenticationError():
            return Finding("token", "refused (401): check NORCE_TOKEN, and that it belongs to this environment")
        case PermissionDeniedError():
            return Finding("merchant and channel", f"the token may not act for them (403): {_WHO}, or ask Norce")
        case RateLimitedError():
            return Finding("address", "too many requests (429): try again later", True)
        case ServerError():
            return Finding("address", f"the service fails (HTTP {error.status}): try again later", True)
        case StatusError() if error.status in (400, 404) and error.code:
            return Finding("merchant and channel", f"unknown to the API ({error.reason}): {_WHO}")
        case StatusError() | NotTheApiError() | DecodeError():
            return _of_another(error)
        case _:
            return Finding("address", f"{error.reason}: try again, and {_WHERE}", True)


def _of_another(error: CallError) -> Finding:
    return Finding("address", f"something else than the API answers ({error.reason[:100]}): {_WHERE}")
