"""What a source of bearer tokens is."""

from typing import Protocol

import attrs


class TokenSource(Protocol):
    """Where tokens come from. One source serves every call of a client, many at once.

    Whatever ``get`` raises ends the call with a :class:`TokenError` that names the class, and for an error of this
    package the text too. A cancellation that nobody asked the call for is such a failure. A ``get`` that hangs is
    left at the call's deadline. A source with an async ``aclose`` is closed with the client.
    """

    async def get(self, *, rejected: str | None = None) -> str:
        """The token to send, without the word Bearer.

        Called before every attempt, so it should cache. ``rejected`` is a token that the API just answered
        with 401: return another one if there is one, or the same to let the 401 stand.
        """
        ...


@attrs.frozen
class Credential:
    """A token, or a source of tokens; its repr, and so no traceback with local variables, shows neither."""

    value: TokenSource | str = attrs.field(repr=False)
