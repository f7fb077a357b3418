"""Which members of JSON hold a secret, or an address with one, by their names."""

_SECRET_NAMES = frozenset({"apikey", "assertion", "authorization", "clientassertion"})
"""As :func:`plain_name` writes them."""
_SECRET_ENDINGS = ("password", "secret", "token")
_ADDRESS_NAMES = frozenset({"hooks", "invoke", "notifications", "url", "validations"})
"""Of the addresses that Norce calls, and of the lists that may have an address in place of an object."""


def names_a_secret(name: str) -> bool:
    """Whether a member of this name holds a secret."""
    plain = plain_name(name)
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def holds_headers(name: str) -> bool:
    """Whether an object of this name has headers for a call as its members: any of their values may be a secret."""
    return plain_name(name) == "headers"


def names_an_address(name: str) -> bool:
    """Whether a text under this name is an address that Norce calls, which may hold a secret of the adapter."""
    return plain_name(name) in _ADDRESS_NAMES


def plain_name(name: str) -> str:
    """What is compared of a name: ``client_secret`` and ``clientSecret`` are one."""
    return name.lower().replace("_", "").replace("-", "")
