"""Settings as plain values, each checked once, when it is made and before any I/O."""

import re
from enum import Enum, StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import attrs

from norce_order_async.core.checks import positive_seconds
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.kinds import exact, kind_of
from norce_order_async.core.urls import without_secrets

T = TypeVar("T")

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)
_API = re.compile(r"/api/v\d+(/.*)?$")
_NUMBERS = re.compile(r"[0-9.]+")
NO_ADDRESS: Final = (
    "where to? give environment and slug, or base_url (NORCE_ENVIRONMENT and NORCE_SLUG, or NORCE_BASE_URL)"
)
"""What is said where nothing says where the API is."""


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
        return f"https://{exact(slug)}.api-se.{part}norce.tech/checkout/order"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: a token may go there over http, and no proxy is on the way."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    """Whether it is a name or an address; only some libraries take ``127.1`` and ``2130706433`` for one."""
    if ":" not in host and not _NUMBERS.fullmatch(host):
        return all(map(_DNS_LABEL.fullmatch, host.removesuffix(".").split(".")))
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def check_address(name: str, url: str, *, allow_http: bool, secret: str, place: str) -> str:
    """Return ``url`` without a slash at its end.

    Args:
        name: The setting.
        url: Its value.
        allow_http: Whether it may be http also for a host that is not loopback.
        secret: What is sent there, as a message calls it.
        place: The setting for that.

    Raises:
        ConfigurationError: It is not https, has no host, or has a user, a query, a fragment, spaces or unprintable
            characters.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} must be a str, got {kind_of(url)}")
    shown = without_secrets(url)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        # The error's own text may have what is not shown.
        raise ConfigurationError(f"{name} {shown!r}: {error if shown == url else 'it is no URL'}") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{name} {shown!r} holds a character that a URL cannot hold")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{name} {shown!r} is not an https address with a host")
    if not _is_host(host):
        raise ConfigurationError(f"{name} {shown!r}: {host!r} is not a host name")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} holds a user or password; the {secret} goes into {place}=")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"{name} {shown!r} has a query or a fragment")
    if parts.scheme == "http" and not is_loopback(host) and not allow_http:
        raise ConfigurationError(f"{name} {shown!r} would send the {secret} unencrypted: use https")
    return url.rstrip("/")


def check_base_url(url: str, *, allow_http: bool = False) -> str:
    """Return ``url`` without a slash at its end.

    Raises:
        ConfigurationError: As :func:`check_address`, or it goes on into the API (``/api/v0``).
    """
    address = check_address("base_url", url, allow_http=allow_http, secret="token", place="auth")
    if found := _API.search(urlsplit(url).path):
        left_out = f"leave out {found[0]!r} at its end; every call adds its own path"
        raise ConfigurationError(f"base_url {without_secrets(url)!r}: {left_out}")
    return address


@attrs.frozen
class Timeout:
    """How long things may take, in seconds; ``math.inf`` is no limit.

    Attributes:
        total: The whole call: queueing, tokens, all attempts and the waits between them.
        attempt: One attempt, from the connection to the last byte of the response.
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
    if isinstance(value, Timeout):
        return value
    try:
        return Timeout(total=value)
    except ConfigurationError as error:
        raise ConfigurationError(f"timeout: {error}") from None


@attrs.frozen
class Address:
    """Where the API is.

    Attributes:
        url: Its address, without a slash at its end.
        environment: Which of Norce's environments; None where a base_url was given.
        slug: The identifier in the address; None where a base_url was given.
        allow_http: Whether a base_url may be http for a host other than loopback.
    """

    url: str
    environment: Environment | None
    slug: str | None
    allow_http: bool

    @classmethod
    def of(cls, environment: Environment | None, slug: str | None, base_url: str | None, *, allow_http: bool) -> Self:
        """From ``base_url``, or else from environment and slug.

        Raises:
            ConfigurationError: It is given in both ways, or in none, or is wrong.
        """
        if base_url is not None:
            if environment is not None or slug is not None:
                raise ConfigurationError(
                    "give either base_url, or environment and slug, not both "
                    "(NORCE_BASE_URL, or NORCE_ENVIRONMENT and NORCE_SLUG)"
                )
            return cls(check_base_url(base_url, allow_http=allow_http), None, None, allow_http)
        if environment is None or slug is None:
            raise ConfigurationError(NO_ADDRESS)
        try:
            environment = Environment(environment)
        except ValueError:
            known = ", ".join(Environment)
            raise ConfigurationError(f"environment {environment!r} is none of {known}") from None
        return cls(environment.base_url(slug), environment, exact(slug), allow_http)

    def scoped(self, environment: Environment | Unset, slug: str | Unset, base_url: str | Unset) -> "Address":
        """The address of a scoped view; what is left out is as here.

        Raises:
            InvalidRequestError: It is given in both ways, or in half, or is wrong.
            TypeError: A value that is not a str.
        """
        for name, value in (("environment", environment), ("slug", slug), ("base_url", base_url)):
            if not isinstance(value, str | Unset):
                raise TypeError(f"{name} must be a str, got {kind_of(value)}")
        area, label, url = _or_none(environment), _or_none(slug), _or_none(base_url)
        if url is None:
            area = self.environment if area is None else area
            label = self.slug if label is None else label
            if area is None or label is None:
                raise InvalidRequestError("give both environment and slug: the client was made with a base_url")
        try:
            return _address(area, label, url, allow_http=self.allow_http)
        except ConfigurationError as error:
            raise InvalidRequestError(str(error)) from None


# Views are made for each request, and a check of an address takes longer than all the rest.
_address = lru_cache(maxsize=1024)(Address.of)


def _or_none(value: T | Unset) -> T | None:
    return None if isinstance(value, Unset) else value
