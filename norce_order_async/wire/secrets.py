"""Which members of JSON hold a secret, by their names."""

SECRET_NAMES = frozenset(
    {
        "accesstoken", "apikey", "assertion", "authorization", "clientassertion", "clientsecret", "idtoken", "password",
        "refreshtoken", "secret", "token",
    }
)  # fmt: skip
"""As :func:`plain_name` writes them."""


def names_a_secret(name: str) -> bool:
    """Whether a member of this name holds a secret."""
    return plain_name(name) in SECRET_NAMES


def plain_name(name: str) -> str:
    """What is compared of a name: ``client_secret`` and ``clientSecret`` are one."""
    return name.lower().replace("_", "").replace("-", "")
