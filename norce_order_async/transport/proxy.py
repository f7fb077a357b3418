"""The URL of an HTTP proxy."""

from yarl import URL

from norce_order_async.core.errors import ConfigurationError


def proxy_url(value: object, schemes: tuple[str, ...]) -> URL:
    """The URL of a proxy, which may hold a user and a password.

    Raises:
        ConfigurationError: It has none of these schemes, no host, or credentials that cannot be sent. The message does
            not show it.
    """
    try:
        url = URL(value) if isinstance(value, str) else URL()
    except ValueError:
        url = URL()
    if url.scheme not in schemes or not url.host or not url.port:
        raise ConfigurationError(f"proxy must be the {' or '.join(schemes)} address of a proxy, with a host")
    user, password = url.user or "", url.password or ""
    if ":" in user or max(user + password, default="") > "\xff":
        raise ConfigurationError("the user of a proxy has no colon, and both user and password are Latin-1")
    return url
