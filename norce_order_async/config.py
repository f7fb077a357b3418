"""Settings as plain values, each checked once, when it is made and before any I/O."""

import re
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from norce_order_async.checks import check_header, check_header_value, positive_seconds
from norce_order_async.errors import ConfigurationError
from norce_order_async.policy import RetryPolicy

if TYPE_CHECKING:
    from norce_order_async.call import AttemptHook, CallHook

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Unset(Enum):
    """The type of :data:`UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


UNSET: Final = Unset.UNSET
"""Stands for "as the client has it" where None means "off" or "none"."""


class Environment(StrEnum):
    """Norce's environments."""

    PLAYGROUND = "playground"
    """For first experiments."""
    STAGE = "stage"
    """For integration and acceptance tests."""
    PRODUCTION = "production"

    def base_url(self, slug: str) -> str:
        """The order API's address for the customer that Norce calls ``slug``.

        Raises:
            ConfigurationError: The slug is not a DNS label.
        """
        if not isinstance(slug, str) or not _DNS_LABEL.fullmatch(slug):
            raise ConfigurationError(f"slug {slug!r} is not a DNS label (letters, digits and hyphens)")
        part = "" if self is Environment.PRODUCTION else f"{self.value}."
        return f"https://{slug}.api-se.{part}norce.tech/checkout/order"


def check_base_url(url: str, *, allow_http: bool = False) -> str:
    """Return ``url`` without a slash at its end.

    Raises:
        ConfigurationError: It is not https (http is allowed for loopback hosts, elsewhere only with
            ``allow_http``), has no host, or has a user, a query, a fragment, spaces or unprintable characters.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url must be a str, got {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"base_url {url!r}: {error}") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"base_url {url!r} holds a character that a URL cannot hold")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"base_url {url!r} is not an https address with a host")
    if ":" not in host and not all(map(_DNS_LABEL.fullmatch, host.removesuffix(".").split("."))):
        raise ConfigurationError(f"base_url {url!r}: {host!r} is not a host name")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url holds a user or password; the token goes into auth=")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"base_url {url!r} has a query or a fragment")
    if parts.scheme == "http" and host not in _LOOPBACK and not allow_http:
        raise ConfigurationError(f"base_url {url!r} would send the token unencrypted: use https")
    return url.rstrip("/")


@attrs.frozen
class Timeout:
    """How long things may take, in seconds; ``math.inf`` is no limit.

    Attributes:
        total: The whole call: queueing, tokens, all attempts and the waits between them.
        attempt: One attempt, from the connection to the last byte of the answer.
        connect: Establishing a connection, its TLS handshake included.

    Raises:
        ConfigurationError: One of them is not a number above zero.
    """

    total: float = attrs.field(default=30.0, validator=positive_seconds)
    attempt: float = attrs.field(default=15.0, validator=positive_seconds)
    connect: float = attrs.field(default=5.0, validator=positive_seconds)

    @classmethod
    def batch(cls) -> "Timeout":
        """For jobs that rather wait than fail: 120 seconds in all."""
        return cls(total=120.0)


def as_timeout(value: Timeout | float) -> Timeout:
    """A number of seconds as the total of a :class:`Timeout`.

    Raises:
        ConfigurationError: It is neither, or not above zero.
    """
    return value if isinstance(value, Timeout) else Timeout(total=value)


def check_retry(value: object) -> RetryPolicy | None:
    """Return ``value`` if it is a policy or None.

    Raises:
        ConfigurationError: It is neither.
    """
    if value is None or isinstance(value, RetryPolicy):
        return value
    raise ConfigurationError(f"retry must be a RetryPolicy or None, got {value!r}")


def _optional_timeout(value: Timeout | float | Unset) -> Timeout | Unset:
    return value if isinstance(value, Unset) else as_timeout(value)


def _check_optional_retry(instance: object, attribute: object, value: object) -> None:
    if not isinstance(value, Unset):
        check_retry(value)


def _copy(headers: Mapping[str, str]) -> Mapping[str, str]:
    return dict(headers)


def _check_headers(instance: object, attribute: object, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        check_header(name, value)


def _check_optional_value(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Unset):
        check_header_value(attribute.name, value)


@attrs.frozen(kw_only=True)
class CallOptions:
    """What one call has otherwise than its client. Everything left out is as the client has it.

    Attributes:
        timeout: Other limits; a number of seconds is the total.
        retry: Another policy; None is off.
        headers: Further headers.
        adapter_id: Another ``x-adapterid``; None sends none.
        request_id: The ``x-request-id`` to send; without it a random one is made.
        on_attempt: Called after each attempt of this call, after the client's own hooks.
        on_call: Called at the call's end, after the client's own hooks.
        redelivered: An earlier call of the same change may have been applied, but its answer was lost: the worker
            died, say, and the queue delivers its message again. Then a refusal leaves the outcome ``unknown``, and a
            DELETE that finds nothing is ``applied_inferred``.
        log_cut: Whether it is logged when the call is cancelled, or meets its deadline, after its request went out.

    Raises:
        InvalidRequestError: A header, adapter id or request id that cannot be sent.
        TypeError: One of them is not a str.
        ConfigurationError: The timeout or the policy is not one.
    """

    timeout: Timeout | Unset = attrs.field(default=UNSET, converter=_optional_timeout)
    retry: RetryPolicy | Unset | None = attrs.field(default=UNSET, validator=_check_optional_retry)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_copy, validator=_check_headers)
    adapter_id: str | Unset | None = attrs.field(default=UNSET, validator=_check_optional_value)
    request_id: str | None = attrs.field(default=None, validator=_check_optional_value)
    on_attempt: "AttemptHook | None" = None
    on_call: "CallHook | None" = None
    redelivered: bool = False
    log_cut: bool = True

    def for_call(self, request_id: str, on_attempt: "AttemptHook", *, redelivered: bool) -> "CallOptions":
        """A copy for one call of many; what is not checked again costs a tenth.

        Raises:
            InvalidRequestError: The request id cannot be sent.
        """
        if not (request_id.isascii() and request_id.isalnum()):
            check_header_value("request_id", request_id)
        copy = object.__new__(CallOptions)
        for name in _COPIED:
            object.__setattr__(copy, name, getattr(self, name))
        object.__setattr__(copy, "request_id", request_id)
        object.__setattr__(copy, "on_attempt", on_attempt)
        object.__setattr__(copy, "redelivered", redelivered)
        return copy


_COPIED = tuple(
    name for name in attrs.fields_dict(CallOptions) if name not in ("request_id", "on_attempt", "redelivered")
)
