"""Which members of JSON hold a secret, or an address with one, by their names."""

from collections.abc import Mapping

from norce_order_async.wire.json import JSON

_SECRET_NAMES = frozenset({"apikey", "assertion", "authorization", "clientassertion"})
"""As :func:`plain_name` writes them."""
_SECRET_ENDINGS = ("password", "secret", "token")
_ADDRESS_NAMES = frozenset({"hooks", "invoke", "notifications", "url", "validations"})
"""Of the addresses that Norce calls, and of the lists that may have an address in place of an object."""


def names_a_secret(name: str) -> bool:
    """Whether a member of this name holds a secret."""
    plain = plain_name(name)
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def is_secret(name: str, value: object) -> bool:
    """Whether a member is a secret: it has the name of one, and is no null, true or false."""
    return not (value is None or isinstance(value, bool)) and names_a_secret(name)


def holds_headers(name: str) -> bool:
    """Whether an object of this name has headers for a call as its members: any of their texts may be a secret."""
    return plain_name(name) == "headers"


def hide_headers(headers: Mapping[str, JSON], hidden: str) -> dict[str, JSON]:
    """Headers with ``hidden`` in place of each text, also of those in lists and objects; other values stay."""
    return {name: _without_texts(value, hidden) for name, value in headers.items()}


def _without_texts(value: JSON, hidden: str) -> JSON:
    if isinstance(value, Mapping):
        return hide_headers(value, hidden)
    if isinstance(value, list | tuple):
        return [_without_texts(one, hidden) for one in value]
    return hidden if isinstance(value, str) else value


def names_an_address(name: str) -> bool:
    """Whether a text under this name is an address that Norce calls, which may hold a secret of the adapter."""
    return plain_name(name) in _ADDRESS_NAMES


def plain_name(name: str) -> str:
    """What is compared of a name: ``client_secret`` and ``clientSecret`` are one."""
    return name.lower().replace("_", "").replace("-", "")
